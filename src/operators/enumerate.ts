import type { Operator } from '../plan/operator.js'
import { savedPosition } from '../plan/saved.js'
import { chain, isPromise } from '../util/promise.js'

/**
 * Pairs of ordinal and element, `[start, first], [start + 1, second], …`. Order: kept. Memory: none.
 *
 * An element of the input that fails uses up its number, as in tf.data: the numbers of the others do not depend on it.
 */
export interface EnumerateParams {
  readonly start: number
}

export const enumerate: Operator<EnumerateParams, readonly [number, unknown]> = {
  name: 'enumerate',
  describe: ({ start }) => (start === 0 ? '' : String(start)),
  cardinality: (_, [input]) => input,
  elementSpec: (_, [spec]) => (spec === undefined ? undefined : [{ dtype: 'float32', shape: [] }, spec]),

  randomAccess({ params: { start }, inputs: [input] }) {
    if (input === null || input === undefined) return null
    return {
      length: input.length,
      get: indices => chain(input.get(indices), values => values.map((value, i) => [start + (indices[i] as number), value])),
      close: () => input.close?.()
    }
  },

  open({ params: { start }, inputs: [input], saved, ctx }) {
    if (input === undefined) throw new TypeError('enumerate needs an input')
    let count = savedPosition('enumerate', saved)

    const number = (chunk: unknown[] | null): [number, unknown][] | null => {
      if (chunk === null) return null
      const first = start + count
      count += chunk.length
      return chunk.map((value, i) => [first + i, value])
    }
    const failed = (error: unknown): never => {
      if (!ctx.signal.aborted) count++
      throw error
    }
    return {
      pull(max) {
        try {
          const chunk = input.pull(max)
          return isPromise(chunk) ? chunk.then(number, failed) : number(chunk)
        } catch (error) {
          return failed(error)
        }
      },
      save: () => ({ self: count })
    }
  }
}
