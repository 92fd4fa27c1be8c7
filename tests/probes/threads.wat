(module (memory (export "memory") 1 1 shared)
  (func $add (param i32) (drop (i32.atomic.rmw.add (i32.const 0) (local.get 0))))
  (func (export "_start") (call $add (i32.const 1))
    (if (i32.ne (i32.atomic.load (i32.const 0)) (i32.const 1)) (then unreachable))))
