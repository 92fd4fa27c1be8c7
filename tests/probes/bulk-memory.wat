(module (memory (export "memory") 1) (data $text "x")
  (func (export "_start")
    (memory.init $text (i32.const 0) (i32.const 0) (i32.const 1))
    (if (i32.ne (i32.load8_u (i32.const 0)) (i32.const 120)) (then unreachable))))
