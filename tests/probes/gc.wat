(module (memory (export "memory") 1) (type $pair (struct (field i32) (field i32)))
  (func (export "_start")
    (if (i32.ne (struct.get $pair 1 (struct.new $pair (i32.const 1) (i32.const 2))) (i32.const 2))
      (then unreachable))))
