;; The half of the proposal that compilers use most.
(module (memory (export "memory") 1)
  (func (export "_start")
    (memory.fill (i32.const 0) (i32.const 7) (i32.const 4))
    (memory.copy (i32.const 8) (i32.const 0) (i32.const 4))
    (if (i32.ne (i32.load8_u (i32.const 11)) (i32.const 7)) (then unreachable))))
