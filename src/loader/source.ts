import { describe } from '../array/nest.js'
import { Dataset } from '../dataset.js'
import type { GeneratorContext } from '../operators/from.js'
import type { Planned } from '../plan/node.js'
import type { ElementContext } from '../plan/operator.js'
import { travelling } from '../plan/reference.js'
import type { MaybePromise } from '../types.js'
import type { GivenOptions, SourceKind } from './check-options.js'
import { checkMapDataset } from './map-dataset.js'
import { objectReader, objectsOf, type LoadedObject, type ObjectReader } from './objects.js'
import type { MapDataset } from './sampler.js'
import { checkPatterns } from '../files.js'

/** What a loader can take elements from. An array is a map-style dataset of its items. */
export type LoaderSource<T> = Planned<T> | MapDataset<T> | Iterable<T> | AsyncIterable<T> | ((context: GeneratorContext) => Iterable<T> | AsyncIterable<T>)

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a function of any key
type Get = (key: any, context: ElementContext) => MaybePromise<unknown>

/** A source, looked at. With `get`, `keys` are what it makes elements of; without keys, it makes them of the indices below `length`. */
export interface Source {
  readonly kind: SourceKind
  readonly dataset: Dataset<unknown> | undefined
  readonly length: number | undefined
  readonly get: Get | undefined
  /** True when threads can load `get`. */
  readonly portable: boolean
  /** What a checkpoint knows the source by. */
  readonly identity: unknown
  readonly objects: ObjectReader | undefined
}

const NOTHING = { dataset: undefined, length: undefined, get: undefined, portable: false, identity: undefined, objects: undefined } as const

/** Finds out what was given. @throws TypeError */
export function sourceOf(where: string, given: LoaderSource<unknown>): Source {
  if (Array.isArray(given)) return { ...NOTHING, kind: 'map', length: given.length, get: (index: number) => given[index] as unknown, identity: ['array', given.length] }
  const object = (given ?? {}) as { readonly plan?: unknown; readonly get?: unknown; readonly length?: unknown }
  if (typeof object.plan === 'object' && object.plan !== null) return { ...NOTHING, kind: 'dataset', dataset: new Dataset((given as Planned).plan) }
  if (typeof object.get === 'function' && typeof object.length === 'number') {
    const dataset = checkMapDataset(where, given as MapDataset<unknown>)
    const portable = travelling(object.get) !== undefined
    return { ...NOTHING, kind: 'map', length: dataset.length, portable, identity: dataset.get, get: portable ? dataset.get : (index, context) => dataset.get(index as number, context) }
  }
  if (typeof given !== 'function' && !(typeof given === 'object' && (given as unknown) !== null && (Symbol.iterator in given || Symbol.asyncIterator in given))) {
    throw new TypeError(`${where}: expected a Dataset, a map-style dataset with 'length' and 'get(index)', an iterable, or a function that makes one, got ${describe(given)}`)
  }
  return { ...NOTHING, kind: 'iterable', dataset: Dataset.from(given as Iterable<unknown>) }
}

/** Objects, by their URIs. */
export function sourceOfUris(where: string, uris: readonly string[], options: GivenOptions): Source {
  const list = checkPatterns(where, uris)
  const objects = objectReader(options)
  const get = (index: number, { signal }: ElementContext): Promise<LoadedObject> => objects.read(list[index] as string, signal)
  return { ...NOTHING, kind: 'uris', length: list.length, get, identity: ['uris', list.length, list[0], list.at(-1)], objects }
}

/** Objects below a prefix. */
export function sourceOfPrefix(where: string, prefix: string, options: GivenOptions): Source {
  const [checked] = checkPatterns(where, prefix) as [string]
  const objects = objectReader(options)
  return { ...NOTHING, kind: 'prefix', dataset: objectsOf(checked, options.store), get: (meta, { signal }) => objects.read(meta as string, signal), identity: ['prefix', checked], objects }
}
