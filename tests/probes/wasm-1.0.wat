;; Nothing beyond the first version of the standard.
(module (memory (export "memory") 1) (func (export "_start")))
