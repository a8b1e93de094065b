import type { OpenArguments, Cursor } from '../plan/operator.js'
import { savedPosition } from '../plan/saved.js'
import type { Cardinality } from '../types.js'
import { isPromise, run, wait } from '../util/promise.js'
import { elementsOf } from './stacked-chunk.js'

/** What operators that make one element of `size` have in common. */
export interface RowsParams {
  readonly size: number
  readonly dropRemainder: boolean
}

/** Number of groups of `size`, the last of which may be smaller or left out. */
export function groupCount({ size, dropRemainder }: RowsParams, input: Cardinality): Cardinality {
  return input === undefined ? undefined : dropRemainder ? Math.floor(input / size) : Math.ceil(input / size)
}

/** Older positions are asked for only after an error in the middle of a group: marks may be far apart. */
const TRACK_EVERY = 4096

/**
 * Collects `size` elements at a time and hands them to `stack`, with the ordinal of the first. It reads no element beyond
 * the group asked for. An error of the input is thrown at once; the rows before it stay, and the next pull fills the same
 * group. State: the ordinal and the position of the first row.
 */
export function collectRows<P extends RowsParams>(
  { params: { size, dropRemainder }, inputs: [input], node, saved, ctx }: OpenArguments<P>,
  stack: (rows: readonly unknown[], firstIndex: number) => unknown
): Cursor<unknown> {
  if (input === undefined) throw new TypeError(`${node.op.name} needs an input`)
  const source = ctx.track(input, TRACK_EVERY)
  let index = savedPosition(node.op.name, saved) // of the first row of the next group
  let begun = 0 // position of that row in `source`
  let rows: unknown[] = []

  const finish = (complete: readonly unknown[]): unknown[] => {
    const first = index
    index += complete.length
    begun = source.position
    rows = []
    source.release(begun)
    return [stack(complete, first)]
  }
  function* fill(): Generator<PromiseLike<unknown>, unknown[] | null, unknown> {
    while (rows.length < size) {
      const chunk: unknown[] | null = yield* wait(source.pull(size - rows.length))
      if (chunk === null) {
        if (rows.length === 0 || dropRemainder) return null
        break
      }
      if (rows.length === 0) rows = chunk
      else {
        rows = elementsOf(rows)
        for (const row of elementsOf(chunk)) rows.push(row)
      }
    }
    return finish(rows)
  }
  return {
    /** One group, whatever `max`: groups are big, and a consumer that wants more asks again. */
    pull() {
      if (rows.length > 0) return run(fill)
      const chunk = source.pull(size)
      if (!isPromise(chunk)) {
        if (chunk === null) return null
        if (chunk.length === size) return finish(chunk)
        rows = chunk
        return run(fill)
      }
      return chunk.then(chunk => {
        if (chunk === null) return null
        rows = chunk
        return run(fill)
      })
    },
    save: () => ({ self: index, inputs: [source.stateAt(begun, source.position)] })
  }
}
