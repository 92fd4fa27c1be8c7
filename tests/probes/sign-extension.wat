(module (memory (export "memory") 1)
  (func (export "_start")
    (if (i32.ne (i32.extend8_s (i32.const 0xff)) (i32.const -1)) (then unreachable))))
