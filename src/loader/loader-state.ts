import { describe } from '../array/nest.js'
import type { Checkpoint } from '../engine/checkpoint.js'
import { MillraceError } from '../errors.js'
import type { Json } from '../types.js'
import type { GivenOptions } from './check-options.js'
import { LOADER_DEFAULTS } from './loader-options.js'
import { samplerName } from '../operators/sampled.js'

const VERSION = 1

/** What decides which batches an epoch has, beside the data. Numbers of workers and of what is prepared ahead do not belong to it. */
export interface LoaderSettings {
  readonly [name: string]: Json
}

/** Where a loader is: JSON. It does not depend on workers, prefetching or concurrency. */
export interface LoaderState {
  readonly version: 1
  /** The epoch that is under way, or the next one. */
  readonly epoch: number
  /** Its seed; null when `generator` gives it at its beginning. */
  readonly seed: number | null
  readonly settings: LoaderSettings
  /** The place in the epoch; null at its beginning. */
  readonly checkpoint: Checkpoint | null
}

/** The settings that a state belongs to. */
export function settingsOf(options: GivenOptions, ordered: boolean): LoaderSettings {
  const { batchSize = LOADER_DEFAULTS.batchSize, batchSampler, shuffle = false, sampler, dropLast = false, shard } = options
  return {
    ...(batchSampler === undefined ? { batchSize, dropLast } : { batchSampler: samplerName(batchSampler) }),
    ...(sampler === undefined ? { shuffle } : { sampler: Array.isArray(sampler) ? 'indices' : samplerName(sampler as Exclude<typeof sampler, readonly number[]>) }),
    ...(shard !== undefined && { shard: { ...shard } }),
    order: ordered ? 'kept' : 'as ready'
  }
}

/** Makes a state. */
export function loaderState(epoch: number, seed: number | undefined, settings: LoaderSettings, checkpoint: Checkpoint | undefined): LoaderState {
  return { version: VERSION, epoch, seed: seed ?? null, settings, checkpoint: checkpoint ?? null }
}

/** Checks that something is a state. @throws MillraceError `Checkpoint` */
export function checkLoaderState(state: LoaderState): LoaderState {
  const { version, epoch, seed, settings, checkpoint } = (state ?? {}) as { readonly [member in keyof LoaderState]?: unknown }
  const fail = (message: string): never => { throw new MillraceError('Checkpoint', `loadStateDict: ${message}`) }
  if (typeof state !== 'object' || typeof settings !== 'object' || settings === null) fail('this is no state of a loader: pass what stateDict() returned, or JSON.parse of its JSON')
  if (version !== VERSION) fail(`the state has version ${String(version)}, this millrace reads version ${VERSION}`)
  if (!Number.isSafeInteger(epoch) || (epoch as number) < 0) fail(`the epoch, ${String(epoch)}, is none: the state is damaged`)
  if (seed !== null && !Number.isSafeInteger(seed)) fail(`the seed, ${describe(seed)}, is no integer: the state is damaged`)
  if (checkpoint !== null && typeof checkpoint !== 'object') fail('the checkpoint in it is none: the state is damaged')
  return state
}

/** Checks that a state belongs to these settings. @throws MillraceError `Checkpoint` that names the first setting that differs */
export function checkSettings(saved: LoaderSettings, present: LoaderSettings): void {
  for (const name of new Set([...Object.keys(saved), ...Object.keys(present)])) {
    const [was, is] = [saved[name], present[name]].map(value => JSON.stringify(value) ?? 'not given')
    if (was === is) continue
    const why = name === 'order' ? '; what came as it was ready goes on with the same stream({ pool }) only' : ''
    throw new MillraceError('Checkpoint', `loadStateDict: the state belongs to a loader with other settings: ${name} was ${was} and is ${is}${why}`)
  }
}
