(module (memory (export "memory") 1)
  (func (export "_start")
    (if (i32.ne (i32.trunc_sat_f64_u (f64.const -1)) (i32.const 0)) (then unreachable))))
