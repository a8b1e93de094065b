import { swapBytes, type DataOf, type DType } from '../../src/format.js'
import type { Access } from './access.js'
import type { Column } from './columns.js'
import { corrupt, type Place } from './faults.js'
import { UNDEFINED } from './fields.js'
import type { GlobalHeap } from './heaps/global-heap.js'

/** The data of a column. */
export type ColumnData = DataOf[DType]

/** The bytes of the items of a typed array from `item` on. */
export function bytesOf(data: ColumnData, item: number, byteLength: number): Uint8Array {
  if (!ArrayBuffer.isView(data)) throw new TypeError('Strings have no bytes')
  const itemBytes = data.byteLength / Math.max(1, data.length)
  return new Uint8Array(data.buffer, data.byteOffset + item * itemBytes, byteLength)
}

/** What {@link convertColumn} needs of the file. */
export interface ConvertContext {
  readonly access: Access
  readonly heap: GlobalHeap
  /** Where the values are in the file, for errors. */
  readonly place: Place
}

/**
 * Takes the values of one column out of `count` values of the file, `elementBytes` each, and puts them into `data` from item `at` on.
 */
export async function convertColumn(
  context: ConvertContext, column: Column, raw: Uint8Array, elementBytes: number, count: number, data: ColumnData, at: number
): Promise<void> {
  if (column.text === 'elsewhere') return textElsewhere(context, column, raw, elementBytes, count, data as string[], at)
  if (column.text !== undefined) return fixedText(context, column, raw, elementBytes, count, data as string[], at)
  const { runs, runBytes } = column
  const bytes = bytesOf(data, at, count * runs.length * runBytes)
  gather(raw, elementBytes, count, runs, runBytes, bytes)
  finish(column, bytes)
}

/** What is left to do to bytes that were copied as they stand in the file: their order, and booleans. */
export function finish(column: Column, bytes: Uint8Array): void {
  if (column.swapBytes > 1) swapBytes(bytes, column.swapBytes)
  if (column.dtype === 'bool') {
    for (let i = 0; i < bytes.length; i++) if ((bytes[i] ?? 0) > 1) bytes[i] = 1
  }
}

/** Copies the pieces of each value one behind the other. */
function gather(raw: Uint8Array, elementBytes: number, count: number, runs: readonly number[], runBytes: number, into: Uint8Array): void {
  if (runs.length === 1 && runBytes === elementBytes) {
    into.set(raw.subarray(0, count * elementBytes))
    return
  }
  const unit = runBytes % 4 === 0 && elementBytes % 4 === 0 && raw.byteOffset % 4 === 0 && into.byteOffset % 4 === 0 && runs.every(run => run % 4 === 0) ? 4 : 1
  const from = unit === 4 ? new Uint32Array(raw.buffer, raw.byteOffset, (count * elementBytes) >>> 2) : raw
  const to = unit === 4 ? new Uint32Array(into.buffer, into.byteOffset, into.length >>> 2) : into
  const length = runBytes / unit
  let target = 0
  for (let i = 0; i < count; i++) {
    const element = (i * elementBytes) / unit
    for (const run of runs) {
      const start = element + run / unit
      if (length > 16) {
        to.set(from.subarray(start, start + length), target)
        target += length
      } else {
        for (let k = 0; k < length; k++) to[target++] = from[start + k] ?? 0
      }
    }
  }
}

const ZERO = 0
const SPACE = 32

function fixedText(
  { place }: ConvertContext, { runs, runBytes, itemBytes, text }: Column, raw: Uint8Array, elementBytes: number, count: number, data: string[], at: number
): void {
  const decode = textDecoder(place)
  for (let i = 0; i < count; i++) {
    for (const run of runs) {
      const start = i * elementBytes + run
      for (let from = start; from < start + runBytes; from += itemBytes) {
        let end = from + itemBytes
        if (text === 'zero-terminated') {
          const zero = raw.indexOf(ZERO, from)
          if (zero >= 0 && zero < end) end = zero
        } else {
          const filler = text === 'space-padded' ? SPACE : ZERO
          while (end > from && raw[end - 1] === filler) end--
        }
        data[at++] = decode(raw, from, end)
      }
    }
  }
}

async function textElsewhere(
  { access, heap, place }: ConvertContext, { runs, runBytes, itemBytes }: Column, raw: Uint8Array, elementBytes: number, count: number,
  data: string[], at: number
): Promise<void> {
  const decode = textDecoder(place)
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length)
  const { offsetBytes } = access
  if (itemBytes !== 8 + offsetBytes) throw corrupt(place, `a string of variable length takes ${8 + offsetBytes} bytes, not ${itemBytes}`)
  for (let i = 0; i < count; i++) {
    for (const run of runs) {
      const start = i * elementBytes + run
      for (let from = start; from < start + runBytes; from += itemBytes) {
        const length = view.getUint32(from, true)
        const address = addressAt(view, from + 4, offsetBytes)
        if (length === 0 || address === 0 || address === UNDEFINED) {
          data[at++] = ''
          continue
        }
        const found = heap.get(access, address, view.getUint32(from + 4 + offsetBytes, true))
        const object = isPromise(found) ? await found : found
        if (object.length < length) throw corrupt(access.place(address), `a string of ${length} bytes is stored in ${object.length}`)
        const zero = object.indexOf(ZERO)
        data[at++] = decode(object, 0, zero >= 0 && zero < length ? zero : length)
      }
    }
  }
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown }).then === 'function'
}

/** An address that may be anything: what is too large for a number is behind the end of every file. */
function addressAt(view: DataView, at: number, offsetBytes: number): number {
  if (offsetBytes === 2) return view.getUint16(at, true) === 0xffff ? UNDEFINED : view.getUint16(at, true)
  const low = view.getUint32(at, true)
  if (offsetBytes === 4) return low === 0xffffffff ? UNDEFINED : low
  const high = view.getUint32(at + 4, true)
  return low === 0xffffffff && high === 0xffffffff ? UNDEFINED : low + high * 2 ** 32
}

/** Up to this many characters, putting them together is faster than a decoder. */
const SHORT = 24

function textDecoder(place: Place): (bytes: Uint8Array, start: number, end: number) => string {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  return (bytes, start, end) => {
    if (end - start <= SHORT) {
      let text = ''
      let i = start
      for (; i < end; i++) {
        const code = bytes[i] ?? 0
        if (code > 127) break
        text += String.fromCharCode(code)
      }
      if (i === end) return text
    }
    try {
      return decoder.decode(bytes.subarray(start, end))
    } catch {
      throw corrupt(place, 'a string is not UTF-8')
    }
  }
}
