import { stack } from '../array/stack.js'
import { Dataset } from '../dataset.js'
import { enumerate } from '../operators/enumerate.js'
import { group } from '../operators/group.js'
import { interleave } from '../operators/interleave.js'
import { map, type MapParams } from '../operators/map.js'
import { onDemand } from '../operators/on-demand.js'
import { pin } from '../operators/pin.js'
import { sampled, sampledParams } from '../operators/sampled.js'
import { nodesOf, planNode, type PlanNode } from '../plan/node.js'
import type { ElementContext, Operator } from '../plan/operator.js'
import { travelling } from '../plan/reference.js'
import { rewrite } from '../plan/rewrite.js'
import type { DatasetOptions } from '../plan/tuning.js'
import { chain } from '../util/promise.js'
import type { GivenOptions } from './check-options.js'
import { LOADER_DEFAULTS, type ShardOptions } from './loader-options.js'
import { aheadOf, boundedPool, type PoolConfig } from './pool-config.js'
import type { BatchSampler, Sampler, SamplerPass } from './sampler.js'
import { distributedSampler } from './samplers/distributed.js'
import { randomSampler } from './samplers/random.js'
import { sequentialSampler } from './samplers/sequential.js'
import { subsetSampler } from './samplers/subset.js'
import type { Source } from './source.js'

/** One element of a loader, with the ordinal that it has in the dataset. */
export interface LoaderItem<T> {
  readonly index: number
  readonly element: T
}

/**
 * The plan of a loader: what a user would write.
 *
 * - elements by index: `sampled indices → map(get, { parallel }) → batch → prefetch`
 * - a Dataset: `dataset → shard → shuffle → batch → prefetch`. The shard comes first, so that no two processes read the same files.
 * - objects below a prefix: `objects → shard → shuffle → map(read, { parallel }) → batch → prefetch`
 */
export function loaderPlan(source: Source, options: GivenOptions, pool: PoolConfig | undefined): Dataset<unknown> {
  const { ahead } = workOf(source, options, pool)
  let plan = collated(elementsOf(source, options, pool), options)
  if (options.pinMemory === true) plan = plan.operator(pin, { releases: options.collate === undefined && options.batchSize !== null && options.batchSampler === undefined })
  plan = ahead === 0 ? plan.operator(onDemand, {}) : plan.prefetch(ahead)
  return withRunOptions(plan, source, options, pool)
}

/** The same elements without batches, each with its ordinal in the dataset. */
export function itemsPlan(source: Source, options: GivenOptions): Dataset<LoaderItem<unknown>> {
  const plan = elementsOf(source, { ...options, inOrder: true }, undefined, true) as Dataset<LoaderItem<unknown>>
  return withRunOptions(options.prefetch === 0 ? plan.operator(onDemand, {}) : plan, source, options, undefined) as Dataset<LoaderItem<unknown>>
}

/** The first elements of a pass as one batch. */
export function samplePlan(source: Source, options: GivenOptions, count: number): Dataset<unknown> {
  const { batchSampler: _, ...rest } = options
  return withRunOptions(collated(elementsOf(source, { ...options, inOrder: true }, undefined), { ...rest, batchSize: count, dropLast: false }), source, options, undefined).take(1).operator(onDemand, {})
}

/** What is under way at once, and how many batches are prepared ahead. */
export function workOf(source: Source, options: GivenOptions, pool: PoolConfig | undefined): { readonly parallel: number | 'auto'; readonly ahead: number | 'auto' } {
  const { numWorkers = 0, maxConcurrency = LOADER_DEFAULTS.maxConcurrency, prefetch } = options
  if (pool !== undefined) return boundedPool(pool, options.batchSize === null ? 1 : (options.batchSize ?? LOADER_DEFAULTS.batchSize))
  return { parallel: numWorkers !== 0 && source.portable ? numWorkers : maxConcurrency, ahead: prefetch === 'auto' ? prefetch : aheadOf(options) }
}

/** The elements of this process, in their order. */
function elementsOf(source: Source, options: GivenOptions, pool: PoolConfig | undefined, items = false): Dataset<unknown> {
  const ordered = pool === undefined ? options.inOrder !== false : pool.ordered
  const { shard, shuffle } = options
  const { get } = source
  if (source.dataset === undefined) return fetched(indicesOf(source, options), source, options, pool, ordered, items)
  let plan = ordered ? source.dataset : asReady(source.dataset, get !== undefined)
  if (items) plan = withOrdinals(plan)
  if (shard !== undefined) plan = sharded(plan, shard)
  if (shuffle === true) plan = plan.shuffle()
  else if (typeof shuffle === 'number') plan = plan.shuffle(shuffle)
  return get === undefined ? plan : fetched(plan, source, options, pool, ordered, items)
}

/** The indices that are drawn, already those of this process. */
function indicesOf(source: Source, options: GivenOptions): Dataset<unknown> {
  const length = source.length ?? 0
  const { sampler, batchSampler, shuffle, shard, seed } = options
  const draw = (from: Sampler): Dataset<unknown> => new Dataset(planNode(sampled, sampledParams(from, length)))
  if (batchSampler !== undefined) return draw(flat(batchSampler))
  const drawn = sampler === undefined ? (shuffle === true ? randomSampler(length) : sequentialSampler(length)) : isSampler(sampler) ? sampler : subsetSampler(sampler)
  if (shard === undefined) return draw(drawn)
  if (shard.remainder === 'keep') return draw(drawn).shard(...partOf(shard))
  const [worldSize, rank] = partOf(shard)
  return draw(distributedSampler(drawn, { rank, worldSize, ...(seed !== undefined && { seed }), dropLast: shard.remainder === 'drop' }))
}

const isSampler = (sampler: Sampler | readonly number[]): sampler is Sampler => !Array.isArray(sampler)

/** Number of parts, and which of them this is. */
function partOf({ rank, worldSize, workerIndex = 0, workerCount = 1 }: ShardOptions): [number, number] {
  return [worldSize * workerCount, rank * workerCount + workerIndex]
}

function sharded(plan: Dataset<unknown>, shard: ShardOptions): Dataset<unknown> {
  const [parts, part] = partOf(shard)
  const { remainder = 'keep' } = shard
  if (remainder === 'keep') return plan.shard(parts, part)
  const length = plan.cardinality
  if (length === undefined || length === Infinity) {
    throw new RangeError(`DataLoader: shard: remainder '${remainder}' needs a known number of elements, and that of this dataset is ${length === undefined ? 'not known' : 'infinite'}; use 'keep'`)
  }
  if (remainder === 'drop') return plan.take(length - (length % parts)).shard(parts, part)
  if (length === 0 || length % parts === 0) return plan.shard(parts, part)
  const total = Math.ceil(length / parts) * parts
  const copies = Array.from({ length: Math.ceil(total / length) - 1 }, () => plan)
  return plan.concatenate(...copies).take(total).shard(parts, part)
}

/** The indices of all batches in a row. */
function flat(sampler: BatchSampler): Sampler {
  return {
    name: `${sampler.name ?? 'batchSampler'}, flat`,
    length: undefined,
    identity: sampler.identity ?? sampler.batches,
    get epoch() {
      return sampler.epoch
    },
    *indices(pass: SamplerPass) {
      for (const batch of sampler.batches(pass)) {
        if (!Array.isArray(batch) || batch.length === 0) throw new TypeError('a batch must be an array of indices, at least one')
        yield* batch as readonly number[]
      }
    }
  }
}

interface FetchParams extends MapParams {
  readonly identity: unknown
}

/** `map`, which a checkpoint knows by what the user gave; it stays in this thread. */
const fetch: Operator<FetchParams, unknown> = { ...(map as Operator<FetchParams, unknown>), identity: ({ identity, seed, deterministic }) => [identity, seed ?? null, deterministic] }

function fetched(keys: Dataset<unknown>, source: Source, options: GivenOptions, pool: PoolConfig | undefined, deterministic: boolean, items: boolean): Dataset<unknown> {
  const get = source.get as NonNullable<Source['get']>
  const { parallel } = workOf(source, options, pool)
  const params = { seed: undefined, parallel, deterministic }
  if (source.portable && !items && (options.numWorkers ?? 0) !== 0) return keys.operator(map, { fn: get, ...params })
  const withIndex = source.dataset === undefined
    ? (index: number, context: ElementContext) => chain(get(index, context), element => ({ index, element }))
    : ({ index, element: key }: LoaderItem<unknown>, context: ElementContext) => chain(get(key, context), element => ({ index, element }))
  const fn = items ? withIndex : (key: unknown, context: ElementContext) => get(key, context)
  Object.defineProperty(fn, 'name', { value: source.kind === 'map' ? 'get' : 'read' })
  return keys.operator(fetch, { fn, ...params, identity: source.identity })
}

/** Pairs below shuffles must not change what those draw: the depth of a node is part of their random numbers. */
function withOrdinals(plan: Dataset<unknown>): Dataset<unknown> {
  const { depth } = plan.plan
  const numbered: PlanNode = { ...planNode(enumerate, { start: 0 }, [plan.plan]), depth }
  const pair = { ...map, name: 'items', noOp: undefined } as unknown as Operator<MapParams, unknown>
  const params: MapParams = { fn: ([index, element]: readonly [number, unknown]) => ({ index, element }), seed: undefined, parallel: undefined, deterministic: true }
  return new Dataset<unknown>({ ...planNode(pair, params, [numbered]), depth })
}

/** All that runs in parallel delivers as it is ready. @throws TypeError when there is nothing that could */
function asReady(dataset: Dataset<unknown>, fetches: boolean): Dataset<unknown> {
  const parallel = (node: PlanNode): boolean => (node.op === map || node.op === interleave) && (node.params as MapParams).parallel !== undefined
  if (!fetches && ![...nodesOf(dataset.plan)].some(parallel)) {
    throw new TypeError('DataLoader: elements cannot come out of order: no map or interleave of the dataset has parallel. Leave out inOrder: false, or say ordered: true in the pool')
  }
  const apply = (node: PlanNode): PlanNode => (parallel(node) && (node.params as MapParams).deterministic ? Object.freeze({ ...node, params: Object.freeze({ ...(node.params as object), deterministic: false }) }) : node)
  return new Dataset(rewrite(dataset.plan, { name: 'as ready', apply }))
}

function collated(elements: Dataset<unknown>, options: GivenOptions): Dataset<unknown> {
  const { batchSize = LOADER_DEFAULTS.batchSize, batchSampler, collate, dropLast = false, numWorkers = 0 } = options
  if (batchSampler === undefined && batchSize === null) return elements
  if (batchSampler === undefined && collate === undefined) return elements.batch(batchSize as number, { dropRemainder: dropLast })
  const rows = elements.operator(group, { size: batchSize ?? 1, dropRemainder: dropLast, sampler: batchSampler })
  const fn = (collate ?? stack) as (rows: readonly unknown[], context: ElementContext) => unknown
  if (travelling(fn) !== undefined && numWorkers !== 0) return rows.map(fn, { parallel: numWorkers })
  const own = collate === undefined ? (batch: readonly unknown[]) => stack(batch) : (batch: readonly unknown[], context: ElementContext) => fn(batch, context)
  Object.defineProperty(own, 'name', { value: collate === undefined ? 'stack' : 'collate' })
  return rows.operator(fetch, { fn: own, seed: undefined, parallel: undefined, deterministic: true, identity: collate ?? 'stack' })
}

function withRunOptions(plan: Dataset<unknown>, source: Source, options: GivenOptions, pool: PoolConfig | undefined): Dataset<unknown> {
  const { numWorkers, persistentWorkers, workerInit, maxConcurrency, autotune } = options
  const run: { -readonly [K in keyof DatasetOptions]: DatasetOptions[K] } = {}
  if (autotune !== undefined) run.autotune = autotune
  if (numWorkers !== undefined) {
    run.workers = { count: numWorkers, ...(persistentWorkers !== undefined && { persistent: persistentWorkers }), ...(workerInit !== undefined && { init: workerInit.portable }) }
  }
  const most = source.get !== undefined ? undefined : pool !== undefined ? boundedPool(pool, 1).parallel : maxConcurrency === 'auto' ? undefined : maxConcurrency
  const threads = typeof numWorkers === 'number' && numWorkers > 0 ? numWorkers : undefined
  if (most !== undefined || threads !== undefined) {
    run.threading = { ...(threads !== undefined && { privateThreadpoolSize: threads }), ...(most !== undefined && { maxIntraOpParallelism: most }) }
  }
  return Object.keys(run).length === 0 ? plan : plan.options(run)
}
