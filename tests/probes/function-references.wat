(module (memory (export "memory") 1) (type $nothing (func))
  (func $nothing (type $nothing)) (elem declare func $nothing)
  (func (export "_start") (call_ref $nothing (ref.func $nothing))))
