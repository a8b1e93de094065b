import { Fault } from './faults.js'
import type { Leaf } from './leaves.js'

/** Where the values of a dataset lie in memory. */
export interface RawValues {
  readonly heap: Uint8Array
  readonly start: number
  /** Values, each of `stride` bytes. */
  readonly count: number
  readonly stride: number
}

/** The values of a column, of {@link RawValues}: bytes in little-endian order, or texts. */
export function gather(leaf: Leaf, raw: RawValues): ArrayBuffer | string[] {
  return leaf.text === undefined ? numbers(leaf, raw) : texts(leaf, raw)
}

function numbers({ at, bytes, swap, dtype }: Leaf, { heap, start, count, stride }: RawValues): ArrayBuffer {
  const out = new Uint8Array(count * at.length * bytes)
  if (at.length * bytes === stride) {
    out.set(heap.subarray(start, start + count * stride))
  } else {
    const runs = runsOf(at, bytes)
    let to = 0
    for (let i = 0; i < count; i++) {
      for (const { offset, length } of runs) {
        const from = start + i * stride + offset
        for (let k = 0; k < length; k++) out[to++] = heap[from + k] as number
      }
    }
  }
  if (swap > 1) {
    for (let i = 0; i < out.length; i += swap) out.subarray(i, i + swap).reverse()
  }
  if (dtype === 'bool') {
    for (let i = 0; i < out.length; i++) if (out[i] !== 0) out[i] = 1
  }
  return out.buffer
}

/** Values that lie side by side are copied as one. */
function runsOf(at: readonly number[], bytes: number): { offset: number; length: number }[] {
  const runs: { offset: number; length: number }[] = []
  for (const offset of at) {
    const last = runs.at(-1)
    if (last !== undefined && last.offset + last.length === offset) last.length += bytes
    else runs.push({ offset, length: bytes })
  }
  return runs
}

function texts({ at, bytes, text }: Leaf, { heap, start, count, stride }: RawValues): string[] {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const view = new DataView(heap.buffer, heap.byteOffset)
  const out: string[] = []
  for (let i = 0; i < count; i++) {
    for (const offset of at) {
      let from = start + i * stride + offset
      let end = from + bytes
      if (text === 'pointer') {
        from = view.getUint32(from, true)
        end = from === 0 ? 0 : heap.indexOf(0, from)
      } else if (text === 'null-terminated') {
        const zero = heap.subarray(from, end).indexOf(0)
        if (zero >= 0) end = from + zero
      } else {
        const pad = text === 'null-padded' ? 0 : 0x20
        while (end > from && heap[end - 1] === pad) end--
      }
      try {
        out.push(decoder.decode(heap.subarray(from, end)))
      } catch {
        throw new Fault('Corrupt', 'a string is not UTF-8')
      }
    }
  }
  return out
}
