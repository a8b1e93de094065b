import type { LoaderOptions } from './loader-options.js'

/** What spreads along with the members of a preset, so that `explainConfig()` can tell where a value comes from. */
const MARK = 'preset '

/**
 * For one accelerator in this process: threads where they pay, kept between epochs; page-aligned batches, four of them ahead; all of one
 * shape. Spread it, and add your own: `new DataLoader(dataset, { ...gpuOptimized, batchSize: 256 })`. Release batches that you are done with.
 */
export const gpuOptimized = preset('gpuOptimized', {
  /** Threads where they pay. */
  numWorkers: 'auto',
  /** The next epoch begins without starting them. */
  persistentWorkers: true,
  /** Memory that is used again. */
  pinMemory: true,
  /** Four batches ahead of the accelerator. */
  prefetch: 4,
  /** Every batch has the same shape, so that nothing is compiled twice. */
  dropLast: true,
  /** Enough requests to hide the latency of a store. */
  maxConcurrency: 64
})

/** For one of several processes that train together: its own part of the data, as many batches as the others, in random order. */
export function distributedOptimized(rank: number, worldSize: number): DistributedPreset {
  return preset(`distributedOptimized(${rank}, ${worldSize})`, {
    shard: Object.freeze({ rank, worldSize }),
    /** All processes have to draw the same order. */
    seed: 0,
    shuffle: true,
    /** Every step has a batch of the same shape on every rank. */
    dropLast: true,
    prefetch: 4,
    maxConcurrency: 64
  } as const)
}

/** What {@link distributedOptimized} returns. */
export interface DistributedPreset {
  readonly shard: { readonly rank: number; readonly worldSize: number }
  readonly seed: 0
  readonly shuffle: true
  readonly dropLast: true
  readonly prefetch: 4
  readonly maxConcurrency: 64
}

/** For finding out what goes wrong: one element after the other, in order, in this thread, nothing ahead, and what is stuck is an error. */
export const debug = preset('debug', {
  /** Everything happens in this thread, where a debugger sees it. */
  numWorkers: 0,
  /** A call ends before the next one begins. */
  maxConcurrency: 1,
  /** Nothing happens before it is asked for. */
  prefetch: 0,
  shuffle: false,
  /** The same random numbers in each run. */
  seed: 0,
  inOrder: true,
  /** Milliseconds. */
  timeout: 60_000,
  /** No setting changes by itself. */
  autotune: false
})

function preset<const O extends LoaderOptions>(name: string, members: O): Readonly<O> {
  return Object.freeze({ ...members, [Symbol.for(MARK + name)]: members })
}

/** The name of the preset that a value came from, if it did. The one that was spread last counts. */
export function presetOf(options: object, key: string, value: unknown): string | undefined {
  for (const symbol of Object.getOwnPropertySymbols(options).reverse()) {
    if (symbol.description?.startsWith(MARK) !== true) continue
    const members = (options as Readonly<Record<symbol, object>>)[symbol] as Readonly<Record<string, unknown>>
    if (Object.hasOwn(members, key) && members[key] === value) return symbol.description.slice(MARK.length)
  }
  return undefined
}
