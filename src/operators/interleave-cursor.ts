import { isMillraceError, MillraceError } from '../errors.js'
import type { Planned, PlanNode } from '../plan/node.js'
import type { Cursor, Input, OpenArguments, Saved, State } from '../plan/operator.js'
import { badState, savedCount, savedList, savedObject } from '../plan/saved.js'
import type { Json, MaybePromise } from '../types.js'
import { isPromise, run, wait } from '../util/promise.js'
import { InnerDataset } from './inner-dataset.js'
import type { InterleaveParams } from './interleave.js'
import { unorderedReason } from './unordered.js'

/** Read ahead when `parallel` is `'auto'`, to begin with. */
const AUTO_PARALLEL = 16
/** Larger elements are read ahead one at a time: there may be room for one, and not for two. */
const ONE_BY_ONE_BYTES = 64 * 1024
/** A restore reads up to so many outer elements again to reach the next one that it needs; farther ones get a state of their own. */
const MOST_READ_AGAIN = 64

/** `inputs` beside it: one state of the outer input per entry of `reads`, then one per entry of `open`. */
interface InterleaveState {
  /** Ordinal of the outer element that will be taken next. */
  readonly next: number
  /** The slot whose turn it is. */
  readonly cycle: number
  /** Elements of the present block that were delivered. */
  readonly block: number
  /** The inner datasets that are open, by ordinal of their outer element; `ended` ones have nothing left but were not passed by. */
  readonly open: readonly { readonly slot: number; readonly ordinal: number; readonly ended?: true }[]
  /** Ordinals of the outer elements from which the outer input has to be read again. */
  readonly reads: readonly number[]
}

const START: InterleaveState = { next: 0, cycle: 0, block: 0, open: [], reads: [0] }

/** The state, checked: ordinals in order, slots apart, and an input for each. */
function savedState(name: string, saved: Json, inputs: number, cycleLength: number, blockLength: number): InterleaveState {
  const state = savedObject(name, saved) as { readonly [member in keyof InterleaveState]?: unknown }
  const next = savedCount(name, state.next)
  let least = 0
  const open = savedList(name, state.open, 'open').map(entry => {
    const { slot, ordinal, ended } = savedObject(name, entry, 'an open dataset')
    const found = { slot: savedCount(name, slot, 'a slot', cycleLength - 1), ordinal: savedCount(name, ordinal, 'an ordinal', next - 1), ...(ended === true && { ended: true as const }) }
    if (found.ordinal < least || (ended !== undefined && ended !== true)) throw badState(name, 'the list of open datasets')
    least = found.ordinal + 1
    return found
  })
  const reads = savedList(name, state.reads, 'reads').map(ordinal => savedCount(name, ordinal, 'reads', next))
  const first = open.find(({ ended }) => ended === undefined)?.ordinal ?? next
  const inOrder = reads.every((ordinal, i) => i === 0 || ordinal > (reads[i - 1] as number))
  if (reads[0] !== first || !inOrder || new Set(open.map(({ slot }) => slot)).size < open.length || inputs !== reads.length + open.length) {
    throw badState(name, 'the list of open datasets')
  }
  return { next, cycle: savedCount(name, state.cycle, 'cycle', cycleLength - 1), block: savedCount(name, state.block, 'block', blockLength - 1), open, reads }
}

/**
 * Runs `interleave`, and `flatMap`, which is a cycle of one. Inner datasets wait in `upcoming` until the turn comes to an
 * empty slot: which of them gets which slot does not depend on how many were opened ahead.
 *
 * Failures are kept with the inner dataset at which they happened, and thrown when its turn comes and nothing is left to
 * deliver before them.
 */
export function openInterleave(params: InterleaveParams, { node, saved, savedInputs, ctx }: OpenArguments<unknown>): Cursor<unknown> {
  const { fn, cycleLength, blockLength, deterministic, memoryBytes } = params
  const outerNode = node.inputs[0] as PlanNode
  const most = params.parallel === undefined ? 0 : Math.min(cycleLength, ctx.threading.maxIntraOpParallelism ?? Infinity)
  let ahead = Math.min(most, params.parallel === 'auto' ? AUTO_PARALLEL : (params.parallel ?? 0))
  const { meter, memory } = ctx
  const contextAt = ctx.elementContexts(params.seed)
  const restored = saved === undefined ? START : savedState(node.op.name, saved, savedInputs?.length ?? 0, cycleLength, blockLength)
  let { cycle, block } = restored
  let outer: Input = ctx.open(outerNode, { saved: savedInputs?.[0] })
  let outerState: State | undefined // at `index`
  let index = restored.reads[0] ?? 0 // of the next outer element
  let errors: number[] = [] // ordinals before which the outer input threw
  let reading: InnerDataset | undefined // waits for its outer element, or for the error in place of it to be thrown
  let outerEnded = false
  const upcoming: InnerDataset[] = [] // by ordinal
  const slots: (InnerDataset | undefined)[] = []
  const live: InnerDataset[] = [] // those in slots, by ordinal
  const closings = new Set<Promise<void>>()
  const closeErrors: unknown[] = []
  let restoring = saved !== undefined
  let bytes = 0 // held, or expected of the reads under way; measured only where something is read ahead
  let elementBytes: number | undefined // of the last chunk, on average
  let asynchronous = false // a promise was seen: reading ahead pays
  let inFlight = 0
  let full = false
  let closed = false
  let wake: (() => void) | undefined

  // ── Opening, reading and closing inner datasets: nothing here waits ───────────────────────────────────────────────

  const hold = (more: number): void => {
    if (more === 0) return
    bytes += more
    memory.add(more)
  }
  /** Runs a step of an inner dataset that may have to wait; it is pending as long as it does. */
  const attempt = <T>(inner: InnerDataset, step: () => MaybePromise<T>, then: (value: T) => void, failed: (error: unknown) => void): void => {
    let value: MaybePromise<T>
    let waits: boolean
    try {
      value = step()
      waits = isPromise(value)
    } catch (error) {
      failed(error)
      return
    }
    if (!waits) {
      then(value as T)
      return
    }
    asynchronous = inner.pending = true
    inFlight++
    meter.inFlight++
    const begun = performance.now()
    const settled = <V>(go: (value: V) => void) => (value: V): void => {
      inFlight--
      meter.inFlight--
      meter.served++
      meter.serviceMs += performance.now() - begun
      inner.pending = false
      go(value)
      changed()
    }
    Promise.resolve(value).then(settled(then), settled(failed)) // a thenable may call back at once, or twice
  }
  const changed = (): void => {
    readAhead()
    wake?.()
  }
  const mayBegin = (): boolean => reading === undefined && !outerEnded && closings.size === 0

  /** Takes the next outer element and opens what the function makes of it. */
  const begin = (from?: State): InnerDataset => {
    const inner = new InnerDataset(index, (outerState ??= outer.save()))
    reading = inner
    outerState = undefined
    const failed = (error: unknown): void => {
      inner.failure = { error }
    }
    const opened = (made: unknown): void => {
      if (closed) return
      try {
        const input = ctx.open(planOf(made), { saved: from, branch: inner.ordinal + 1 })
        inner.open(input, ctx.track(input))
      } catch (error) {
        failed(isMillraceError(error) ? error : ctx.userError(error, inner.ordinal))
      }
    }
    const arrived = (chunk: unknown[] | null): void => {
      reading = undefined
      if (chunk === null) {
        outerEnded = true
        if (upcoming.at(-1) === inner) upcoming.pop()
        return
      }
      index++
      inner.taken = true
      if (!closed) attempt(inner, () => fn(chunk[0], contextAt(inner.ordinal)), opened, error => failed(ctx.userError(error, inner.ordinal)))
    }
    if (!restoring) upcoming.push(inner)
    attempt(inner, () => outer.pull(1), arrived, failed)
    return inner
  }
  const read = (inner: InnerDataset, count: number): void => {
    const expected = count * (elementBytes ?? 0)
    hold(expected)
    const took = (chunk: unknown[] | null): void => {
      hold(-expected)
      if (chunk === null) {
        inner.ended = true
        retire(inner)
        return
      }
      const held = inner.hold(chunk, most > 0)
      meter.queued += chunk.length
      if (most > 0) elementBytes = held / chunk.length
      hold(held)
    }
    const failed = (error: unknown): void => {
      hold(-expected)
      inner.failure = { error }
    }
    attempt(inner, () => inner.source?.pull(count) ?? null, took, failed)
  }
  const retire = (inner: InnerDataset): void => {
    const closing: Promise<void> = inner.close().then(undefined, (error: unknown) => void closeErrors.push(error)).then(() => {
      closings.delete(closing)
      changed()
    })
    closings.add(closing)
  }
  /** Begins and reads what comes next in turn: `parallel` inner datasets, up to a block of each. */
  const readAhead = (): void => {
    if (most === 0 || !asynchronous || restoring || closed || ctx.signal.aborted) return
    const before = inFlight
    for (let k = 0, active = 0, next = 0; k < cycleLength && active < ahead && inFlight < ahead; k++) {
      const slot = (cycle + k) % cycleLength
      const inner = slots[slot] ?? upcoming[next++] ?? (mayBegin() ? begin() : undefined)
      if (inner === undefined) {
        if (slot >= slots.length) k += cycleLength - 1 - slot // none was ever filled from there on
        continue
      }
      active++
      const limit = k === 0 && ahead < cycleLength ? blockLength - block : blockLength // its next turn is out of reach
      if (!inner.wants(limit) || (bytes > 0 && (bytes >= memoryBytes || !memory.hasRoom))) continue
      // One element first, to learn how large they are.
      const room = elementBytes === undefined || elementBytes > ONE_BY_ONE_BYTES ? 1 : Math.max(1, Math.floor((memoryBytes - bytes) / Math.max(1, elementBytes)))
      read(inner, Math.min(room, limit - inner.held))
    }
    const idle = inFlight === 0 && before === 0 && !outerEnded
    if (idle && !full) meter.full++
    full = idle
  }

  // ── Whose turn it is ──────────────────────────────────────────────────────────────────────────────────────────────

  const place = (inner: InnerDataset, slot: number): void => {
    inner.slot = slot
    slots[slot] = inner
    live.push(inner)
  }
  const leave = (inner: InnerDataset): void => {
    slots[inner.slot] = undefined
    live.splice(live.indexOf(inner), 1)
    forgetErrors()
  }
  /** Only errors behind the oldest open slot will be met again after a restore. */
  const forgetErrors = (): void => {
    if (errors.length > 0) errors = errors.filter(error => error > (live[0]?.ordinal ?? Infinity))
  }
  const turnTo = (slot: number): void => {
    cycle = slot
    block = 0
  }
  const distance = (inner: InnerDataset): number => (inner.slot - cycle + cycleLength) % cycleLength
  const nearest = (among: readonly InnerDataset[]): InnerDataset | undefined =>
    among.length === 0 ? undefined : among.reduce((best, inner) => (distance(inner) < distance(best) ? inner : best))

  /** The inner dataset whose turn it is: in the slot, or at the head of those that wait for one. */
  const visit = (): InnerDataset | undefined => {
    const [head] = upcoming
    if (deterministic || most === 0) {
      const inner = slots[cycle]
      if (inner !== undefined || head === undefined) return inner
      if (head.taken && (head.source !== undefined || head.failure !== undefined)) place(upcoming.shift() as InnerDataset, cycle)
      return head
    }
    while (upcoming[0]?.taken === true) {
      let slot = cycle
      while (slots[slot] !== undefined) slot = (slot + 1) % cycleLength
      place(upcoming.shift() as InnerDataset, slot)
    }
    const inner = slots[cycle]
    if (inner?.ready === true) return inner
    const other = nearest(live.filter(inner => inner.ready))
    if (other !== undefined) turnTo(other.slot)
    return other ?? (upcoming[0]?.failure !== undefined ? upcoming[0] : (inner ?? upcoming[0]))
  }
  /**
   * How many of the next `count` elements come from the slot whose turn it is, at least: slots between its turns give a
   * block each or less. So a turn may read for several turns, and yet nothing that `count` does not need.
   */
  const share = (count: number): number => {
    if (!deterministic) return Math.min(count, blockLength - block)
    const round = (outerEnded ? Math.min(cycleLength, live.length + upcoming.length) : cycleLength) * blockLength
    const first = Math.min(count, blockLength - block)
    const rest = count - first
    return first + Math.floor(rest / round) * blockLength + Math.max(0, rest % round - (round - blockLength))
  }
  const deliver = (inner: InnerDataset, out: unknown[], max: number): unknown[] => {
    const alone = cycleLength === 1 || (outerEnded && live.length === 1 && upcoming.length === 0)
    const count = Math.min(inner.held, max - out.length, alone ? Infinity : blockLength - block)
    if (most > 0) hold(-inner.bytesOf(count))
    meter.queued -= count
    block = (block + count) % blockLength
    if (block === 0) turnTo((cycle + 1) % cycleLength)
    return inner.take(count, out)
  }
  const raise = (inner: InnerDataset): unknown => {
    if (!inner.taken) {
      upcoming.shift()
      reading = undefined
      errors.push(inner.ordinal)
      forgetErrors()
    } else if (inner.source === undefined) leave(inner)
    return inner.raise()
  }

  // ── What may wait ─────────────────────────────────────────────────────────────────────────────────────────────────

  const change = (): Promise<void> => new Promise(resolve => (wake = resolve))

  function* produce(max: number): Generator<PromiseLike<unknown>, unknown[] | null, unknown> {
    if (restoring) yield* restore()
    let out: unknown[] = []
    for (;;) {
      const inner = visit()
      if (inner !== undefined && inner.held > 0) {
        out = deliver(inner, out, max)
        if (out.length < max) continue
        readAhead()
        return out
      }
      if (inner?.ended === true) {
        leave(inner)
        turnTo((cycle + 1) % cycleLength)
        continue
      }
      const over = inner === undefined && outerEnded
      if (over && live.length > 0) {
        turnTo((nearest(live) as InnerDataset).slot)
        continue
      }
      if (inner?.failure !== undefined || closeErrors.length > 0) {
        if (out.length > 0) return out
        throw closeErrors.length > 0 ? closeErrors.shift() : raise(inner as InnerDataset)
      }
      if (inner !== undefined && !inner.pending && (deterministic || inFlight === 0 || inFlight < ahead)) read(inner, share(max - out.length))
      else if (inner === undefined && mayBegin()) begin()
      else if (out.length > 0) return out
      else if (over && closings.size === 0) return null
      else {
        meter.starved++
        readAhead()
        yield* wait(change())
      }
    }
  }

  let restoredOpen = 0
  let restoredReads = 0
  /** Reads the outer elements of the open inner datasets again, and opens those where they stood. */
  function* restore(): Generator<PromiseLike<unknown>, void, unknown> {
    const { open, reads, next } = restored
    for (;;) {
      const spec = open[restoredOpen]
      if (spec?.ended === true) {
        const inner = new InnerDataset(spec.ordinal, {})
        inner.taken = inner.ended = true
        place(inner, spec.slot)
        restoredOpen++
        continue
      }
      const until = reads[restoredReads + 1]
      if (until !== undefined && (spec === undefined || spec.ordinal >= until)) {
        yield* wait(outer.close())
        outer = ctx.open(outerNode, { saved: savedInputs?.[++restoredReads] })
        index = until
        continue
      }
      const target = spec?.ordinal ?? next
      if (index < target) {
        const chunk = yield* wait(outer.pull(Math.min(256, target - index)))
        if (chunk === null) throw inputChanged(node, index, target)
        index += chunk.length
        continue
      }
      if (spec === undefined) break
      const inner = begin(savedInputs?.[reads.length + restoredOpen])
      while (inner.pending) yield* wait(change())
      if (!inner.taken) {
        reading = undefined
        throw inner.failure === undefined ? inputChanged(node, index, target) : inner.failure.error
      }
      place(inner, spec.slot)
      restoredOpen++
    }
    restoring = false
  }

  if (params.parallel !== undefined) {
    ctx.knob({
      name: 'interleave.parallel',
      auto: params.parallel === 'auto',
      least: 1,
      most,
      resource: 'request',
      get: () => ahead,
      set(value) {
        ahead = Math.max(1, Math.min(most, value))
        if (asynchronous) queueMicrotask(changed) // a function of the user may be under way
      }
    })
  }
  return {
    pull: max => run(() => produce(max)),

    save(): Saved {
      if (restoring) return { self: saved as Json, inputs: savedInputs ?? [] }
      const next = upcoming[0]?.ordinal ?? index
      const marks = [...live.filter(inner => !inner.ended || inner.held > 0), { ordinal: next, before: upcoming[0]?.before ?? (outerState ??= outer.save()) }]
      const firsts = marks.filter((mark, i) => mark.ordinal - (marks[i - 1]?.ordinal ?? -Infinity) > MOST_READ_AGAIN)
      const self: InterleaveState = {
        next,
        cycle,
        block,
        open: live.map(({ slot, ordinal, ended, held }) => ({ slot, ordinal, ...(ended && held === 0 && { ended }) })),
        reads: firsts.map(mark => mark.ordinal)
      }
      const outers = firsts.map((mark, i) => passingOver(mark.before, errors.filter(error => error > mark.ordinal && error < (firsts[i + 1]?.ordinal ?? Infinity)).map(error => error - mark.ordinal)))
      return {
        self: self as unknown as Json,
        inputs: [...outers, ...live.map(inner => (inner.ended && inner.held === 0 ? {} : inner.save()))],
        ...(live.length > 0 && outer.ordered === false && { refused: unorderedReason(node.op.name, 'while a dataset is open') })
      }
    },

    async close() {
      closed = true
      while (inFlight > 0) await change()
      for (const inner of [...live, ...upcoming]) meter.queued -= inner.held
      await Promise.all(closings)
      if (closeErrors.length > 0) throw closeErrors.shift()
    }
  }
}

/** The state of an input, with errors, delivered before, that it will throw again after so many elements. */
function passingOver(state: State, errors: readonly number[]): State {
  if (errors.length === 0) return state
  const faults = [...(state.faults ?? []), ...errors.map(error => error + (state.drop ?? 0))]
  return { ...state, faults: faults.sort((a, b) => a - b) }
}

function planOf(made: unknown): PlanNode {
  const { plan } = (made ?? {}) as Partial<Planned>
  if (plan?.op === undefined) {
    const what = made === null ? 'null' : Array.isArray(made) ? 'an array' : typeof made === 'object' ? (made.constructor?.name ?? 'an object') : typeof made
    throw new TypeError(`it must return a Dataset, got ${what}; Dataset.from makes one of anything iterable`)
  }
  return plan
}

function inputChanged({ op }: PlanNode, index: number, target: number): MillraceError {
  return new MillraceError('Checkpoint', `${op.name}: the input ended at element ${index}, before the ${target} that the checkpoint saw: it is not the same data`, { operator: op.name })
}
