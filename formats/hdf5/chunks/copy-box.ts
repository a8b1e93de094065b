/** Axes of a box of bytes that is copied: how many, and how far apart here and there. */
export interface BoxAxis {
  readonly length: number
  readonly fromStride: number
  readonly toStride: number
}

/**
 * Copies a box of bytes out of one array into another. The last axis that is not contiguous in both is the length of the runs that are
 * copied at once; `runBytes` is what is contiguous already.
 */
export function copyBox(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, axes: readonly BoxAxis[], runBytes: number): void {
  const outer = axes.filter(axis => axis.length !== 1)
  let run = runBytes
  for (let last = outer.at(-1); last !== undefined && last.fromStride === run && last.toStride === run; last = outer.at(-1)) {
    run *= last.length
    outer.pop()
  }
  if (outer.some(axis => axis.length === 0) || run === 0) return
  const inner = outer.pop()
  if (inner === undefined) {
    to.set(fromAt === 0 && from.length === run ? from : from.subarray(fromAt, fromAt + run), toAt)
    return
  }
  const copyRuns = runCopier(from, to, inner, run)
  const at = outer.map(() => 0)
  for (;;) {
    copyRuns(fromAt, toAt)
    let axis = outer.length - 1
    for (; axis >= 0; axis--) {
      const { length, fromStride, toStride } = outer[axis] ?? inner
      const next = (at[axis] ?? 0) + 1
      fromAt += fromStride
      toAt += toStride
      if (next < length) {
        at[axis] = next
        break
      }
      at[axis] = 0
      fromAt -= length * fromStride
      toAt -= length * toStride
    }
    if (axis < 0) return
  }
}

/** Below this many bytes a loop is faster than a call of `set`. */
const SHORT = 64

function runCopier(from: Uint8Array, to: Uint8Array, { length, fromStride, toStride }: BoxAxis, run: number): (fromAt: number, toAt: number) => void {
  if (run >= SHORT) {
    return (fromAt, toAt) => {
      for (let i = 0; i < length; i++, fromAt += fromStride, toAt += toStride) to.set(from.subarray(fromAt, fromAt + run), toAt)
    }
  }
  return (fromAt, toAt) => {
    for (let i = 0; i < length; i++, fromAt += fromStride, toAt += toStride) {
      for (let k = 0; k < run; k++) to[toAt + k] = from[fromAt + k] ?? 0
    }
  }
}
