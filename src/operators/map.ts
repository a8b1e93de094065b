import type { MillraceError } from '../errors.js'
import type { ElementContext, Operator, RandomAccess } from '../plan/operator.js'
import { chain, isPromise } from '../util/promise.js'
import { openParallelMap } from './parallel-map.js'
import { openStages } from './stages.js'

/**
 * Applies a function to every element. Order: kept, unless `deterministic` is false. A function that returns a promise is
 * awaited: one at a time, or up to `parallel` of them in flight. Memory: at most `parallel` elements.
 */
export interface MapParams {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a user function of any element type
  readonly fn: (value: any, context: ElementContext) => unknown
  readonly seed: number | undefined
  /** Promises in flight; undefined awaits each before the next call. */
  readonly parallel: number | 'auto' | undefined
  readonly deterministic: boolean
}

export const map: Operator<MapParams, unknown> = {
  name: 'map',
  describe: ({ fn, parallel, deterministic }) => `${fn.name || 'fn'}${parallel === undefined ? '' : `, parallel: ${parallel}`}${deterministic ? '' : ', deterministic: false'}`,
  identity: ({ fn, seed, deterministic }) => [fn, seed ?? null, deterministic],
  cardinality: (_, [input]) => input,
  ordered: ({ deterministic }) => deterministic,
  knobs: ({ parallel }) => (parallel === undefined ? [] : [{ name: 'map.parallel', value: parallel }]),
  overlaps: ({ parallel }) => parallel !== undefined,
  stage: params => (inOrder(params) ? { kind: 'map', fn: params.fn, seed: params.seed } : null),
  lazyInputs: true,

  randomAccess({ params: { fn, seed }, inputs: [input], ctx }) {
    if (input === null || input === undefined) return null
    const context = ctx.elementContexts(seed)
    const apply = (values: unknown[], indices: readonly number[]): unknown[] | Promise<unknown[]> => {
      let waits = false
      const out = values.map((value, i) => {
        const index = indices[i] as number
        const rethrow = (error: unknown): never => { throw ctx.userError(error, index) as MillraceError }
        try {
          const result = fn(value, context(index))
          if (!isPromise(result)) return result
          waits = true
          return Promise.resolve(result).then(undefined, rethrow)
        } catch (error) {
          return rethrow(error)
        }
      })
      return waits ? Promise.all(out) : out
    }
    return {
      length: input.length,
      get: indices => chain(input.get(indices), values => apply(values, indices)),
      close: () => input.close?.()
    } satisfies RandomAccess
  },

  open({ params, node, saved, savedInputs, ctx }) {
    const [inputNode] = node.inputs
    if (inputNode === undefined) throw new TypeError('map needs an input')
    if (!inOrder(params)) return openParallelMap(params, ctx.open(inputNode, { saved: savedInputs?.[0] }), ctx, saved)
    return openStages([{ node, stage: { kind: 'map', fn: params.fn, seed: params.seed } }], params, ctx, inputNode, saved, savedInputs)
  }
}

/** One after the other. Without order the state is another, at any parallelism. */
const inOrder = ({ parallel, deterministic }: MapParams): boolean => parallel === undefined && deterministic
