import type { State } from '../plan/operator.js'
import type { Part } from '../plan/workers.js'
import { elementsOf, stackedChunk } from './stacked-chunk.js'

/** What came back from a thread, on its way to the consumer: elements in order, whole batches stacked, errors in their places. */
export interface ReplyQueue {
  add(parts: readonly Part[]): void
  /** What is the next to be taken; undefined when nothing is there. */
  readonly next: Part['kind'] | undefined
  /** Elements that are there, stacked or not. */
  readonly rows: number
  /** Elements that were taken. */
  readonly delivered: number
  /** Errors that were thrown. */
  readonly failed: number
  /** The state behind the last part that was taken whole; undefined before the first. */
  readonly state: State | undefined
  /** Elements taken of the part behind that one. */
  readonly drop: number
  /**
   * Up to `max` elements of the next part; stacked, for a `batch` above, if they came so and all of them are wanted. Throws the error, if that
   * is next. There must be something.
   */
  take(max: number): unknown[]
}

/** An empty queue. */
export function replyQueue(): ReplyQueue {
  const parts: Part[] = []
  let head: unknown[] | undefined // the rows of the first part, once it is being cut
  let at = 0 // in `head`
  let rows = 0
  let delivered = 0
  let failed = 0
  let state: State | undefined

  const shift = (): void => {
    state = (parts.shift() as Part).state
    head = undefined
    at = 0
  }
  const took = (chunk: unknown[]): unknown[] => {
    rows -= chunk.length
    delivered += chunk.length
    return chunk
  }
  return {
    get next() {
      return parts[0]?.kind
    },
    get rows() {
      return rows
    },
    get delivered() {
      return delivered
    },
    get drop() {
      return at
    },
    get state() {
      return state
    },
    get failed() {
      return failed
    },
    add(more) {
      for (const part of more) {
        const count = rowsOf(part)
        if (count === 0 && part.kind !== 'error') {
          const last = parts.at(-1)
          if (part.state === undefined) continue
          // A position behind elements that a filter kept back: it is that of what came before.
          if (last === undefined) state = part.state
          else parts[parts.length - 1] = { ...last, state: part.state }
          continue
        }
        rows += count
        parts.push(part)
      }
    },
    take(max) {
      const part = parts[0]
      if (part === undefined) throw new Error('nothing was there to be taken')
      if (part.kind === 'error') {
        failed++
        shift()
        throw part.error
      }
      const count = rowsOf(part)
      if (head === undefined && count <= max) {
        shift()
        return took(part.kind === 'stacked' ? stackedChunk(count, part.stacked) : (part.elements as unknown[]))
      }
      head ??= part.kind === 'stacked' ? elementsOf(stackedChunk(count, part.stacked)) : (part.elements as unknown[])
      const chunk = head.slice(at, at + max)
      at += chunk.length
      if (at === count) shift()
      return took(chunk)
    }
  }
}

/** Elements of a part. */
function rowsOf(part: Part): number {
  return part.kind === 'elements' ? part.elements.length : part.kind === 'stacked' ? part.rows : 0
}
