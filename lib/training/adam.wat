;; One update of Adam or AdamW on vectors of 32-bit floats, four at a time: see optimiser.ts, which moves a piece of each vector
;; in and out. In the memory lie, 128 KiB each,
;;   0x00000  weights
;;   0x20000  first   Σ β₁ᵏ g
;;   0x40000  second  Σ β₂ᵏ g²
;;   0x60000  gradient
;; IEEE 754 leaves these operations no choice: the same numbers come out on every machine.
;; Assembled by `npx wat2wasm lib/training/adam.wat -o lib/training/adam.wasm`.
(module
  (memory (export "memory") 8)

  ;; g = share gradient + decay weight; first = 0.9 first + g; second = 0.999 second + g²;
  ;; weight = shrink weight - first / (a √second + b). $count is a multiple of four.
  ;; Returns 1 where every new number is finite.
  (func (export "adam")
    (param $count i32) (param $share f32) (param $decay f32) (param $shrink f32) (param $a f32) (param $b f32)
    (result i32)
    (local $at i32) (local $end i32)
    (local $w v128) (local $g v128) (local $m v128) (local $v v128) (local $witness v128)
    (local.set $end (i32.shl (local.get $count) (i32.const 2)))
    (loop $next
      (local.set $w (v128.load (local.get $at)))
      (local.set $g
        (f32x4.add
          (f32x4.mul (v128.load offset=0x60000 (local.get $at)) (f32x4.splat (local.get $share)))
          (f32x4.mul (local.get $w) (f32x4.splat (local.get $decay)))))
      (local.set $m
        (f32x4.add
          (f32x4.mul (v128.load offset=0x20000 (local.get $at)) (v128.const f32x4 0.9 0.9 0.9 0.9))
          (local.get $g)))
      (local.set $v
        (f32x4.add
          (f32x4.mul (v128.load offset=0x40000 (local.get $at)) (v128.const f32x4 0.999 0.999 0.999 0.999))
          (f32x4.mul (local.get $g) (local.get $g))))
      (v128.store offset=0x20000 (local.get $at) (local.get $m))
      (v128.store offset=0x40000 (local.get $at) (local.get $v))
      (local.set $w
        (f32x4.sub
          (f32x4.mul (local.get $w) (f32x4.splat (local.get $shrink)))
          (f32x4.div
            (local.get $m)
            (f32x4.add
              (f32x4.mul (f32x4.sqrt (local.get $v)) (f32x4.splat (local.get $a)))
              (f32x4.splat (local.get $b))))))
      (v128.store (local.get $at) (local.get $w))
      ;; Zero times a number is zero, and times what is none it is none.
      (local.set $witness
        (f32x4.add
          (local.get $witness)
          (f32x4.mul
            (f32x4.add (f32x4.add (local.get $w) (local.get $m)) (local.get $v))
            (v128.const f32x4 0 0 0 0))))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 16))) (local.get $end))))
    (i32x4.all_true (f32x4.eq (local.get $witness) (local.get $witness)))))
