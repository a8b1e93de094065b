/**
 * Reverses the bytes of every item of 2, 4 or 8 bytes, in place. AssemblyScript, built by ../build.mjs.
 *
 * Whole groups of 32 bytes: up to 31 bytes behind the last item are changed too.
 */

export function swap2(at: usize, length: usize): void {
  for (const stop = at + length; at < stop; at += 32) {
    v128.store(at, pairs(v128.load(at)))
    v128.store(at, pairs(v128.load(at, 16)), 16)
  }
}

export function swap4(at: usize, length: usize): void {
  for (const stop = at + length; at < stop; at += 32) {
    v128.store(at, fours(v128.load(at)))
    v128.store(at, fours(v128.load(at, 16)), 16)
  }
}

export function swap8(at: usize, length: usize): void {
  for (const stop = at + length; at < stop; at += 32) {
    v128.store(at, eights(v128.load(at)))
    v128.store(at, eights(v128.load(at, 16)), 16)
  }
}

// @ts-ignore: decorator
@inline
function pairs(a: v128): v128 {
  return v128.shuffle<u8>(a, a, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
}

// @ts-ignore: decorator
@inline
function fours(a: v128): v128 {
  return v128.shuffle<u8>(a, a, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12)
}

// @ts-ignore: decorator
@inline
function eights(a: v128): v128 {
  return v128.shuffle<u8>(a, a, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8)
}
