import { readFileSync } from 'node:fs'
import { allocate, widthOf, type ByteSource, type Columns, type DType, type LeafSpec, type NdArray, type RowSpec, type Table } from '../../../src/format.js'
import { openHdf5File, type Hdf5File, type Hdf5OpenOptions } from '../../../formats/hdf5/index.js'

const LAYOUT = new URL('../../fixtures/hdf5/layout/', import.meta.url)

/** What h5py read from a dataset. */
export interface Expected {
  readonly rows: number
  readonly columns: Readonly<Record<string, { readonly dtype: DType; readonly shape: readonly number[]; readonly data?: string; readonly strings?: readonly string[] }>>
}

export function fixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`${name}.h5`, LAYOUT)))
}

export const EXPECTED = JSON.parse(readFileSync(new URL('expected.json', LAYOUT), 'utf8')) as Record<string, Record<string, Expected>>

export interface CountingSource extends ByteSource {
  readonly ranges: [offset: number, byteLength: number][]
}

/** Bytes in memory that count what is asked of them. */
export function memorySource(bytes: Uint8Array, uri = 'mem://bucket/file.h5'): CountingSource {
  const ranges: [number, number][] = []
  return {
    uri, byteLength: bytes.length, version: '1', ranges,
    async read(offset, into, { signal } = {}) {
      if (offset < 0 || offset + into.length > bytes.length) throw new RangeError(`read of [${offset}, ${offset + into.length}) of ${bytes.length}`)
      ranges.push([offset, into.length])
      signal?.throwIfAborted()
      into.set(bytes.subarray(offset, offset + into.length))
    },
    async close() {}
  }
}

const { signal } = new AbortController()

export function openBytes(bytes: Uint8Array | ByteSource, options: Partial<Hdf5OpenOptions> = {}): Promise<Hdf5File> {
  const source = ArrayBuffer.isView(bytes) ? memorySource(bytes) : bytes
  return openHdf5File(source, { signal, cacheBytes: 2 ** 20, maxChunkBytes: 2 ** 20, ...options })
}

export function isLeaf(spec: RowSpec): spec is LeafSpec {
  return typeof (spec as { dtype?: unknown }).dtype === 'string'
}

/** Arrays for so many rows; strings are undefined and numbers not zero, so that what is not written shows. */
export function columnsFor(spec: RowSpec, rows: number): Columns {
  const make = ({ dtype, shape }: LeafSpec): NdArray => {
    const type = dtype as DType
    const data = allocate(type, shape.reduce((a, b) => a * b, rows) * widthOf(type))
    if (ArrayBuffer.isView(data)) new Uint8Array(data.buffer).fill(0xa5)
    return { dtype: type, shape: [rows, ...shape], data }
  }
  return isLeaf(spec) ? make(spec) : Object.fromEntries(Object.entries(spec).map(([name, leaf]) => [name, make(leaf)]))
}

/** Reads rows of a table. */
export async function readRows(table: Table, start = 0, count = table.rows): Promise<Columns> {
  const columns = columnsFor(table.spec, count)
  await table.read(start, count, columns, 0, { signal })
  return columns
}

/** Columns by name; `''` for the only one. */
export function named(columns: Columns): Record<string, NdArray> {
  return typeof (columns as { dtype?: unknown }).dtype === 'string' ? { '': columns as NdArray } : (columns as Record<string, NdArray>)
}

/** The data as `expected.json` has them. */
export function plain({ data }: NdArray): string | readonly string[] {
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64') : (data as readonly string[])
}

/** Numbers below `n`, seeded. */
export function generator(seed: number): (n: number) => number {
  let state = seed >>> 0
  return n => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
}
