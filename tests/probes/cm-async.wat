(component
  (core func $new (canon waitable-set.new))
  (core module $program (import "" "new" (func $new (result i32)))
    (func (export "run") (result i32) (drop (call $new)) i32.const 0))
  (core instance $program (instantiate $program (with "" (instance (export "new" (func $new))))))
  (func $run (result (result)) (canon lift (core func $program "run")))
  (component $world (import "run" (func $run (result (result)))) (export "run" (func $run)))
  (instance $world (instantiate $world (with "run" (func $run))))
  (export "wasi:cli/run@0.2.0" (instance $world)))
