;; Waits until it is killed: what holds a pod together. The Wasm shim runs it like any other container.
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; A subscription at 0: at 8 its kind (0, a clock), at 16 which clock (1, monotonic), at 24 the nanoseconds.
  (func (export "_start")
    (i32.store (i32.const 16) (i32.const 1))
    (loop $forever
      (i64.store (i32.const 24) (i64.const 1000000000000000))
      (drop (call $poll (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 256)))
      (br $forever))))
