(module (memory (export "memory") 1)
  ;; So deep that a stack would not take it.
  (func $count_down (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (return_call $count_down (i32.sub (local.get 0) (i32.const 1))))
      (else (i32.const 0))))
  (func (export "_start") (drop (call $count_down (i32.const 1000000)))))
