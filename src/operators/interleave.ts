import type { Planned } from '../plan/node.js'
import type { ElementContext, Operator } from '../plan/operator.js'
import type { MaybePromise } from '../types.js'
import { checkFunction, checkInteger, checkKnob, checkOptions, checkSeed } from '../util/check.js'
import { openInterleave } from './interleave-cursor.js'

/** Options of `interleave`. */
export interface InterleaveOptions {
  /**
   * Inner datasets that are open at once. A fixed number, not one of this machine, because it decides the order.
   * @default 16
   */
  readonly cycleLength?: number
  /** Elements in a row from each of them. @default 1 */
  readonly blockLength?: number
  /**
   * Inner datasets that are read at once, ahead of demand, up to a block of each. It pays where they wait for something,
   * and begins with the first promise. More than `cycleLength` is no more. @default none: one at a time, on demand
   */
  readonly parallel?: number | 'auto'
  /** With `parallel`: false goes on with whichever inner dataset is ready when the one in turn is not. @default true */
  readonly deterministic?: boolean
  /** Seed of `rng` in the function's context. @default derived from the iteration's */
  readonly seed?: number
  /** With `parallel`: nothing more is read ahead while the elements that wait hold that many bytes. @default 256 MiB */
  readonly memoryBytes?: number
}

/**
 * Makes a dataset of every element, opens `cycleLength` of those and yields `blockLength` elements of each in turn, like
 * `tf.data.Dataset.interleave`. When an inner dataset ends, the turn moves on at once; at the next turn of its slot, the
 * next element's dataset takes its place. Empty ones are passed by.
 *
 * Order: a function of the input and of the lengths of the inner datasets, the same at any `parallel`, unless
 * `deterministic` is false. Memory: `cycleLength` open inner datasets, and with `parallel` a block of so many of them.
 *
 * Errors surface in their place and take none in the block. Behind an error of the function or of the input, the same slot
 * takes the next element; behind one of an inner dataset, that dataset goes on.
 *
 * State: which elements' datasets are open in which slots, whose turn it is, and the state of each. On restore those
 * elements are read again, and the function is called for them alone.
 */
export interface InterleaveParams {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a user function of any element type
  readonly fn: (element: any, context: ElementContext) => MaybePromise<Planned>
  readonly cycleLength: number
  readonly blockLength: number
  readonly parallel: number | 'auto' | undefined
  readonly deterministic: boolean
  readonly seed: number | undefined
  readonly memoryBytes: number
}

/** Checks the arguments of `interleave`. */
export function interleaveParams(fn: InterleaveParams['fn'], options: InterleaveOptions = {}): InterleaveParams {
  checkFunction('interleave', 'fn', fn)
  checkOptions('interleave', options, ['cycleLength', 'blockLength', 'parallel', 'deterministic', 'seed', 'memoryBytes'])
  return {
    fn,
    cycleLength: checkInteger('interleave', 'cycleLength', options.cycleLength ?? 16, 1),
    blockLength: checkInteger('interleave', 'blockLength', options.blockLength ?? 1, 1),
    parallel: options.parallel === undefined ? undefined : checkKnob('interleave', 'parallel', options.parallel),
    deterministic: options.deterministic ?? true,
    seed: checkSeed('interleave', options.seed),
    memoryBytes: checkInteger('interleave', 'memoryBytes', options.memoryBytes ?? 256 * 2 ** 20, 1)
  }
}

export const interleave: Operator<InterleaveParams, unknown> = {
  name: 'interleave',
  describe: ({ fn, cycleLength, blockLength, parallel, deterministic }) =>
    [fn.name || 'fn', `cycle ${cycleLength}`, ...(blockLength === 1 ? [] : [`block ${blockLength}`]), ...(parallel === undefined ? [] : [`parallel: ${parallel}`]), ...(deterministic ? [] : ['deterministic: false'])].join(', '),
  identity: ({ fn, cycleLength, blockLength, deterministic, seed }) => [fn, cycleLength, blockLength, deterministic, seed ?? null],
  ordered: ({ deterministic }) => deterministic,
  knobs: ({ parallel }) => (parallel === undefined ? [] : [{ name: 'interleave.parallel', value: parallel }]),
  overlaps: ({ parallel }) => parallel !== undefined,
  lazyInputs: true,

  open: args => openInterleave(args.params, args)
}
