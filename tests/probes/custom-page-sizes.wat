(module (memory (export "memory") 100 (pagesize 1))
  (func (export "_start") (if (i32.ne (memory.size) (i32.const 100)) (then unreachable))))
