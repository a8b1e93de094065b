import type { ByteSource } from '../../src/format.js'

/** Some bytes of a file. */
export interface Span {
  readonly offset: number
  readonly byteLength: number
}

/** A read that brings one span or several neighbours. */
export interface RangeRead extends Span {
  /** Which of the spans, by their ordinals. */
  readonly members: readonly number[]
  /** Bytes that belong to a span. */
  readonly useful: number
}

/** Bytes that are read in vain rather than with another request: what a local disk reads in the time of a request. */
const GAP = 2 ** 16
/** Longer ranges are cut, so that several are under way. A span is never cut. */
const LARGEST_RANGE = 2 ** 22
/** More gained nothing on a local disk. It bounds what is read beyond need when one of them fails. */
const DEPTH = 8

/**
 * The bytes of each span, in the order of `spans`: that may be any, with repetitions. Neighbours are read together, up to eight
 * ranges at once. Spans must lie in the file.
 *
 * Results are views of what was read; where more than half of that is gaps, they are copies. Memory: twice the spans at most.
 * Rejects with the error of a read that failed, when no read is under way any more.
 */
export async function readSpans(source: ByteSource, spans: readonly Span[], signal: AbortSignal): Promise<Uint8Array[]> {
  signal.throwIfAborted()
  const results = new Array<Uint8Array>(spans.length)
  const ranges = rangesOf(spans)
  let started = 0
  const failures: { readonly range: number; readonly error: unknown }[] = []

  async function readNext(): Promise<void> {
    while (started < ranges.length && failures.length === 0) {
      const range = started++
      try {
        await readRange(ranges[range] as RangeRead)
      } catch (error) {
        failures.push({ range, error })
      }
    }
  }

  async function readRange({ offset, byteLength, members, useful }: RangeRead): Promise<void> {
    const bytes = new Uint8Array(byteLength)
    await source.read(offset, bytes, { signal })
    for (const member of members) {
      const span = spans[member] as Span
      const begin = span.offset - offset
      // A view would keep the gaps in memory as long as it lives.
      results[member] = 2 * useful < byteLength ? bytes.slice(begin, begin + span.byteLength) : bytes.subarray(begin, begin + span.byteLength)
    }
  }

  await Promise.all(Array.from({ length: Math.min(DEPTH, ranges.length) }, readNext))
  const [first] = failures.sort((a, b) => a.range - b.range)
  if (first !== undefined) throw first.error
  return results
}

/** The reads that bring all spans, in the order of the file. */
export function rangesOf(spans: readonly Span[]): RangeRead[] {
  const at = (i: number): Span => spans[i] as Span
  const order = Array.from(spans.keys()).sort((a, b) => at(a).offset - at(b).offset || at(a).byteLength - at(b).byteLength)
  const ranges: RangeRead[] = []
  let members: number[] = []
  let begin = 0
  let end = 0
  let useful = 0
  for (const i of order) {
    const { offset, byteLength } = at(i)
    const joined = Math.max(end, offset + byteLength)
    if (members.length === 0 || offset > end + GAP || (joined > end && joined - begin > LARGEST_RANGE)) {
      if (members.length > 0) ranges.push({ offset: begin, byteLength: end - begin, members, useful })
      members = []
      begin = offset
      end = offset
      useful = 0
    }
    members.push(i)
    useful += Math.max(0, offset + byteLength - Math.max(end, offset))
    end = Math.max(end, offset + byteLength)
  }
  if (members.length > 0) ranges.push({ offset: begin, byteLength: end - begin, members, useful })
  return ranges
}
