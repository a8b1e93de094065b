import { byteLengthOf } from '../array/byte-length.js'
import { isMillraceError, type MillraceError } from '../errors.js'
import type { Cursor, Input, OpenContext, Saved } from '../plan/operator.js'
import type { Part, Program } from '../plan/workers.js'
import { sharedController } from '../util/abort.js'
import { isPromise, run, wait } from '../util/promise.js'
import { replyQueue, type ReplyQueue } from './offload-replies.js'
import { nestCounts } from './offload-state.js'
import { taskSizes } from './offload-sizes.js'

/** Older positions of the input are asked for only for what is under way: marks may be that far apart. */
const TRACK_EVERY = 64
/** No bytes are counted one by one in elements smaller than that: some of them stand for all. */
const SMALL_ELEMENT = 1024
const SAMPLES = 8
const BEGINNING = { events: 0, delivered: 0 }

/** What threads are to do. */
export interface TasksOptions {
  readonly program: Program
  readonly input: Input
  readonly ctx: OpenContext
  /** Elements that have reached each node of the chain. */
  readonly counts: readonly number[]
  /** True when not every element comes out again. */
  readonly filters: boolean
  /** Rows of the `batch` right above, if they are to come stacked. */
  readonly stack: number | undefined
  /** Threads to be kept at work, and threads that there are. */
  readonly threads: () => { readonly used: number; readonly there: number }
  /** What an element costs, in milliseconds, as far as it is known. */
  readonly elementMs: number | undefined
  /** Runs elements in this thread, where threads are to be used only if nobody notices. */
  readonly here: ((elements: readonly unknown[], counts: readonly number[]) => Promise<Part[]>) | undefined
  /** The error at an element that the nodes count so. */
  readonly blame: (error: MillraceError, counts: readonly number[]) => unknown
}

/** A chain that runs on threads. */
export interface TaskCursor extends Required<Cursor<unknown>> {
  /** Takes nothing more from the input; what is under way is delivered. */
  drain(): void
  /** True when all was delivered. */
  readonly idle: boolean
  /** Elements that have reached each node, of those that were delivered. */
  counts(): readonly number[]
  /** What threads need for one element, milliseconds. */
  readonly elementMs: number | undefined
  /** Tasks of which something was delivered. */
  readonly delivered: number
}

/** A task, or an error of the input, which takes a place and an index as elements do. */
interface Item {
  /** In the input. */
  readonly position: number
  /** Elements and errors of the input. */
  readonly size: number
  readonly replies: ReplyQueue
  /** Held: of its elements, then of what came back. */
  bytes: number
  outBytes: number
  /** Behind the last error among its elements: that is where its position is known, if not every element comes out again. */
  known: { readonly events: number; readonly delivered: number }
  ready: boolean
}

/**
 * Gives chunks of elements to threads and delivers what comes back in the order of the input. State: the position of the oldest element
 * that is not delivered. Memory: a few tasks for every thread, fewer when the ceiling is reached.
 */
export function openTasks({ program, input, ctx, counts: base, filters, stack, threads, elementMs, here, blame }: TasksOptions): TaskCursor {
  const { meter, memory } = ctx
  const source = ctx.track(input, TRACK_EVERY)
  const sizes = taskSizes({ elementMs, stack })
  // Positions inside a task are told by its errors: by their ordinals, and by elements that are read again.
  const one = filters && (input.ordered === false || base.some(count => count !== base[0]))
  const items: Item[] = []
  const running = new Set<Promise<void>>()
  const controller = sharedController()
  let waiting: unknown[] = [] // taken from the input, and not yet given out
  let waitingFrom = 0 // position of the first of them
  let failed: { readonly error: unknown } | undefined // the input, behind them
  let inFlight = 0
  let rowsAhead = 0 // elements that will be delivered, if none fails, given out already
  let ended = false
  let draining = false
  let closed = false
  let reading: Promise<void> | undefined
  let wake: (() => void) | undefined
  let tasks = 0

  const wakeUp = (): void => {
    wake?.()
    wake = undefined
  }
  const abort = (): void => {
    controller.abort(ctx.signal.reason)
    wakeUp()
  }
  if (ctx.signal.aborted) abort()
  else ctx.signal.addEventListener('abort', abort, { once: true })

  /** Runs elements, all of them whatever happens to a thread: those before and behind the one at which it broke down run again. */
  const perform = async (elements: readonly unknown[], event: number, item: Item): Promise<number> => {
    const counts = base.map(count => count + event)
    const index = counts[0] as number
    try {
      const reply = await program.run({ elements, state: nestCounts(counts, {}), index }, { signal: controller.signal })
      item.replies.add(reply.parts)
      item.outBytes += partBytes(reply.parts)
      return reply.threadMs
    } catch (error) {
      if (closed || controller.signal.aborted) throw error
      if (here !== undefined && isMillraceError(error, 'Unsupported')) {
        // Nobody asked for threads: what cannot be sent is not lost.
        const parts = await here(elements, counts)
        item.replies.add(parts)
        item.outBytes += partBytes(parts)
        return 0
      }
      const known = placeOf(error, index, elements.length)
      if (known === undefined && elements.length > 1 && isMillraceError(error, 'Unsupported')) {
        // Something that came out cannot be sent, and is looked for.
        const half = elements.length >> 1
        return (await perform(elements.slice(0, half), event, item)) + (await perform(elements.slice(half), event + half, item))
      }
      const at = known ?? 0
      const before = at > 0 ? await perform(elements.slice(0, at), event, item) : 0
      item.replies.add([{ kind: 'error', error: isMillraceError(error) && error.operator === undefined ? blame(error, counts.map(count => count + at)) : error }])
      return before + (at + 1 < elements.length ? await perform(elements.slice(at + 1), event + at + 1, item) : 0)
    }
  }
  const give = (count: number): void => {
    const elements = count === waiting.length ? waiting : waiting.splice(0, count)
    if (elements === waiting) waiting = []
    const item: Item = { position: waitingFrom, size: count, bytes: bytesOf(elements), outBytes: 0, known: BEGINNING, replies: replyQueue(), ready: false }
    waitingFrom += count
    items.push(item)
    rowsAhead += count
    inFlight++
    meter.inFlight = inFlight
    memory.add(item.bytes)
    sizes.given(count, item.bytes)
    const done = (threadMs: number | undefined): void => {
      running.delete(task)
      inFlight--
      meter.inFlight = inFlight
      if (closed || threadMs === undefined) return wakeUp()
      item.ready = true
      meter.served += count
      meter.serviceMs += threadMs
      meter.threadMs += threadMs
      meter.queued += item.replies.rows
      rowsAhead += item.replies.rows - count
      sizes.served(count, threadMs)
      memory.add(item.outBytes - item.bytes)
      item.bytes = item.outBytes
      advance()
      wakeUp()
    }
    const task: Promise<void> = perform(elements, item.position, item).then(done, () => done(undefined))
    running.add(task)
  }
  const inputFailed = (error: unknown): void => {
    if (ctx.signal.aborted) {
      ended = true // it is the abort, and takes no place
      return
    }
    failed = { error }
  }
  const took = (chunk: unknown[] | null): void => {
    if (chunk === null) ended = true
    else if (waiting.length === 0) waiting = chunk
    else for (const element of chunk) waiting.push(element)
  }
  const read = (count: number): void => {
    try {
      const chunk = source.pull(count)
      if (!isPromise(chunk)) return took(chunk)
      reading = chunk.then(took, inputFailed).then(() => {
        reading = undefined
        advance()
        wakeUp()
      })
    } catch (error) {
      inputFailed(error)
    }
  }
  /** Gives out and reads as much as there is room for; never waits. */
  const advance = (): void => {
    for (;;) {
      if (closed || controller.signal.aborted) return
      const { used, there } = threads()
      // With fewer threads than there are, no more tasks than threads: each goes to another one.
      const most = used < there ? used : used * sizes.perThread
      const full = inFlight >= most || items.length >= 2 * most
      if (full || (items.length > 0 && !memory.hasRoom)) {
        if (!ended && !draining) meter.full++
        return
      }
      const wanted = memory.hasRoom ? (one ? 1 : sizes.next(rowsAhead, used < there)) : 1
      const noMore = ended || draining || failed !== undefined
      if (waiting.length >= wanted) give(wanted)
      else if (waiting.length > 0 && ((noMore && reading === undefined) || (reading !== undefined && inFlight < used))) give(waiting.length)
      else if (reading !== undefined) return
      else if (failed !== undefined) {
        const replies = replyQueue()
        replies.add([{ kind: 'error', error: failed.error }])
        items.push({ position: waitingFrom++, size: 1, bytes: 0, outBytes: 0, known: BEGINNING, replies, ready: true })
        failed = undefined
      } else if (ended || draining) return
      else read(wanted - waiting.length)
    }
  }
  const finish = (item: Item): void => {
    items.shift()
    memory.add(-item.bytes)
    source.release(items[0]?.position ?? waitingFrom)
  }
  /** Something whose turn it is, or undefined. */
  const deliver = (max: number): unknown[] | undefined => {
    for (let item = items[0]; item?.ready === true; item = items[0]) {
      const { replies } = item
      if (replies.next === undefined) {
        finish(item)
        continue
      }
      const before = replies.rows
      if (replies.delivered === 0 && replies.failed === 0) tasks++
      try {
        return replies.take(max)
      } catch (error) {
        const at = placeOf(error, (base[0] as number) + item.position, item.size)
        item.known = { events: (at ?? item.known.events) + 1, delivered: replies.delivered }
        throw error
      } finally {
        const taken = before - replies.rows
        rowsAhead -= taken
        meter.queued -= taken
        sizes.delivered(taken)
        if (replies.next === undefined) finish(item)
        else source.release(positionOf(item))
      }
    }
    return undefined
  }
  const positionOf = ({ position, replies, known }: Item): number => position + (filters ? known.events : replies.delivered + replies.failed)
  const oldest = (): number => (items[0] === undefined ? waitingFrom : positionOf(items[0]))

  return {
    pull: max =>
      run(function* () {
        sizes.pulled(max)
        for (;;) {
          advance()
          ctx.signal.throwIfAborted()
          const chunk = deliver(max)
          if (chunk !== undefined) return chunk
          if (items.length === 0 && waiting.length === 0 && failed === undefined && reading === undefined && (ended || draining)) return null
          meter.starved++
          // Tasks of which a filter kept everything back leave room, and nothing that would wake this up.
          if (items[0]?.ready !== true && (inFlight > 0 || reading !== undefined)) yield* wait(new Promise<void>(resolve => (wake = resolve)))
        }
      }),
    save(): Saved {
      const position = oldest()
      const { self, inputs } = nestCounts(base.map(count => count + position), source.stateAt(position))
      const drop = filters && items[0] !== undefined ? items[0].replies.delivered - items[0].known.delivered : 0
      return { ...(self !== undefined && { self }), ...(inputs !== undefined && { inputs }), ...(drop > 0 && { drop }) }
    },
    drain() {
      draining = true
    },
    get idle() {
      return items.length === 0 && waiting.length === 0 && failed === undefined && reading === undefined
    },
    counts: () => base.map(count => count + oldest()),
    get elementMs() {
      return sizes.elementMs
    },
    get delivered() {
      return tasks
    },
    async close() {
      closed = true
      ctx.signal.removeEventListener('abort', abort)
      controller.abort(ctx.signal.aborted ? ctx.signal.reason : new DOMException('the iteration was closed', 'AbortError'))
      await reading
      await Promise.all(running)
      for (const item of items) memory.add(-item.bytes)
      items.length = 0
      meter.inFlight = 0
      meter.queued = 0
    }
  }
}

/** At which of so many elements an error arose. */
function placeOf(error: unknown, index: number, count: number): number | undefined {
  const at = isMillraceError(error) && error.index !== undefined ? error.index - index : -1
  return Number.isInteger(at) && at >= 0 && at < count ? at : undefined
}

/** Bytes that elements hold. */
function bytesOf(elements: readonly unknown[]): number {
  const step = Math.max(1, Math.floor(elements.length / SAMPLES))
  let sampled = 0
  let bytes = 0
  for (let i = 0; i < elements.length; i += step) {
    bytes += byteLengthOf(elements[i])
    sampled++
  }
  if (step === 1 || bytes / sampled < SMALL_ELEMENT) return Math.ceil((bytes / Math.max(1, sampled)) * elements.length)
  return elements.reduce<number>((sum, element) => sum + byteLengthOf(element), 0)
}

function partBytes(parts: readonly Part[]): number {
  return parts.reduce((sum, part) => sum + (part.kind === 'elements' ? bytesOf(part.elements) : part.kind === 'stacked' ? byteLengthOf(part.stacked) : 0), 0)
}
