;; A program that needs something of the browser's.
(module
  (import "__wbindgen_placeholder__" "__wbindgen_describe" (func $describe (param i32)))
  (func (export "_start") (call $describe (i32.const 0))))
