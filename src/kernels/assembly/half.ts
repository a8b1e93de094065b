/**
 * float16 and bfloat16 to and from float32. AssemblyScript, built by ../build.mjs.
 *
 * Eight values at a time, also when fewer are left: up to seven values of nonsense are read and written behind the last one.
 */

/** 0.5 as bits: a float32 in [0.5, 1) counts in steps of 2^-24, as the subnormal numbers of float16 do. */
const HALF = 0x3f000000

export function halfToFloat(from: usize, count: usize, to: usize): void {
  for (const stop = from + 2 * count; from < stop; from += 16, to += 32) {
    v128.store(to, fromHalf(i32x4.extend_low_i16x8_u(v128.load(from))))
    v128.store(to, fromHalf(i32x4.extend_high_i16x8_u(v128.load(from))), 16)
  }
}

export function bfloat16ToFloat(from: usize, count: usize, to: usize): void {
  for (const stop = from + 2 * count; from < stop; from += 16, to += 32) {
    const bits = v128.load(from)
    v128.store(to, v128.shuffle<u16>(i64x2.splat(0), bits, 0, 8, 0, 9, 0, 10, 0, 11))
    v128.store(to, v128.shuffle<u16>(i64x2.splat(0), bits, 0, 12, 0, 13, 0, 14, 0, 15), 16)
  }
}

export function floatToHalf(from: usize, count: usize, to: usize): void {
  for (const stop = from + 4 * count; from < stop; from += 32, to += 16) {
    v128.store(to, i16x8.narrow_i32x4_u(toHalf(v128.load(from)), toHalf(v128.load(from, 16))))
  }
}

export function floatToBfloat16(from: usize, count: usize, to: usize): void {
  for (const stop = from + 4 * count; from < stop; from += 32, to += 16) {
    v128.store(to, i16x8.narrow_i32x4_u(toBfloat16(v128.load(from)), toBfloat16(v128.load(from, 16))))
  }
}

// @ts-ignore: decorator
@inline
function fromHalf(bits: v128): v128 {
  const rest = v128.and(bits, i32x4.splat(0x7fff))
  const bias = i32x4.splat(0x38000000) // 127 - 15 in the exponent of a float32
  // Infinity and NaN need the bias twice, to get from the exponent 31 to 255.
  const special = v128.and(i32x4.gt_s(rest, i32x4.splat(0x7bff)), bias)
  const normal = i32x4.add(i32x4.add(i32x4.shl(rest, 13), bias), special)
  const subnormal = f32x4.sub(v128.or(rest, i32x4.splat(HALF)), f32x4.splat(0.5))
  const size = v128.bitselect(subnormal, normal, i32x4.lt_s(rest, i32x4.splat(0x400)))
  return v128.or(size, i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16))
}

// @ts-ignore: decorator
@inline
function toHalf(bits: v128): v128 {
  const size = v128.and(bits, i32x4.splat(0x7fffffff))
  // From 65520 on, which rounds to infinity, everything is taken for 65520.
  const finite = i32x4.min_s(size, i32x4.splat(0x477ff000))
  const even = v128.and(i32x4.shr_u(finite, 13), i32x4.splat(1))
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(finite, i32x4.splat(0xfff - 0x38000000)), even), 13)
  // Adding 0.5 rounds to steps of 2^-24.
  const subnormal = i32x4.sub(f32x4.add(size, f32x4.splat(0.5)), i32x4.splat(HALF))
  const number = v128.bitselect(subnormal, normal, i32x4.lt_s(size, i32x4.splat(0x38800000)))
  const payload = v128.and(i32x4.shr_u(size, 13), i32x4.splat(0x3ff))
  const quiet = v128.and(i32x4.eq(payload, i32x4.splat(0)), i32x4.splat(0x200))
  const nan = v128.or(v128.or(payload, quiet), i32x4.splat(0x7c00))
  const result = v128.bitselect(nan, number, i32x4.gt_s(size, i32x4.splat(0x7f800000)))
  return v128.or(result, v128.and(i32x4.shr_u(bits, 16), i32x4.splat(0x8000)))
}

// @ts-ignore: decorator
@inline
function toBfloat16(bits: v128): v128 {
  const upper = i32x4.shr_u(bits, 16)
  const even = v128.and(upper, i32x4.splat(1))
  const number = i32x4.shr_u(i32x4.add(i32x4.add(bits, i32x4.splat(0x7fff)), even), 16)
  const quiet = v128.and(i32x4.eq(v128.and(upper, i32x4.splat(0x7f)), i32x4.splat(0)), i32x4.splat(0x40))
  const size = v128.and(bits, i32x4.splat(0x7fffffff))
  return v128.bitselect(v128.or(upper, quiet), number, i32x4.gt_s(size, i32x4.splat(0x7f800000)))
}
