import { byteLengthOf } from '../array/byte-length.js'
import { MillraceError } from '../errors.js'
import type { PlanNode } from '../plan/node.js'
import type { Cursor, Input, OpenArguments, Operator, RandomAccess } from '../plan/operator.js'
import type { Part, Piece, Program, StackSpec, Workers } from '../plan/workers.js'
import type { ElementSpec, MaybePromise } from '../types.js'
import { sharedController } from '../util/abort.js'
import { chain as then, isPromise, run, wait } from '../util/promise.js'
import { inlinePlans, openInline, stateFrom, type InlineChain } from './offload-inline.js'
import { later } from '../util/later.js'
import { deciding, type OffloadPolicy } from './offload-policy.js'
import { chainState, plainCounts } from './offload-state.js'
import { openTasks, type TaskCursor } from './offload-tasks.js'

/**
 * Elementwise operators whose functions can travel, on worker threads. Made by a rule; elements, order, errors and state are those of the
 * operators as written, wherever they run. On threads it is a buffer: of a few chunks for every thread, within the memory that there is.
 */
export interface OffloadParams {
  /** The nodes, nearest to the source first; a `filter` only as the last. */
  readonly chain: readonly PlanNode[]
  /** The same nodes as a plan, and the node below them in it, as written: what is sent to threads. */
  readonly written: PlanNode
  readonly input: PlanNode
  /** The `batch` right above, where rows may come stacked. */
  readonly stack: StackSpec | undefined
  /** `always`: on threads from the first element. `auto`: in this thread, until threads are measured to pay. */
  readonly mode: 'always' | 'auto'
  /** Threads at work at most, where the user has given a number. */
  readonly parallel: number | undefined
  /** Threads that may compute at the same time. */
  readonly cores: number
  /** True when something above fetches ahead of the consumer. */
  readonly ahead: boolean
}

/** How often the event loop has its turn while threads are warmed. */
const TURN_MS = 2

export const offload: Operator<OffloadParams> = {
  name: 'offload',
  describe: ({ chain, mode, parallel }) =>
    `${chain.map(nameOf).join(' → ')}, ${mode === 'auto' ? 'threads when they pay' : `${parallel ?? 'auto'} thread${parallel === 1 ? '' : 's'}`}`,
  cardinality: ({ chain }, [input]) => chain.reduce((size, { op, params }) => op.cardinality?.(params, [size]), input),
  elementSpec: ({ chain }, [input]) => chain.reduce<ElementSpec | undefined>((spec, { op, params }) => (op.elementSpec === undefined ? (op.sameElements === true ? spec : undefined) : op.elementSpec(params, [spec])), input),
  ordered: ({ chain }) => chain.every(({ op, params }) => op.ordered?.(params) !== false),
  knobs: ({ parallel }) => [{ name: 'map.parallel', value: parallel ?? 'auto' }],
  overlaps: () => true,
  lazyInputs: true,

  randomAccess({ params: { chain }, inputs: [input], ctx }) {
    return chain.reduce<MaybePromise<RandomAccess | null>>((access, node) => {
      const origin = { ...ctx, elementContexts: (seed?: number) => ctx.elementContexts(seed, node), userError: (error: unknown, index: number) => ctx.userError(error, index, node) }
      return then(access, access => node.op.randomAccess?.({ params: node.params, inputs: [access], ctx: origin }) ?? null)
    }, input ?? null)
  },

  open: args => openOffload(args)
}

function openOffload({ params, node, saved, savedInputs, ctx }: OpenArguments<OffloadParams>): Cursor<unknown> {
  const [inputNode] = node.inputs
  if (inputNode === undefined) throw new TypeError('offload needs an input')
  const { chain, written, stack, mode, cores } = params
  const begin = { ...(saved !== undefined && { self: saved }), ...(savedInputs !== undefined && { inputs: savedInputs }) }
  const restored = chainState(chain, begin)
  const input: Input = ctx.open(inputNode, { saved: restored.input })
  const plans = inlinePlans(chain)
  const filters = chain.some(({ op }) => op.name === 'filter')
  const piece: Piece = { plan: written, input: params.input, stack, pass: ctx.pass }
  const bound = Math.min(params.parallel ?? Infinity, ctx.threading.maxIntraOpParallelism ?? Infinity)
  const policy: OffloadPolicy | undefined = mode === 'auto' ? deciding.by({ cores, ahead: params.ahead, now: () => performance.now(), utilization: busyShare() }) : undefined

  let inline: InlineChain | undefined
  let inlineAsWritten = false
  let tasks: TaskCursor | undefined
  let workers: Workers | undefined
  let program: Program | undefined
  let wanted = params.parallel ?? 0 // threads at work; 0: all that there are
  let refused = false // there are no threads for it
  let warming: Promise<void> | undefined
  let comingBack = false
  let closed = false
  let turned = 0
  const controller = sharedController()

  // Before there are threads: those that there will be. It is what a tuner sees, and what is set again when the chain moves.
  const used = (): number => Math.max(1, Math.min(wanted === 0 ? Infinity : wanted, bound, workers?.size ?? (wanted === 0 ? cores : wanted)))
  const raise = (): void => {
    // A number that the user gave may be more than there are cores; the pool has its own bound.
    if (workers !== undefined && wanted > workers.size) workers.size = Math.max(workers.size, Math.min(wanted, bound, params.parallel === undefined ? workers.most : Infinity))
  }
  // A parallel map that runs here has a knob of that name, for promises in flight: the last that is made known counts.
  const showKnob = (): void => ctx.knob({
    name: 'map.parallel',
    auto: params.parallel === undefined,
    least: 1,
    get most() {
      return Math.min(bound, params.parallel ?? workers?.most ?? cores)
    },
    resource: 'thread',
    get: used,
    set(value) {
      wanted = Math.max(1, Math.min(value, bound))
      raise()
    }
  })

  const openHere = (counts: readonly number[] | undefined): InlineChain => {
    const state = counts === undefined ? begin : stateFrom(counts)
    showKnob()
    inlineAsWritten = mode === 'always' || plans.asynchronous || (counts ?? plainCounts(restored)) === undefined
    return (inline = openInline(inlineAsWritten ? plans.written : plans.plain(), plans, chain, input, ctx, state))
  }
  /** Opens it anew where it is, unless it holds something. */
  const reopen = async (): Promise<void> => {
    const counts = inline?.counts()
    if (counts === undefined) return
    await inline?.close()
    openHere(counts)
  }
  const openThere = (program: Program, counts: readonly number[]): void => {
    showKnob()
    tasks = openTasks({ program, input, ctx, counts, filters, stack: stack?.size, threads: () => ({ used: used(), there: workers?.size ?? 1 }), elementMs: policy?.elementMs, blame, here: policy === undefined ? undefined : runHere })
    policy?.moved()
  }
  /** What threads have no operator for is the fault of the node that took, or made, the element. */
  const blame = (error: MillraceError, counts: readonly number[]): unknown => {
    const level = error.index === undefined ? chain.length - 1 : 0
    const own = error.index === undefined ? error : new MillraceError(error.kind, error.message.replace(/^element \d+: /, ''), { ...error, cause: error.cause })
    return ctx.userError(own, counts[level] as number, chain[level])
  }
  /** Elements that cannot be sent, or what came of them. From then on all is done here. */
  const runHere = async (elements: readonly unknown[], counts: readonly number[]): Promise<Part[]> => {
    if (!refused) ctx.note('runs in this thread: there are elements that cannot be sent to another one')
    refused = comingBack = true
    tasks?.drain()
    await plans.load()
    const given = openInline(plans.plain(), plans, chain, inputOf(elements), ctx, stateFrom(counts))
    const parts: Part[] = []
    try {
      for (;;) {
        try {
          const chunk = await given.pull(elements.length)
          if (chunk === null) return parts
          parts.push({ kind: 'elements', elements: chunk })
        } catch (error) {
          if (ctx.signal.aborted || closed) throw error
          parts.push({ kind: 'error', error })
        }
      }
    } finally {
      await given.close()
    }
  }
  /** Makes threads ready. Whatever keeps it from that, the chain runs here. */
  const prepare = async (warm: boolean): Promise<void> => {
    const found = await ctx.workers()
    if (found === null || closed) {
      refused = true
      return
    }
    workers = found
    raise()
    try {
      program = found.load(piece)
      if (!warm) return
      // Tasks without elements: threads start and load the modules meanwhile.
      const runs = Array.from({ length: used() }, () => (program as Program).run({ elements: [], state: undefined, index: 0 }, { signal: controller.signal }))
      for (const run of runs) run.catch(() => undefined)
      await Promise.race(runs)
    } catch (error) {
      refused = true
      if (!closed) ctx.note(`runs in this thread: ${(error as Error).message}`)
    }
  }
  /** Begins to warm threads, and moves when they are warm and nothing is held here. */
  const considerMoving = function* (): Generator<PromiseLike<unknown>, void, unknown> {
    if (refused || inline === undefined) return
    if (policy !== undefined) {
      if (plans.asynchronous || !policy.move) return
      if (program === undefined) {
        warming ??= prepare(true).finally(() => (warming = undefined))
      }
      if (warming !== undefined) {
        // A consumer that never waits keeps messages of threads from arriving.
        if (performance.now() - turned >= TURN_MS) {
          yield* wait(new Promise<void>(resolve => later(resolve)))
          turned = performance.now()
        }
        return
      }
    }
    const counts = inline.counts()
    if (counts === undefined || program === undefined) return
    yield* wait(inline.close())
    inline = undefined
    openThere(program, counts)
  }
  function* next(max: number): Generator<PromiseLike<unknown>, unknown[] | null, unknown> {
    if (inline !== undefined) {
      if (policy === undefined && program === undefined && !refused) yield* wait(prepare(false))
      if (policy !== undefined && !plans.loaded) {
        yield* wait(plans.load())
        yield* wait(reopen())
      }
      yield* considerMoving()
      if (inline !== undefined && plans.asynchronous && !inlineAsWritten) yield* wait(reopen())
    }
    for (;;) {
      if (tasks === undefined) return yield* wait(pullHere(max))
      const chunk: unknown[] | null = yield* wait(tasks.pull(max))
      if (chunk !== null) {
        policy?.threads(chunk.length, tasks.elementMs, tasks.delivered)
        if (policy?.back === true && !comingBack) {
          comingBack = true
          tasks.drain()
        }
        return chunk
      }
      if (policy === undefined || !comingBack) return null
      comingBack = false
      const counts = tasks.counts()
      yield* wait(tasks.close())
      tasks = undefined
      policy.cameBack()
      openHere(counts)
    }
  }
  const pullHere = (max: number): MaybePromise<unknown[] | null> => {
    const here = inline as InlineChain
    if (policy?.due() !== true) {
      const chunk = here.pull(max)
      if (policy === undefined) return chunk
      if (!isPromise(chunk)) policy.inline(chunk?.length ?? 0)
      else return chunk.then(chunk => {
        policy.inline(chunk?.length ?? 0)
        return chunk
      })
      return chunk
    }
    here.time()
    const took = (chunk: unknown[] | null): unknown[] | null => {
      const ms = here.timed()
      ctx.meter.served += chunk?.length ?? 0
      ctx.meter.serviceMs += ms
      policy.inline(chunk?.length ?? 0, ms, here.inputBytes + (chunk === null ? 0 : byteLengthOf(chunk[0])))
      return chunk
    }
    const chunk = here.pull(max)
    return isPromise(chunk) ? chunk.then(took) : took(chunk)
  }

  openHere(undefined)
  return {
    pull(max) {
      // The usual way in this thread, without a generator.
      if (inline !== undefined && (refused || (policy !== undefined && !policy.move)) && (inlineAsWritten || !plans.asynchronous) && plans.loaded) return pullHere(max)
      return run(() => next(max))
    },
    save: () => tasks?.save() ?? (inline as InlineChain).save(),
    async close() {
      closed = true
      controller.abort(new DOMException('the iteration was closed', 'AbortError'))
      const ending = program?.close()
      await tasks?.close()
      await warming
      await ending
    }
  }
}

/** Elements that are there. */
function inputOf(elements: readonly unknown[]): Input {
  let at = 0
  return {
    pull: max => (at >= elements.length ? null : elements.slice(at, (at += max))),
    save: () => ({}),
    close: () => Promise.resolve()
  }
}

/** The part of a node that tells it from others. */
function nameOf({ op, params }: PlanNode): string {
  const { fn } = params as { readonly fn?: { readonly name?: string; readonly transform?: { readonly name: string } } }
  const name = fn?.transform?.name ?? fn?.name
  if (fn === undefined) return `${op.name}(${op.describe?.(params) ?? ''})`
  return op.name === 'map' ? name || 'fn' : `${op.name} ${name || 'fn'}`
}

/** Share of the time between two calls in which the event loop was busy; 1 where that cannot be told. */
function busyShare(): () => number {
  type Utilization = { readonly utilization: number }
  const host = globalThis.performance as { eventLoopUtilization?: (now?: Utilization, before?: Utilization) => Utilization }
  let before = host.eventLoopUtilization?.()
  return () => {
    const now = host.eventLoopUtilization?.()
    if (now === undefined || before === undefined) return 1
    const share = host.eventLoopUtilization?.(now, before).utilization ?? 1
    before = now
    return share
  }
}
