import type { PlanNode } from '../plan/node.js'
import type { OpenContext, Saved, State } from '../plan/operator.js'
import type { Program, Workers } from '../plan/workers.js'
import type { MaybePromise } from '../types.js'
import { run, wait } from '../util/promise.js'
import { openLane, type Lane, type Lanes } from './offload-files-lane.js'
import { behindNext, moved, movedError, recordsBefore, stateAt, takeApart, type ChainState } from './offload-files-state.js'
import type { Cutter, Unit } from './offload-files-units.js'

/** How the files of a pass are run in threads. */
interface LanesOptions {
  readonly ctx: OpenContext
  /** The operators above `readFiles`, the uppermost first. */
  readonly chain: readonly PlanNode[]
  /** Which of them look at the ordinals of their elements. */
  readonly contexts: readonly boolean[]
  readonly cutter: Cutter
  readonly program: Program
  readonly workers: Workers
  /** Where the pass begins. */
  readonly state: State
  readonly restored: ChainState
  readonly size: number | undefined
  /** True when the chain leaves elements out. */
  readonly filters: boolean
  /** Elements of the first file, if that is known. */
  readonly expected: number | undefined
  readonly files: number
}

/** The elements of files that workers read. */
export interface OffloadedFiles {
  pull(max: number): MaybePromise<unknown[] | null>
  save(): Saved
  close(): Promise<void>
}

/** Lanes for each thread: one that it works on, and one that is begun before. */
const LANES_PER_THREAD = 2

/**
 * Reads units in several threads, and delivers one after the other. Each lane counts elements from where it was thought to begin;
 * when its turn comes, the counts are known, and what it says of elements is put right.
 */
export function openLanes({ ctx, chain, contexts, cutter, program, workers, state, restored, size, filters, expected, files }: LanesOptions): OffloadedFiles {
  const { signal, meter } = ctx
  const lanes: Lane[] = []
  let threads = workers.size
  let counts = restored.counts // at the beginning of the first lane
  let position: { readonly state: State; readonly lane: Lane | undefined } = { state, lane: undefined } // behind the last part that was delivered whole
  let offsets: readonly number[] = counts.map(() => 0) // of the first lane
  let begun: Lane | undefined // the lane whose turn it is, once that is known
  let ahead: { readonly counts: readonly number[]; readonly rows: number } | undefined = { counts, rows: 0 } // at the beginning of the next unit, if all goes well
  let delivered = 0
  let phase = 0 // rows delivered when a batch began, as a remainder
  let opening: Promise<void> | undefined
  let failure: { readonly error: unknown } | undefined
  let isFirst = true
  let done = false // no more units
  let closed = false
  let wake: (() => void) | undefined
  const closing = new Set<Promise<void>>()
  const counting = contexts.includes(true)

  const shared: Lanes = {
    program, ctx, size, expected,
    behindNext: state => behindNext(state, chain.length),
    before: (error, state) => recordsBefore(error, chain, state),
    changed() {
      advance()
      wake?.()
    },
    unlimited(lane) {
      cutter.leave(lane.unit.file)
      ahead = undefined
      const at = lanes.indexOf(lane)
      for (const other of lanes.filter((other, k) => k > at && other.unit.file === lane.unit.file)) {
        lanes.splice(lanes.indexOf(other), 1)
        retire(other)
      }
    }
  }
  const retire = (lane: Lane): void => {
    const ending: Promise<void> = lane.close().finally(() => closing.delete(ending))
    closing.add(ending)
  }
  const opened = (unit: Unit | null): void => {
    if (unit === null) {
      done = true
      return
    }
    if (closed) return
    const from = lanes.length === 0 && begun === undefined ? { counts, rows: delivered } : ahead
    const start = from?.counts ?? counts
    const first = isFirst && unit.place === undefined && restored.place !== undefined
    const lane = openLane(shared, unit, first ? moved(state, counts.map(() => 0), -unit.file) : stateAt(start, unit.place ?? { file: 0, fragment: 0, skip: 0 }), start)
    isFirst = false
    lanes.push(lane)
    if (from !== undefined && size !== undefined && !filters) lane.align(rowAt(from.rows))
    const { records } = unit
    ahead = from === undefined || records === undefined ? undefined : { counts: from.counts.map(count => count + records), rows: from.rows + records }
  }
  const rowAt = (row: number): number => (size === undefined ? 0 : (((row - phase) % size) + size) % size)
  /** Opens and asks for as much as may be under way; never waits. */
  const advance = (): void => {
    while (!closed && !done && failure === undefined && opening === undefined && !signal.aborted && lanes.length < LANES_PER_THREAD * threads) {
      if (counting && ahead === undefined && (lanes.length > 0 || begun !== undefined)) break // it is not known yet where the next begins
      const unit = cutter.next()
      if (unit === null || !('then' in unit)) opened(unit)
      else {
        opening = unit.then(opened, (error: unknown) => { failure = { error } }).then(() => {
          opening = undefined
          advance()
          wake?.()
        })
      }
    }
    if (closed) return
    for (const [k, lane] of lanes.slice().entries()) lane.feed(k === 0)
  }
  /** It is the turn of the first lane: now it is known where it begins. */
  const enter = (lane: Lane): void => {
    begun = lane
    if (contexts.some((looks, level) => looks && lane.counts[level] !== counts[level])) {
      // Elements before it failed, or were more than the file said: its functions were given other ordinals.
      lane.restart(stateAt(counts, lane.unit.place ?? { file: 0, fragment: 0, skip: 0 }), counts)
      ahead = undefined
    }
    offsets = counts.map((count, level) => count - (lane.counts[level] as number))
    if (size !== undefined) lane.align(rowAt(delivered))
    if (ahead === undefined && lanes.every(({ unit }) => unit.records !== undefined)) {
      const records = lanes.reduce((sum, { unit }) => sum + (unit.records ?? 0), 0)
      ahead = { counts: counts.map(count => count + records), rows: delivered + records }
    }
  }
  const leave = (lane: Lane): void => {
    if (lane.end !== undefined) {
      const { counts: end, place } = takeApart(chain, lane.end)
      counts = end.map((count, level) => count + (offsets[level] as number))
      position = lane.unit.limit !== undefined && (place?.['file'] as number | undefined) === 0
        ? { state: moved(lane.end, offsets, lane.unit.file), lane: undefined }
        : { state: stateAt(counts, { file: lane.unit.file + lane.unit.files.length, fragment: 0, skip: 0 }), lane: undefined }
    }
    lanes.shift()
    begun = undefined
    retire(lane)
  }
  const deliver = (lane: Lane, max: number): unknown[] => {
    const [item] = lane.items
    const passed = (): void => {
      if (item !== undefined && lane.items[0] !== item) position = { state: item.state, lane }
    }
    try {
      const out = lane.take(max)
      passed()
      delivered += out.length
      return out
    } catch (error) {
      passed()
      throw movedError(error, chain, item?.state, offsets, lane.unit.file)
    }
  }

  ctx.knob({
    name: 'readFiles.workers', auto: true, least: 1, most: Math.min(workers.most, Math.max(1, files)), resource: 'thread',
    get: () => threads,
    set(value) {
      threads = value
      advance()
    }
  })
  const abort = (): void => wake?.()
  signal.addEventListener('abort', abort, { once: true })

  return {
    pull: max =>
      run(function* () {
        if (size !== undefined) phase = (delivered + max) % size
        for (let waited = false; ; ) {
          advance()
          const [lane] = lanes
          if (lane === undefined) {
            if (failure !== undefined) {
              const { error } = failure
              failure = undefined
              throw error
            }
            if (done && opening === undefined) return null
          } else {
            if (lane !== begun) enter(lane)
            if (lane.items.length > 0) {
              const out = deliver(lane, max)
              if (out.length > 0) return out
              continue
            }
            if (lane.ended) {
              leave(lane)
              continue
            }
          }
          if (!waited) meter.starved++
          waited = true
          yield* wait(new Promise<void>(resolve => (wake = resolve)))
          wake = undefined
          signal.throwIfAborted()
        }
      }),
    save() {
      const { lane, state: at } = position
      const now = lane === undefined ? at : moved(at, offsets, lane.unit.file)
      const taken = begun?.items[0]?.taken ?? 0
      const drop = (now.drop ?? 0) + taken
      return { ...now, ...(drop > 0 && { drop }) }
    },
    async close() {
      closed = true
      signal.removeEventListener('abort', abort)
      await opening
      await cutter.close()
      for (const lane of lanes.splice(0)) retire(lane)
      await Promise.all([...closing, program.close()]) // that tells the functions which sessions wait for
    }
  }
}
