import type { Batched, PaddedBatched } from '../array/batched.js'
import type { NumberDType } from '../array/dtype.js'
import { padStacker, type PadOptions } from '../array/pad.js'
import { stack } from '../array/stack.js'
import type { ElementContext } from '../plan/operator.js'
import type { FunctionReference } from '../plan/workers.js'
import type { Json, MaybePromise } from '../types.js'
import { checkOptions } from '../util/check.js'

/**
 * Makes a batch of elements. It may be asynchronous, and portable: then it runs on worker threads. `context.index` is the ordinal of the batch in
 * the epoch, and `context.rng` has the random numbers of that batch.
 */
export type Collate<T, B> = (elements: readonly T[], context: ElementContext) => MaybePromise<B>

/** A {@link Collate} of ours: workers find it by its name. */
interface Portable {
  readonly portable: FunctionReference
}

const byName = (name: string, args?: readonly Json[]): Portable => ({ portable: Object.freeze({ url: import.meta.url, name, ...(args !== undefined && { args }) }) })

/** Stacks the elements, as PyTorch's `default_collate` and exactly as `batch` does. */
export const defaultCollate: (<T>(elements: readonly T[]) => Batched<T>) & Portable =
  Object.assign(<T>(elements: readonly T[]): Batched<T> => stack(elements), byName('defaultCollate'))

/** Leaves the elements as they are: a batch is an array of them. */
export const collateToList: (<T>(elements: readonly T[]) => T[]) & Portable =
  Object.assign(<T>(elements: readonly T[]): T[] => elements.slice(), byName('collateToList'))

/**
 * Pads arrays of unequal shape, and stacks: exactly as `paddedBatch` does, with its options. Padding values that are bigints keep it from
 * running on worker threads.
 */
export function paddedCollate<const D extends NumberDType = 'float32'>(options: PadOptions<D> = {}): (<T>(elements: readonly T[]) => PaddedBatched<T, number, D>) & Partial<Portable> {
  checkOptions('paddedCollate', options, ['shapes', 'values', 'numbers'])
  const pad = padStacker(options)
  const collate = <T>(elements: readonly T[]): PaddedBatched<T, number, D> => pad(elements)
  const json = asJson(options)
  return json === undefined ? collate : Object.assign(collate, byName('paddedCollate', [json]))
}

/** The same as JSON, which has no bigints, and neither NaN nor infinities. */
function asJson(options: object): Json | undefined {
  let exact = true
  const text = JSON.stringify(options, (_, value: unknown) => {
    if (typeof value !== 'bigint' && (typeof value !== 'number' || Number.isFinite(value))) return value
    exact = false
    return null
  })
  return exact ? (JSON.parse(text) as Json) : undefined
}
