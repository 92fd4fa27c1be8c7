(module (memory (export "memory") 1) (type $task (func)) (type $continuation (cont $task))
  (func $task) (elem declare func $task)
  (func (export "_start") (resume $continuation (cont.new $continuation (ref.func $task)))))
