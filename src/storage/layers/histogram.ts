/** How values are spread, as plain data. Quantiles are right to about 1.6 %; count, sum, min and max are exact. */
export interface HistogramSummary {
  readonly count: number
  readonly sum: number
  /** Of no values: 0, as all that follow. */
  readonly mean: number
  readonly min: number
  readonly max: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
}

/** Counts values in buckets whose width grows with the value. */
export interface Histogram {
  /** Adds a value. What is negative counts as 0, what is not a number is left out. Costs about 10 ns. */
  record(value: number): void
  /** Adds all values of another histogram, or of one that was sent here as {@link Histogram.toJSON} made it. */
  merge(other: Histogram | HistogramData): void
  /** The value that a share of all values, in [0, 1], does not exceed; 0 if there are none. */
  quantile(share: number): number
  summary(): HistogramSummary
  /** Everything, to be sent to another thread or machine and merged there. */
  toJSON(): HistogramData
}

/** A histogram as plain data: `buckets` holds pairs of bucket and count, one after the other. */
export interface HistogramData {
  readonly count: number
  readonly sum: number
  readonly min: number
  readonly max: number
  readonly buckets: readonly number[]
}

/** Buckets per power of two. */
const STEPS = 32
/** The first bucket ends at 2^-14: in milliseconds 61 ns. */
const LOWEST = -14
/** Values from 2^44 on share the last bucket: in milliseconds 557 years, in bytes 16 TiB. */
const HIGHEST = 44
const BUCKETS = (HIGHEST - LOWEST) * STEPS + 2

/**
 * Makes a histogram of 15 KB, whatever is recorded: 32 buckets per power of two from 2^-14 to 2^44, in any unit.
 *
 * ```ts
 * const latencies = histogram()
 * for (let i = 1; i <= 1000; i++) latencies.record(i)
 * latencies.quantile(0.5) // about 500
 * ```
 */
export function histogram(): Histogram {
  const counts = new Float64Array(BUCKETS)
  let count = 0
  let sum = 0
  let min = Infinity
  let max = -Infinity

  function quantile(share: number): number {
    if (!(share >= 0 && share <= 1)) throw new RangeError(`quantile: share must be from 0 to 1, got ${share}`)
    if (count === 0) return 0
    const rank = Math.max(1, Math.ceil(share * count))
    if (rank === count) return max
    let below = 0
    let bucket = 0
    for (; bucket < BUCKETS; bucket++) {
      below += counts[bucket] ?? 0
      if (below >= rank) break
    }
    return Math.min(max, Math.max(min, middleOf(bucket)))
  }

  function toJSON(): HistogramData {
    const buckets: number[] = []
    counts.forEach((n, bucket) => {
      if (n > 0) buckets.push(bucket, n)
    })
    return { count, sum, min: count === 0 ? 0 : min, max: count === 0 ? 0 : max, buckets }
  }

  return {
    record(value) {
      if (Number.isNaN(value)) return
      const v = value > 0 ? value : 0
      const bucket = bucketOf(v)
      counts[bucket] = (counts[bucket] ?? 0) + 1
      count++
      sum += v
      if (v < min) min = v
      if (v > max) max = v
    },
    merge(other) {
      const data = 'toJSON' in other ? other.toJSON() : other
      if (data.count === 0) return
      for (let i = 0; i + 1 < data.buckets.length; i += 2) {
        const bucket = data.buckets[i] ?? 0
        if (!Number.isInteger(bucket) || bucket < 0 || bucket >= BUCKETS) throw new RangeError(`merge: there is no bucket ${bucket}`)
        counts[bucket] = (counts[bucket] ?? 0) + (data.buckets[i + 1] ?? 0)
      }
      count += data.count
      sum += data.sum
      min = Math.min(min, data.min)
      max = Math.max(max, data.max)
    },
    quantile,
    summary: () => ({
      count,
      sum,
      mean: count === 0 ? 0 : sum / count,
      min: count === 0 ? 0 : min,
      max: count === 0 ? 0 : max,
      p50: quantile(0.5),
      p90: quantile(0.9),
      p99: quantile(0.99),
      p999: quantile(0.999)
    }),
    toJSON
  }
}

const double = new Float64Array(1)
const halves = new Uint32Array(double.buffer)
/** Which half of a double holds sign, exponent and the upper part of the fraction. */
const UPPER = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0

/** Exponent and the first five bits of the fraction, taken out of the double: a logarithm costs four times as much. */
function bucketOf(value: number): number {
  double[0] = value
  const bucket = ((halves[UPPER] ?? 0) >>> 15) - ((1023 + LOWEST) << 5) + 1
  return bucket < 0 ? 0 : bucket >= BUCKETS ? BUCKETS - 1 : bucket
}

function middleOf(bucket: number): number {
  if (bucket === 0) return 0
  const step = (bucket - 1) % STEPS
  return 2 ** (LOWEST + (bucket - 1 - step) / STEPS) * (1 + (step + 0.5) / STEPS)
}
