/**
 * The order of listings. Azure lists the names of a flat account in the order of UTF-16, which differs from that of their bytes where
 * characters beyond U+FFFF meet those from U+E000 on; stores list in the order of bytes.
 */
import { compareBytes } from '../uri.js'

interface Named {
  readonly name: string
}

/**
 * Puts names that come in the order of UTF-16 into the order of bytes. Nothing waits but names that share their beginning with one that
 * goes on with a character beyond U+FFFF: those wait for each other. `skip` characters are the same in all names.
 */
export function byteOrdered<T extends Named>(skip: number): { push(items: readonly T[]): T[]; end(): T[] } {
  let held: T[] = []
  /** What the names that are held begin with. */
  let shared: string | undefined

  function release(into: T[]): void {
    into.push(...held.sort((a, b) => compareBytes(a.name, b.name)))
    held = []
    shared = undefined
  }

  return {
    push(items) {
      const ready: T[] = []
      for (const item of items) {
        if (shared !== undefined && !item.name.startsWith(shared)) release(ready)
        if (shared === undefined) {
          const at = item.name.slice(skip).search(/[\ud800-\udfff]/)
          if (at < 0) {
            ready.push(item)
            continue
          }
          shared = item.name.slice(0, skip + at)
        }
        held.push(item)
      }
      return ready
    },
    end() {
      const ready: T[] = []
      release(ready)
      return ready
    }
  }
}
