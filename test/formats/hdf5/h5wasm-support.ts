import { readFileSync } from 'node:fs'
import { openFallbackTable } from '../../../formats/hdf5/h5wasm/fallback.js'
import type { Hdf5OpenOptions, Hdf5Paths } from '../../../formats/hdf5/model.js'
import { hdf5Writer } from '../../../formats/hdf5/write/writer.js'
import type { ByteSource, Columns, DType, Table } from '../../../src/format.js'
import { memoryStore } from '../../../src/storage/memory.js'
import { memorySource, named, plain } from './support.js'

const FIXTURES = new URL('../../fixtures/hdf5/', import.meta.url)

/** What h5py read. */
export interface Dataset {
  readonly columns: Readonly<Record<string, { readonly dtype: DType; readonly shape: readonly number[]; readonly base64?: string; readonly texts?: readonly string[] }>>
  readonly chunkShape?: readonly number[]
  readonly filters?: readonly number[]
  readonly chunks?: readonly (readonly [offset: number, size: number])[]
}

export const EXPECTED = (JSON.parse(readFileSync(new URL('expected.json', FIXTURES), 'utf8')) as { readonly files: Readonly<Record<string, Readonly<Record<string, Dataset>>>> }).files

export function fixtureBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(name, FIXTURES)))
}

const opened: Table[] = []

/** Opens datasets through h5wasm; {@link closeTables} ends its thread. */
export async function openFallback(bytes: Uint8Array | ByteSource, paths: Hdf5Paths, options: Partial<Hdf5OpenOptions> = {}): Promise<Table> {
  const source = ArrayBuffer.isView(bytes) ? memorySource(bytes) : bytes
  const table = await openFallbackTable(source, paths, { signal: new AbortController().signal, cacheBytes: 2 ** 24, maxChunkBytes: 2 ** 28, ...options })
  opened.push(table)
  return table
}

export async function closeTables(): Promise<void> {
  await Promise.all(opened.splice(0).map(table => table.close?.()))
}

/** Columns as `expected.json` has them. */
export function shown(columns: Columns): Dataset['columns'] {
  return Object.fromEntries(Object.entries(named(columns)).map(([name, array]) => {
    const { dtype, shape } = array
    const values = plain(array)
    return [name, { dtype, shape, ...(typeof values === 'string' ? { base64: values } : { texts: values }) }]
  }))
}

/** How many rows h5py read. */
export function rowsOf({ columns }: Dataset): number {
  return Object.values(columns)[0]?.shape[0] ?? 0
}

/** Rows of `/x` in {@link bigFile}, 4 KiB each. */
export const BIG_ROWS = 2048
const BIG_LENGTH = 1024
let big: Promise<Uint8Array> | undefined

/** A file of 8 MiB in chunks of 64 rows, that are not compressed. */
export function bigFile(): Promise<Uint8Array> {
  return big ??= writtenFile(async writer => {
    const data = Float32Array.from({ length: BIG_ROWS * BIG_LENGTH }, (_, i) => i)
    await writer.dataset('/x', { chunks: 64 }).append({ dtype: 'float32', shape: [BIG_ROWS, BIG_LENGTH], data })
  })
}

/** True for rows of `/x` in {@link bigFile}, from row `start` on. */
export function isBig(columns: Columns, start = 0): boolean {
  const [column] = Object.values(named(columns))
  return (column?.data as Float32Array).every((value, i) => value === start * BIG_LENGTH + i)
}

/** The bytes of a file that our writer makes. */
export async function writtenFile(write: (writer: ReturnType<typeof hdf5Writer>) => Promise<void>, options?: Parameters<typeof hdf5Writer>[1]): Promise<Uint8Array> {
  const store = memoryStore()
  const writer = hdf5Writer(await store.createWriter('mem://file.h5'), options)
  await write(writer)
  const { size } = await writer.finalize()
  const bytes = new Uint8Array(size)
  const source = await store.open('mem://file.h5')
  await source.read(0, bytes)
  return bytes
}
