/**
 * The inverse of HDF5's byte shuffle, for items of 2, 4, 8 and 16 bytes. AssemblyScript, built by ../build.mjs.
 *
 * `from` holds one plane per byte of an item, `stride` bytes apart: byte k of item i is at `from + k * stride + i`. Interleaving
 * two planes gives one plane of twice as wide units, so that log2(itemBytes) rounds of interleaving give the items.
 *
 * Sixteen items at a time, also when fewer are left: up to 15 items of nonsense are read and written behind the last one.
 */

export function unshuffle2(from: usize, stride: usize, items: usize, to: usize): void {
  for (const stop = from + items; from < stop; from += 16, to += 32) {
    const a = v128.load(from)
    const b = v128.load(from + stride)
    v128.store(to, low8(a, b))
    v128.store(to, high8(a, b), 16)
  }
}

export function unshuffle4(from: usize, stride: usize, items: usize, to: usize): void {
  for (const stop = from + items; from < stop; from += 16, to += 64) {
    const a = v128.load(from)
    const b = v128.load(from + stride)
    const c = v128.load(from + 2 * stride)
    const d = v128.load(from + 3 * stride)
    store32(to, low8(a, b), low8(c, d))
    store32(to + 32, high8(a, b), high8(c, d))
  }
}

export function unshuffle8(from: usize, stride: usize, items: usize, to: usize): void {
  for (const stop = from + items; from < stop; from += 16, to += 128) eight(from, stride, to, 8)
}

export function unshuffle16(from: usize, stride: usize, items: usize, to: usize): void {
  // The two halves of the items one after the other: sixteen vectors at once are more than there are registers.
  for (const stop = from + items; from < stop; from += 16, to += 256) {
    eight(from, stride, to, 16)
    eight(from + 8 * stride, stride, to + 8, 16)
  }
}

/** Eight planes of sixteen bytes to sixteen units of eight bytes, the next unit `step` bytes behind the one before. */
// @ts-ignore: decorator
@inline
function eight(from: usize, stride: usize, to: usize, step: usize): void {
  const a = v128.load(from)
  const b = v128.load(from + stride)
  const c = v128.load(from + 2 * stride)
  const d = v128.load(from + 3 * stride)
  const e = v128.load(from + 4 * stride)
  const f = v128.load(from + 5 * stride)
  const g = v128.load(from + 6 * stride)
  const h = v128.load(from + 7 * stride)
  store64(to, step, low8(a, b), low8(c, d), low8(e, f), low8(g, h))
  store64(to + 8 * step, step, high8(a, b), high8(c, d), high8(e, f), high8(g, h))
}

/** Units of two bytes, of items 0 to 7, to items of eight bytes. */
// @ts-ignore: decorator
@inline
function store64(to: usize, step: usize, ab: v128, cd: v128, ef: v128, gh: v128): void {
  const low = low16(ab, cd)
  const high = high16(ab, cd)
  const low2 = low16(ef, gh)
  const high2 = high16(ef, gh)
  store2(to, step, low32(low, low2))
  store2(to + 2 * step, step, high32(low, low2))
  store2(to + 4 * step, step, low32(high, high2))
  store2(to + 6 * step, step, high32(high, high2))
}

// @ts-ignore: decorator
@inline
function store2(to: usize, step: usize, pair: v128): void {
  if (step == 8) v128.store(to, pair)
  else {
    v128.store64_lane(to, pair, 0)
    v128.store64_lane(to + step, pair, 1)
  }
}

// @ts-ignore: decorator
@inline
function store32(to: usize, ab: v128, cd: v128): void {
  v128.store(to, low16(ab, cd))
  v128.store(to, high16(ab, cd), 16)
}

// @ts-ignore: decorator
@inline
function low8(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
}

// @ts-ignore: decorator
@inline
function high8(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
}

// @ts-ignore: decorator
@inline
function low16(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
}

// @ts-ignore: decorator
@inline
function high16(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
}

// @ts-ignore: decorator
@inline
function low32(a: v128, b: v128): v128 {
  return v128.shuffle<u32>(a, b, 0, 4, 1, 5)
}

// @ts-ignore: decorator
@inline
function high32(a: v128, b: v128): v128 {
  return v128.shuffle<u32>(a, b, 2, 6, 3, 7)
}
