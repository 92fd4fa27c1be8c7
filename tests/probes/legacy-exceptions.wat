(module (memory (export "memory") 1) (tag $oops (param i32))
  (func (export "_start")
    try
      i32.const 1
      throw $oops
    catch $oops
      drop
    end))
