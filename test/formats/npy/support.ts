import { readdirSync, readFileSync } from 'node:fs'
import type { ByteSource, Columns, DType, Format, NdArray, ObjectWriter, StackedRows, TableReader } from '../../../src/format.js'

const FIXTURES = new URL('../../fixtures/', import.meta.url)

/** Bytes in memory that count what is asked of them. */
export interface MemorySource extends ByteSource {
  readonly ranges: (readonly [offset: number, byteLength: number])[]
  underWay: number
  mostUnderWay: number
  /** When set, the read of that ordinal fails with it. */
  failure: { readonly read: number; readonly error: Error } | undefined
}

export function memorySource(bytes: Uint8Array, uri = 'mem://bucket/file'): MemorySource {
  const source: MemorySource = {
    uri, byteLength: bytes.length, version: '1', ranges: [], underWay: 0, mostUnderWay: 0, failure: undefined,
    async read(offset, into, { signal } = {}) {
      if (offset < 0 || offset + into.length > bytes.length) throw new RangeError(`read of [${offset}, ${offset + into.length}) of ${bytes.length}`)
      const ordinal = source.ranges.push([offset, into.length]) - 1
      signal?.throwIfAborted()
      source.mostUnderWay = Math.max(source.mostUnderWay, ++source.underWay)
      try {
        await Promise.resolve()
        signal?.throwIfAborted()
        if (source.failure?.read === ordinal) throw source.failure.error
        into.set(bytes.subarray(offset, offset + into.length))
      } finally {
        source.underWay--
      }
    },
    async close() {}
  }
  return source
}

export const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, FIXTURES)))
export const fixtureJson = <T>(name: string): T => JSON.parse(new TextDecoder().decode(fixture(name))) as T
export const fixtureNames = (folder: string, ending: string): string[] =>
  readdirSync(new URL(`${folder}/`, FIXTURES)).filter((name) => name.endsWith(ending)).map((name) => name.slice(0, -ending.length)).sort()

/** An array as the scripts of the fixtures note it. */
export interface NotedColumn {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Bytes, little-endian. */
  readonly base64?: string
  /** Of strings. */
  readonly values?: readonly string[]
}

/** The values of an array, so that they can be compared: NaN with its bits, -0 apart from 0. */
export function noted(name: string, { dtype, shape, data }: NdArray): NotedColumn {
  if (Array.isArray(data)) return { name, dtype, shape, values: data as string[] }
  const { buffer, byteOffset, byteLength } = data as Uint8Array
  return { name, dtype, shape, base64: Buffer.from(buffer, byteOffset, byteLength).toString('base64') }
}

export const isArray = (columns: Columns): columns is NdArray => typeof columns.dtype === 'string'

export function notedColumns(columns: Columns): NotedColumn[] {
  if (isArray(columns)) return [noted('', columns)]
  return Object.entries(columns).map(([name, array]) => noted(name, array))
}

/** Opens a file that is in memory. */
export async function open<O>(format: Format<unknown, O>, source: ByteSource, options: O): Promise<TableReader> {
  const { signal } = new AbortController()
  return (await format.open(source, options, { signal, beside: async () => null })) as TableReader
}

/** All rows, stacked. The arrays may be longer than there are rows. */
export async function readStacked(reader: TableReader, batch: number, from?: number): Promise<{ readonly parts: StackedRows[]; readonly error: unknown }> {
  const parts: StackedRows[] = []
  const run = reader.stacked(0, { from, signal: new AbortController().signal })
  try {
    for (let part = await run.next(batch); part !== null; part = await run.next(batch)) parts.push(part)
    return { parts, error: undefined }
  } catch (error) {
    return { parts, error }
  } finally {
    await run.close()
  }
}

/** Numbers below `n`, seeded. */
export function generator(seed: number): (n: number) => number {
  let state = seed >>> 0
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
}

/** An object writer into memory. */
export interface MemoryWriter extends ObjectWriter {
  readonly writes: Uint8Array[]
  state: 'open' | 'finalized' | 'aborted'
  /** Ordinal of the write that fails. */
  failAt: number
  bytes(): Uint8Array
}

export function memoryWriter(): MemoryWriter {
  const writer: MemoryWriter = {
    writes: [],
    state: 'open',
    failAt: -1,
    async write(bytes: Uint8Array) {
      await Promise.resolve()
      if (writer.writes.length === writer.failAt) throw new Error('the disk is full')
      writer.writes.push(bytes.slice())
    },
    async finalize() {
      writer.state = 'finalized'
      return { uri: 'mem://bucket/written', size: writer.bytes().length, version: '1' }
    },
    async abort() {
      writer.state = 'aborted'
    },
    bytes: () => new Uint8Array(Buffer.concat(writer.writes))
  }
  return writer
}
