import type { Planned } from '../plan/node.js'
import type { ElementContext, Operator } from '../plan/operator.js'
import type { MaybePromise } from '../types.js'
import { checkFunction, checkOptions, checkSeed } from '../util/check.js'
import { openInterleave } from './interleave-cursor.js'

/**
 * Makes a dataset of every element and yields the elements of each of those, one dataset after the other: `interleave` with
 * a cycle of one. Order: kept. Memory: one open inner dataset.
 *
 * Errors surface in their place; an inner dataset that threw goes on, an element for which the function threw is left out.
 * State: the input at the element whose dataset is open, and the state of that dataset.
 */
export interface FlatMapParams {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a user function of any element type
  readonly fn: (element: any, context: ElementContext) => MaybePromise<Planned>
  readonly seed: number | undefined
}

/** Checks the arguments of `flatMap`. */
export function flatMapParams(fn: FlatMapParams['fn'], options: { readonly seed?: number } = {}): FlatMapParams {
  checkFunction('flatMap', 'fn', fn)
  checkOptions('flatMap', options, ['seed'])
  return { fn, seed: checkSeed('flatMap', options.seed) }
}

export const flatMap: Operator<FlatMapParams, unknown> = {
  name: 'flatMap',
  describe: ({ fn }) => fn.name || 'fn',
  identity: ({ fn, seed }) => [fn, seed ?? null],
  lazyInputs: true,

  open: args => openInterleave({ ...args.params, cycleLength: 1, blockLength: 1, parallel: undefined, deterministic: true, memoryBytes: Infinity }, args)
}
