(module (memory (export "memory") 1) (table $references 1 externref)
  (func (export "_start")
    (if (i32.eqz (ref.is_null (table.get $references (i32.const 0)))) (then unreachable))))
