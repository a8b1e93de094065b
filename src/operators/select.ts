import type { Operator, RandomAccess, Selection } from '../plan/operator.js'
import { savedPosition } from '../plan/saved.js'
import type { Cardinality } from '../types.js'
import { chain, run, wait } from '../util/promise.js'

/**
 * `take`, `skip` and `shard`: arithmetic selections of the elements of the input. Order: kept. Memory: none.
 * Where the source can select by itself, a rule hands it the selection.
 */

/** What a selection of an input of that size keeps. */
export function selectedCount({ start, step, count }: Selection, input: Cardinality): Cardinality {
  if (input === undefined) return undefined
  return Math.min(count, Math.max(0, Math.ceil((input - start) / step)))
}

function selectAccess(selection: Selection, input: RandomAccess | null | undefined): RandomAccess | null {
  if (input === null || input === undefined) return null
  const length = selectedCount(selection, input.length) as number
  return { length, get: indices => input.get(indices.map(index => selection.start + index * selection.step)), close: () => input.close?.() }
}

/** The first `count` elements, `-1` for all. It asks its input for no element beyond them. */
export interface TakeParams {
  readonly count: number
}

export const take: Operator<TakeParams, unknown> = {
  name: 'take',
  sameElements: true,
  describe: ({ count }) => String(count),
  cardinality: ({ count }, [input]) => (count < 0 ? input : selectedCount({ start: 0, step: 1, count }, input)),
  noOp: ({ count }, input) => count < 0 || (input !== undefined && count >= input),
  selection: ({ count }) => (count < 0 ? null : { start: 0, step: 1, count }),
  randomAccess: ({ params: { count }, inputs: [input] }) => selectAccess({ start: 0, step: 1, count: count < 0 ? Infinity : count }, input),

  open({ params: { count }, inputs: [input], saved }) {
    let left = count < 0 ? Infinity : count - savedPosition('take', saved, count)
    return {
      pull(max) {
        if (left <= 0 || input === undefined) return null
        return chain(input.pull(Math.min(max, left)), chunk => {
          if (chunk !== null) left -= chunk.length
          return chunk
        })
      },
      save: () => (count < 0 ? {} : { self: count - left })
    }
  }
}

/** All but the first `count` elements; `-1` leaves none. */
export interface SkipParams {
  readonly count: number
}

export const skip: Operator<SkipParams, unknown> = {
  name: 'skip',
  sameElements: true,
  describe: ({ count }) => String(count),
  cardinality: ({ count }, [input]) => (count < 0 ? 0 : input === undefined ? undefined : Math.max(0, input - count)),
  noOp: ({ count }) => count === 0,
  selection: ({ count }) => (count < 0 ? { start: 0, step: 1, count: 0 } : { start: count, step: 1, count: Infinity }),
  randomAccess: ({ params: { count }, inputs: [input] }) => selectAccess(count < 0 ? { start: 0, step: 1, count: 0 } : { start: count, step: 1, count: Infinity }, input),

  open({ params: { count }, inputs: [input], saved }) {
    let left = count < 0 ? 0 : count - savedPosition('skip', saved, count)
    return {
      pull(max) {
        if (count < 0 || input === undefined) return null
        if (left <= 0) return input.pull(max)
        return run(function* () {
          while (left > 0) {
            const chunk = yield* wait(input.pull(Math.min(left, 256)))
            if (chunk === null) return null
            left -= chunk.length
          }
          return yield* wait(input.pull(max))
        })
      },
      save: () => ({ self: count < 0 ? 0 : count - Math.max(0, left) })
    }
  }
}

/** Every `shards`-th element, beginning with number `index`: element `i` belongs to shard `i` modulo `shards`. */
export interface ShardParams {
  readonly shards: number
  readonly index: number
}

export const shard: Operator<ShardParams, unknown> = {
  name: 'shard',
  sameElements: true,
  describe: ({ shards, index }) => `${shards}, ${index}`,
  cardinality: ({ shards, index }, [input]) => selectedCount({ start: index, step: shards, count: Infinity }, input),
  noOp: ({ shards }) => shards === 1,
  selection: ({ shards, index }) => ({ start: index, step: shards, count: Infinity }),
  randomAccess: ({ params: { shards, index }, inputs: [input] }) => selectAccess({ start: index, step: shards, count: Infinity }, input),

  open({ params: { shards, index }, inputs: [input], saved }) {
    let seen = savedPosition('shard', saved)
    return {
      pull: max =>
        run(function* () {
          const out: unknown[] = []
          while (input !== undefined && out.length === 0) {
            // Ends on the last wanted element, never behind it.
            const toNext = ((index - seen) % shards + shards) % shards + 1
            const chunk = yield* wait(input.pull(toNext + (max - 1) * shards))
            if (chunk === null) return null
            for (const value of chunk) if (seen++ % shards === index) out.push(value)
          }
          return out
        }),
      save: () => ({ self: seen })
    }
  }
}
