import type { RangeEngineConfig } from '../config.js'

/**
 * What a store is used for, judged by the sizes of the objects that are read.
 *
 * | | objects |
 * |---|---|
 * | `smallFile` | two of three are smaller than 1 MiB |
 * | `mediumFile` | two of three have 1 to 64 MiB |
 * | `largeFile` | two of three have 64 MiB or more |
 * | `batch` | of all sizes |
 * | `unknown` | fewer than 8 so far |
 */
export type Workload = 'smallFile' | 'mediumFile' | 'largeFile' | 'batch' | 'unknown'

/** The settings that adaptive mode chooses. */
export const ADAPTIVE_FIELDS = ['chunkSize', 'maxConcurrentRanges', 'readAhead', 'firstRange'] as const

/** What adaptive mode has chosen. */
export interface AdaptiveChoice extends Pick<RangeEngineConfig, (typeof ADAPTIVE_FIELDS)[number]> {
  readonly workload: Workload
}

/** Between what the choices have to stay. */
export interface AdaptiveBounds {
  /** What holds while nothing is known. */
  readonly defaults: Pick<RangeEngineConfig, (typeof ADAPTIVE_FIELDS)[number]>
  readonly minSplitSize: number
  readonly maxInflight: number
  readonly maxInflightBytes: number
}

/** Settings that follow what is read. */
export interface AdaptiveTuning {
  /** To be called for each object that is read, with its size in bytes. */
  observe(size: number): void
  /** The choice of now; the same object until it changes. */
  current(): AdaptiveChoice
}

const MiB = 1 << 20
const SMALL = MiB
const LARGE = 64 * MiB
/** Sizes that are looked at: the last ones. */
const WINDOW = 32
const ENOUGH = 8

/**
 * Chooses chunk size, concurrency, read-ahead and first range for the objects that are really read, from the last 32 of them.
 *
 * | | chunkSize | maxConcurrentRanges | readAhead | firstRange |
 * |---|---|---|---|---|
 * | `smallFile` | 4 MiB | 4 | 4 MiB | what nine of ten need, 64 KiB to 1 MiB |
 * | `mediumFile` | 4 MiB | 16 | 32 MiB | what half of them need, 1 to 8 MiB |
 * | `largeFile` | 8 MiB | 32 | 64 MiB | 1 MiB |
 * | `batch` | 8 MiB | 8 | 16 MiB | 1 MiB |
 *
 * No chunk is larger than `minSplitSize`, and the chunks of one read fit into what may be in flight.
 */
export function adaptiveTuning(bounds: AdaptiveBounds): AdaptiveTuning {
  const sizes: number[] = []
  let oldest = 0
  let choice: AdaptiveChoice = Object.freeze({ workload: 'unknown', ...bounds.defaults })

  return {
    observe(size) {
      if (!(size > 0)) return // an empty object says nothing
      sizes[oldest] = size
      oldest = (oldest + 1) % WINDOW
      if (sizes.length < ENOUGH) return
      const sorted = Float64Array.from(sizes).sort()
      const chosen = within(choose(sorted), bounds)
      if (Object.entries(chosen).some(([name, value]) => choice[name as keyof AdaptiveChoice] !== value)) choice = Object.freeze(chosen)
    },
    current: () => choice
  }
}

/** The type of the workload, from sizes in ascending order. */
function classify(sorted: Float64Array): Workload {
  const small = sorted.filter(size => size < SMALL).length
  const large = sorted.filter(size => size >= LARGE).length
  const most = sorted.length * 2 / 3
  return small >= most ? 'smallFile' : large >= most ? 'largeFile' : sorted.length - small - large >= most ? 'mediumFile' : 'batch'
}

function choose(sorted: Float64Array): AdaptiveChoice {
  const workload = classify(sorted)
  switch (workload) {
    case 'smallFile': return { workload, chunkSize: 4 * MiB, maxConcurrentRanges: 4, readAhead: 4 * MiB, firstRange: enough(sorted, 0.9, 64 << 10, MiB) }
    // Up to 8 MiB one request is as fast as several; with more it is better to know the size first.
    case 'mediumFile': return { workload, chunkSize: 4 * MiB, maxConcurrentRanges: 16, readAhead: 32 * MiB, firstRange: enough(sorted, 0.5, MiB, 8 * MiB) }
    case 'largeFile': return { workload, chunkSize: 8 * MiB, maxConcurrentRanges: 32, readAhead: 64 * MiB, firstRange: MiB }
    // Many objects side by side keep the connections busy; each of them needs less.
    case 'batch':
    case 'unknown': return { workload, chunkSize: 8 * MiB, maxConcurrentRanges: 8, readAhead: 16 * MiB, firstRange: MiB }
  }
}

/** The power of two that is enough for such a share of the sizes. */
function enough(sorted: Float64Array, share: number, least: number, most: number): number {
  const size = sorted[Math.ceil(sorted.length * share) - 1] ?? least
  return Math.min(most, Math.max(least, 2 ** Math.ceil(Math.log2(size))))
}

function within(choice: AdaptiveChoice, { minSplitSize, maxInflight, maxInflightBytes }: AdaptiveBounds): AdaptiveChoice {
  const chunkSize = Math.min(choice.chunkSize, minSplitSize, maxInflightBytes)
  return {
    ...choice,
    chunkSize,
    maxConcurrentRanges: Math.min(choice.maxConcurrentRanges, maxInflight, Math.max(1, Math.floor(maxInflightBytes / chunkSize))),
    readAhead: Math.min(choice.readAhead, maxInflightBytes),
    firstRange: Math.min(choice.firstRange, maxInflightBytes)
  }
}
