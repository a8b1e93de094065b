import { MillraceError, tableReader, type Columns, type Format, type NdArray, type Table } from '../../src/format.js'
import { memoryStore, type MemoryStore } from '../../src/storage/memory.js'

/** A file of this format says in JSON what table it is. */
export interface Toy {
  readonly rows: number
  /** The value of its first row. */
  readonly first?: number
  readonly blockRows?: number
  readonly sequential?: boolean
  /** A row that cannot be read. */
  readonly bad?: readonly number[]
}

/** What was asked of all toy tables. */
export interface Asked {
  reads: { start: number; count: number }[]
  open: number
}

export interface ToyOptions {
  readonly readBytes?: number
  readonly cacheBytes?: number
}

/** Rows `{ x: float32 [3], y: int32, z: float32, s: string }`, and a format for them that counts what it is asked. */
export function toyFormat(asked: Asked = { reads: [], open: 0 }): Format<unknown, ToyOptions | undefined> & { readonly asked: Asked } {
  return {
    name: 'toy',
    extensions: ['toy'],
    tabular: true,
    asked,
    async open(source, options, { signal }) {
      const bytes = new Uint8Array(source.byteLength)
      await source.read(0, bytes, { signal })
      const { rows, first = 0, blockRows = 1, sequential = false, bad = [] } = JSON.parse(new TextDecoder().decode(bytes)) as Toy
      let closed = false
      let reading = 0
      asked.open++
      const table: Table = {
        rows,
        blockRows,
        ...(sequential && { sequential }),
        spec: { x: { dtype: 'float32', shape: [3] }, y: { dtype: 'int32', shape: [] }, z: { dtype: 'float32', shape: [] }, s: { dtype: 'string', shape: [] } },
        async read(start, count, columns, at, { signal }) {
          if (closed) throw new Error('read after close')
          if (sequential && ++reading > 1) throw new Error('a sequential table was read twice at once')
          asked.reads.push({ start, count })
          await Promise.resolve()
          reading--
          signal.throwIfAborted()
          for (const row of bad) if (row >= start && row < start + count) throw new MillraceError('Corrupt', `row ${row} is bad`, { uri: source.uri, offset: row })
          fill(columns, start, count, at, first)
        },
        async close() {
          if (!closed) asked.open--
          closed = true
        }
      }
      return tableReader(table, { uri: source.uri, ...options })
    }
  }
}

function fill(columns: Columns, start: number, count: number, at: number, first: number): void {
  const { x, y, z, s } = columns as { readonly [key: string]: NdArray }
  for (let i = 0; i < count; i++) {
    const value = first + start + i
    ;(x?.data as Float32Array).set([value, value + 0.25, value + 0.5], (at + i) * 3)
    ;(y?.data as Int32Array)[at + i] = value
    ;(z?.data as Float32Array)[at + i] = -value
    ;(s?.data as string[])[at + i] = `row ${value}`
  }
}

/** The element of that value. */
export function toyRow(value: number): unknown {
  return {
    x: { dtype: 'float32', shape: [3], data: new Float32Array([value, value + 0.25, value + 0.5]) },
    y: { dtype: 'int32', shape: [], data: new Int32Array([value]) },
    z: -value,
    s: `row ${value}`
  }
}

/** Files of that format, named `0.toy`, `1.toy` …; values go on from file to file. */
export async function toyStore(...toys: readonly Toy[]): Promise<MemoryStore> {
  const store = memoryStore()
  let first = 0
  for (const [k, toy] of toys.entries()) {
    await store.put(`mem://toys/${k}.toy`, new TextEncoder().encode(JSON.stringify({ ...toy, first })))
    first += toy.rows
  }
  return store
}
