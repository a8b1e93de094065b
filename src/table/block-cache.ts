import type { Columns } from './table.js'

/** Decoded blocks of tables, those used last, up to so many bytes; at least one. Several tables may share it. */
export interface BlockCache {
  readonly mostBytes: number
  /** A block of a table, which counts as used now. */
  find(table: object, block: number): Columns | undefined
  /** Memory for a block that takes so many bytes: that of one that had to go, if it was as large and of the same table. */
  room(table: object, bytes: number): Columns | undefined
  /** Gives back what was reserved for a block that did not come. */
  release(bytes: number): void
  add(table: object, block: number, bytes: number, columns: Columns): void
  /** Lets go of all blocks of a table. */
  forget(table: object): void
}

interface Entry {
  readonly table: object
  readonly bytes: number
  readonly columns: Columns
}

/** An empty cache. */
export function blockCache(mostBytes: number): BlockCache {
  const names = new WeakMap<object, number>()
  const entries = new Map<string, Entry>() // in the order of their use
  let tables = 0
  let held = 0
  const keyOf = (table: object, block: number): string => {
    let name = names.get(table)
    if (name === undefined) names.set(table, (name = tables++))
    return `${name} ${block}`
  }
  return {
    mostBytes,
    find(table, block) {
      const key = keyOf(table, block)
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      entries.delete(key)
      entries.set(key, entry)
      return entry.columns
    },
    room(table, bytes) {
      let memory: Columns | undefined
      for (const [key, entry] of entries) {
        if (held + bytes <= mostBytes) break
        entries.delete(key)
        held -= entry.bytes
        if (entry.table === table && entry.bytes === bytes) memory = entry.columns
      }
      held += bytes // reserved: reads go on side by side
      return memory
    },
    release(bytes) {
      held -= bytes
    },
    add(table, block, bytes, columns) {
      const before = entries.get(keyOf(table, block))
      if (before !== undefined) held -= before.bytes // two had asked for it
      entries.set(keyOf(table, block), { table, bytes, columns })
    },
    forget(table) {
      for (const [key, entry] of entries) {
        if (entry.table !== table) continue
        entries.delete(key)
        held -= entry.bytes
      }
    }
  }
}
