import { isPlainObject, setMember } from '../array/nest.js'
import { slicer } from '../array/slice.js'
import type { Sliced } from '../array/batched.js'
import type { ElementContext } from '../plan/operator.js'
import type { MaybePromise } from '../types.js'
import { checkFunction, checkInteger, checkOptions, checkSeed } from '../util/check.js'
import { randomOrder } from '../util/permutation.js'
import { isPromise } from '../util/promise.js'
import { keyOfSeed } from '../util/rng.js'
import type { MapDataset } from './sampler.js'
import { chosenIndices } from './samplers/subset.js'

/** The type of the elements of a {@link MapDataset}. */
export type ElementOf<D> = D extends MapDataset<infer T> ? T : never

/** A dataset of which only some elements count, as PyTorch's `Subset`. */
export interface Subset<T> extends MapDataset<T> {
  readonly dataset: MapDataset<T>
  /** The ordinals in `dataset`. */
  readonly indices: ArrayLike<number>
}

/** A dataset of `length` elements; `get` makes the one of an ordinal, and may be asynchronous, or portable. */
export function mapDataset<T>(length: number, get: (index: number, context: ElementContext) => MaybePromise<T>): MapDataset<T> {
  checkInteger('mapDataset', 'length', length, 0)
  checkFunction('mapDataset', 'get', get)
  return Object.freeze({ length, get })
}

/** The rows of a nest of arrays of one length, as PyTorch's `TensorDataset`: what `Dataset.fromTensorSlices` gives. Views, not copies. */
export function tensorDataset<B>(tensors: B): MapDataset<Sliced<B>> {
  const { rows, row } = slicer(tensors, 'slices')
  return Object.freeze({ length: rows, get: (index: number) => row(checkIndex('tensorDataset', index, rows)) })
}

/** The elements of each dataset after those of the one before, as PyTorch's `ConcatDataset`. */
export function concatDataset<D extends readonly MapDataset<unknown>[]>(...datasets: D): MapDataset<ElementOf<D[number]>> {
  if (datasets.length === 0) throw new TypeError('concatDataset: give it at least one dataset')
  let length = 0
  const ends = datasets.map((dataset, k) => (length += checkMapDataset(`concatDataset: datasets[${k}]`, dataset).length))
  return Object.freeze({
    length,
    get(index: number, context: ElementContext) {
      checkIndex('concatDataset', index, length)
      const k = firstAbove(ends, index)
      return (datasets[k] as MapDataset<ElementOf<D[number]>>).get(index - (k === 0 ? 0 : (ends[k - 1] as number)), context)
    }
  })
}

/** The elements of these ordinals, in that order; an ordinal may stand there more than once. They are copied. */
export function subset<T>(dataset: MapDataset<T>, indices: ArrayLike<number>): Subset<T> {
  const chosen = chosenIndices('subset', indices, checkMapDataset('subset: dataset', dataset).length)
  return Object.freeze({
    dataset,
    indices: chosen,
    length: chosen.length,
    get: (index: number, context: ElementContext) => dataset.get(chosen[checkIndex('subset', index, chosen.length)] as number, context)
  })
}

/** One {@link Subset} for every part that was asked for. */
export type Parts<T, L extends readonly number[]> = { -readonly [K in keyof L]: Subset<T> }

/**
 * Divides a dataset at random into parts that do not overlap, as PyTorch's `random_split`: of these lengths, which have to sum to the length
 * of the dataset, or of these fractions, if they sum to 1. Fractions are rounded down, and what is left goes to the parts in turn, one element each.
 *
 * @param options `seed` decides the division. @default 0
 */
export function randomSplit<T, const L extends readonly number[]>(dataset: MapDataset<T>, lengths: L, options: { readonly seed?: number } = {}): Parts<T, L> {
  checkOptions('randomSplit', options, ['seed'])
  const { length } = checkMapDataset('randomSplit: dataset', dataset)
  const seed = checkSeed('randomSplit', options.seed) ?? 0
  const parts = splitLengths(length, lengths)
  const order = randomOrder(keyOfSeed(seed), length)
  let begin = 0
  return parts.map(part => {
    const first = begin
    begin += part
    return subset(dataset, Array.from({ length: part }, (_, i) => order(first + i)))
  }) as Parts<T, L>
}

/** How far a sum of fractions may be from 1. */
const ROUNDING = 1e-9

function splitLengths(total: number, lengths: readonly number[]): readonly number[] {
  const given: unknown = lengths // so that the type is kept
  if (!Array.isArray(given)) throw new TypeError('randomSplit: lengths must be an array of lengths or fractions')
  lengths.forEach((length, k) => {
    if (typeof length !== 'number') throw new TypeError(`randomSplit: lengths[${k}] must be a number, got ${typeof length}`)
    if (!(length >= 0)) throw new RangeError(`randomSplit: lengths[${k}] must be at least 0, got ${length}`)
  })
  const sum = lengths.reduce((a, b) => a + b, 0)
  if (Math.abs(sum - 1) <= ROUNDING) {
    const parts = lengths.map(fraction => Math.floor(total * fraction))
    const left = total - parts.reduce((a, b) => a + b, 0)
    for (let i = 0; i < left; i++) parts[i % parts.length] = (parts[i % parts.length] as number) + 1
    return parts
  }
  lengths.forEach((length, k) => checkInteger('randomSplit', `lengths[${k}], unless all are fractions that sum to 1,`, length))
  if (sum !== total) throw new RangeError(`randomSplit: the lengths sum to ${sum}, and the dataset has ${total} elements`)
  return lengths
}

/** What {@link stackDataset} makes of the elements of its datasets. */
export type Stacked<D> = { -readonly [K in keyof D]: ElementOf<D[K]> }

/** Elements made of those that datasets of one length have at the same ordinal, as PyTorch's `StackDataset`: an object of datasets gives objects, an array arrays. */
export function stackDataset<const D extends Readonly<Record<string, MapDataset<unknown>>> | readonly MapDataset<unknown>[]>(datasets: D): MapDataset<Stacked<D>> {
  if (!Array.isArray(datasets) && !isPlainObject(datasets)) throw new TypeError('stackDataset: give it an object or an array of datasets')
  const members = Object.entries(datasets as Readonly<Record<string, MapDataset<unknown>>>)
  const [first] = members
  if (first === undefined) throw new TypeError('stackDataset: give it at least one dataset')
  const { length } = checkMapDataset(`stackDataset: ${first[0]}`, first[1])
  for (const [key, dataset] of members) {
    if (checkMapDataset(`stackDataset: ${key}`, dataset).length !== length) {
      throw new RangeError(`stackDataset: ${key} has ${dataset.length} elements, and ${first[0]} has ${length}: they must be of one length`)
    }
  }
  const build = (values: readonly unknown[]): Stacked<D> => {
    if (Array.isArray(datasets)) return values as Stacked<D>
    const element: Record<string, unknown> = {}
    members.forEach(([key], k) => setMember(element, key, values[k]))
    return element as Stacked<D>
  }
  return Object.freeze({
    length,
    get(index: number, context: ElementContext): MaybePromise<Stacked<D>> {
      checkIndex('stackDataset', index, length)
      const values = members.map(([, dataset]) => dataset.get(index, context))
      return values.some(isPromise) ? Promise.all(values).then(build) : build(values)
    }
  })
}

/** Checks that something is a {@link MapDataset}. */
export function checkMapDataset<T>(what: string, dataset: MapDataset<T>): MapDataset<T> {
  const { length, get } = (dataset ?? {}) as { readonly length?: unknown; readonly get?: unknown }
  if (typeof get !== 'function' || typeof length !== 'number') throw new TypeError(`${what} must have a 'length' and a method 'get(index)'`)
  checkInteger(what, 'length', length, 0)
  return dataset
}

/** An index that does not exist is an error, where arrays would give undefined; a negative one does not count from the end. */
function checkIndex(where: string, index: number, length: number): number {
  if (Number.isInteger(index) && index >= 0 && index < length) return index
  throw new RangeError(`${where}: index ${index} is not inside the ${length} elements`)
}

function firstAbove(ends: readonly number[], index: number): number {
  let low = 0
  let high = ends.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ends[middle] as number) > index) high = middle
    else low = middle + 1
  }
  return low
}
