/** Copies of rectangular parts of row-major arrays. */
import { copyInto } from '../array/columns.js'
import { viewOf } from '../array/ndarray.js'
import type { NdArray, Shape } from '../types.js'

/** A part of an array: where it begins on each axis. */
export interface Place {
  readonly data: NdArray['data']
  readonly shape: Shape
  readonly start: readonly number[]
}

/** Copies a block of that size, in the longest runs that are contiguous in both. The block must be inside both arrays. */
export function copyBlock(from: Place, into: Place, size: Shape, width: number): void {
  if (size.includes(0)) return
  // Axes after `axis` are taken whole on both sides, so one item of `axis` is a run of `inner` in both.
  let axis = size.length - 1
  let inner = width
  while (axis > 0 && from.shape[axis] === size[axis] && into.shape[axis] === size[axis]) inner *= size[axis--] as number
  const run = inner * (size[axis] ?? 1)
  const position = new Array<number>(Math.max(0, axis)).fill(0)
  for (;;) {
    const start = inner * offset(from, position, axis)
    copyInto(into.data, viewOf(from.data, start, start + run), inner * offset(into, position, axis))
    let k = axis - 1
    for (; k >= 0; k--) {
      position[k] = (position[k] as number) + 1
      if ((position[k] as number) < (size[k] as number)) break
      position[k] = 0
    }
    if (k < 0) return
  }
}

/** Number of items of `axis` before the place that lies `position` behind the start. */
function offset({ shape, start }: Place, position: readonly number[], axis: number): number {
  let at = 0
  for (let k = 0; k <= axis; k++) at = at * (shape[k] as number) + (start[k] as number) + (position[k] ?? 0)
  return at
}

/** Reverses one axis: `outer` blocks of `length` items of `inner` values each. */
export function reverseAxis(from: NdArray['data'], into: NdArray['data'], outer: number, length: number, inner: number): void {
  if (inner >= LONG) {
    for (let block = 0; block < outer; block++) {
      for (let i = 0; i < length; i++) {
        const start = (block * length + i) * inner
        copyInto(into, viewOf(from, start, start + inner), (block * length + length - 1 - i) * inner)
      }
    }
    return
  }
  // One cast for the union of arrays: both are of one class.
  const [source, target] = [from as Uint8Array, into as Uint8Array]
  let at = 0
  if (inner === 3) {
    // Pixels of three channels, by far the most frequent: 3 x as fast as the loop below.
    for (let block = 0; block < outer; block++) {
      for (let start = (block + 1) * length * 3 - 3; start >= block * length * 3; start -= 3, at += 3) {
        target[start] = source[at] as number
        target[start + 1] = source[at + 1] as number
        target[start + 2] = source[at + 2] as number
      }
    }
    return
  }
  for (let block = 0; block < outer; block++) {
    for (let i = length - 1; i >= 0; i--) {
      const start = (block * length + i) * inner
      for (let k = 0; k < inner; k++) target[start + k] = source[at++] as number
    }
  }
}

/** Values from which on a call costs less than a loop. */
const LONG = 32
