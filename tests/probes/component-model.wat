(component
  (core module $program (func (export "run") (result i32) i32.const 0))
  (core instance $program (instantiate $program))
  (func $run (result (result)) (canon lift (core func $program "run")))
  (component $world (import "run" (func $run (result (result)))) (export "run" (func $run)))
  (instance $world (instantiate $world (with "run" (func $run))))
  (export "wasi:cli/run@0.2.0" (instance $world)))
