import { byteLengthOf } from '../array/byte-length.js'
import { unstack } from '../array/slice.js'
import type { OpenContext, State } from '../plan/operator.js'
import type { Part, Program, Reply, Session } from '../plan/workers.js'
import type { Unit } from './offload-files-units.js'
import { stackedChunk } from './stacked-chunk.js'

/** A part that has arrived, and waits to be delivered. */
interface Item {
  readonly rows: number
  readonly bytes: number
  /** Of the worker: right behind it. */
  readonly state: State
  /** Elements that were delivered. */
  taken: number
  stacked: unknown
  elements: readonly unknown[] | undefined
  readonly failure: { readonly error: unknown } | undefined
}

/** What all lanes of one pass share. */
export interface Lanes {
  readonly program: Program
  readonly ctx: OpenContext
  /** Rows that `batch` stacks; undefined when there is none. */
  readonly size: number | undefined
  /** The state behind the record at which a thread broke down. */
  readonly behindNext: (state: State) => State
  /** How many records lie between that state and the one at which a thread broke down; undefined when that is not known. */
  readonly before: (error: unknown, state: State) => number | undefined
  /** Elements that a unit is thought to have: of fewer than a batch, no whole batch is asked for. */
  expected: number | undefined
  /** Something has arrived. */
  changed(): void
  /** The rest of its file is read by this lane alone. */
  unlimited(lane: Lane): void
}

/** A unit that a worker runs, with what has come of it. */
export interface Lane {
  readonly unit: Unit
  /** Elements that each operator is thought to have seen before it: the worker counts from there. */
  counts: readonly number[]
  readonly items: Item[]
  readonly ended: boolean
  /** Where it ended, as the worker counts; undefined when nothing was delivered. */
  readonly end: State | undefined
  /** Elements that are here and not delivered. */
  readonly held: number
  /** Asks for more, as far as there is room. `row` says where in a batch its next element will be; `first` is true for the lane whose turn it is. */
  feed(first: boolean): void
  /** Tells in which row of a batch its first element will be. */
  align(row: number): void
  /** Up to `max` elements of the first part; throws when that is an error. */
  take(max: number): unknown[]
  /** Begins again, in another state. */
  restart(state: State, counts: readonly number[]): void
  close(): Promise<void>
}

/** Pulls under way: the worker has the next before we have the last. */
const PULLS = 2
/** Elements and bytes that wait for delivery in one lane, and bytes of a pull, roughly. */
const MOST_ELEMENTS = 4096
const MOST_BYTES = 32 << 20
const PULL_BYTES = 1 << 20
const MOST_PULL = 256
/** Elements of a pull while nothing is known of their size. */
const FIRST_PULL = 16

/** Opens a lane. Nothing is asked for yet. */
export function openLane(shared: Lanes, unit: Unit, state: State, startCounts: readonly number[]): Lane {
  const { program, ctx, size } = shared
  const { meter, memory, signal } = ctx
  const items: Item[] = []
  let counts = startCounts
  let last = state // behind what has arrived
  let session: Session | undefined
  let generation = 0
  let inFlight = 0
  let asked = 0 // elements that are under way
  let got = 0
  let held = 0
  let bytes = 0
  let row = 0 // of the next element that comes, in its batch; what is under way not counted
  let limit = unit.limit ?? Infinity
  let elementBytes: number | undefined
  let losses = 0 // in a row, at places that are not known
  let fatal: { readonly error: unknown; left: number } | undefined // a thread broke down there, so many records on
  let careful = 0 // after a loss: elements to be asked for one by one
  let end: State | undefined
  let ended = false
  let isFirst = false
  const closing: Promise<void>[] = []

  const begin = (): Session => program.session(last, { signal, files: unit.files.map(({ uri, known }) => ({ uri, known })) })
  const drop = (): void => {
    generation++
    const ending = session
    session = undefined
    meter.inFlight -= inFlight
    inFlight = asked = 0
    if (ending !== undefined) closing.push(ending.close().catch(() => undefined)) // it may be lost, and has nothing to say
  }
  const clear = (): void => {
    for (const item of items.splice(0)) gone(item)
    held = 0
  }
  const gone = (item: Item): void => {
    bytes -= item.bytes
    memory.add(-item.bytes)
    meter.queued -= item.rows - item.taken
  }
  const push = (item: Item): void => {
    items.push(item)
    bytes += item.bytes
    memory.add(item.bytes)
    meter.queued += item.rows
    held += item.rows
    got += item.rows
    row += item.rows
    last = item.state
    if (item.rows > 0) elementBytes = item.bytes / item.rows
    if (item.failure !== undefined && limit < Infinity) {
      limit = Infinity
      shared.unlimited(lane)
    }
  }
  const took = (reply: Awaited<ReturnType<Session['pull']>>): void => {
    for (const part of reply.parts) {
      const item = itemOf(part, last)
      push(item)
      if (fatal !== undefined) fatal.left -= item.failure === undefined ? item.rows : 1
    }
    if (fatal !== undefined && (fatal.left <= 0 || reply.ended)) {
      passOver(fatal.error)
      fatal = undefined
      drop() // it begins again behind that record
      return
    }
    if (reply.ended) {
      ended = true
      end = reply.state ?? last
    } else if (got >= limit) {
      ended = true
      end = last
    }
    if (!ended) return
    if (unit.limit === undefined) shared.expected = got
    drop()
  }
  /** The thread broke down, or the piece cannot be run there. */
  const lost = (error: unknown, wanted: number): void => {
    drop()
    if (signal.aborted) {
      ended = true
      return
    }
    const left = fatal === undefined ? shared.before(error, last) : undefined
    if (left !== undefined && left > 0) {
      fatal = { error, left } // those before it are to be had
      return
    }
    fatal = undefined
    if (left === undefined) {
      careful = Math.max(careful, wanted)
      // It breaks down wherever it begins: then the rest of the unit is given up.
      if (++losses > 1) {
        ended = true
        end = last
        return
      }
    }
    passOver(error)
  }
  /** An error in the place of the next record. */
  const passOver = (error: unknown): void => {
    push({ rows: 0, bytes: 0, state: shared.behindNext(last), taken: 0, stacked: undefined, elements: undefined, failure: { error } })
  }
  const howMany = (): number => {
    if (careful > 0) return 1
    const fitting = elementBytes === undefined ? FIRST_PULL : Math.max(1, Math.min(MOST_PULL, Math.floor(PULL_BYTES / Math.max(1, elementBytes))))
    let count = fitting
    if (size !== undefined) {
      const into = (row + asked) % size
      count = into === 0 ? Math.max(1, Math.floor(fitting / size)) * size : size - into
      const { expected } = shared
      if (expected !== undefined && expected < size && got + asked < expected) count = Math.min(count, size - 1)
    }
    return Math.min(count, limit - got - asked, (fatal?.left ?? Infinity) - asked)
  }
  const request = (count: number): void => {
    session ??= begin()
    const mine = generation
    const started = performance.now()
    inFlight++
    asked += count
    meter.inFlight++
    if (careful > 0) careful--
    const settled = (reply: Reply | undefined): boolean => {
      if (mine !== generation) return false
      inFlight--
      asked -= count
      meter.inFlight--
      meter.served++
      meter.serviceMs += performance.now() - started
      meter.threadMs += reply?.threadMs ?? 0
      return true
    }
    session.pull(count).then(
      reply => {
        if (!settled(reply)) return
        if (reply.parts.length > 0) losses = 0
        took(reply)
        shared.changed()
      },
      (error: unknown) => {
        if (!settled(undefined)) return
        lost(error, count)
        shared.changed()
      }
    )
  }
  const hasRoom = (count: number): boolean => {
    if (isFirst && items.length === 0 && inFlight === 0) return true
    const expected = (asked + count) * (elementBytes ?? 0)
    if (held + asked < Math.max(MOST_ELEMENTS, 2 * (size ?? 1)) && bytes + expected <= MOST_BYTES && memory.hasRoom) return true
    // A batch that is larger than all that may wait: one, where nothing waits.
    if (size !== undefined && bytes === 0 && inFlight === 0 && memory.hasRoom) return true
    meter.full++
    return false
  }
  const lane: Lane = {
    unit,
    get counts() {
      return counts
    },
    items,
    get ended() {
      return ended
    },
    get end() {
      return end
    },
    get held() {
      return held
    },
    feed(first) {
      isFirst = first
      while (!ended && inFlight < PULLS && got + asked < limit && !signal.aborted) {
        if (careful > 0 && (inFlight > 0 || items.at(-1)?.failure !== undefined)) return // one at a time shows at which the thread breaks down
        const count = howMany()
        if (count <= 0) return
        if (!hasRoom(count)) return
        request(count)
      }
    },
    align(first) {
      row = first + got
    },
    take(max) {
      const item = items[0] as Item
      if (item.failure !== undefined) {
        items.shift()
        gone(item)
        throw item.failure.error
      }
      const whole = item.taken === 0 && item.rows <= max
      const count = Math.min(max, item.rows - item.taken)
      held -= count
      if (whole) {
        items.shift()
        gone(item)
        return item.elements === undefined ? stackedChunk(item.rows, item.stacked) : (item.elements as unknown[])
      }
      const elements = (item.elements ??= unstack(item.stacked))
      item.stacked = undefined
      const out = elements.slice(item.taken, item.taken + count)
      meter.queued -= count
      item.taken += count
      if (item.taken === item.rows) {
        items.shift()
        gone(item)
      }
      return out
    },
    restart(state, from) {
      drop()
      clear()
      counts = from
      last = state
      got = 0
      ended = false
      end = undefined
      limit = unit.limit ?? Infinity
    },
    async close() {
      drop()
      clear()
      ended = true
      await Promise.all(closing)
    }
  }
  return lane
}

function itemOf(part: Part, before: State): Item {
  const item = { state: part.state ?? before, taken: 0, stacked: undefined, elements: undefined, failure: undefined }
  switch (part.kind) {
    case 'error':
      return { ...item, rows: 0, bytes: 0, failure: { error: part.error } }
    case 'stacked':
      return { ...item, rows: part.rows, bytes: byteLengthOf(part.stacked), stacked: part.stacked }
    case 'elements':
      return { ...item, rows: part.elements.length, bytes: part.elements.reduce<number>((sum, element) => sum + byteLengthOf(element), 0), elements: part.elements }
  }
}
