(module (memory (export "memory") 1) (memory $second 1)
  (func (export "_start")
    (i32.store $second (i32.const 0) (i32.const 1))
    (if (i32.load (i32.const 0)) (then unreachable))))
