import { batch } from '../operators/batch.js'
import { filter } from '../operators/filter.js'
import { shard, skip, take } from '../operators/select.js'
import type { PlanNode } from '../plan/node.js'
import type { State } from '../plan/operator.js'
import type { Part, Reply, SessionOptions, StackSpec, Task } from '../plan/workers.js'
import { sharedController } from '../util/abort.js'
import { isPromise } from '../util/promise.js'
import { batchOver, makeScope, stackRuns, type PieceScope } from './piece-scope.js'
import { unpackPiece, type PieceJson, type UnpackedPiece } from './plan-json.js'
import { progressIn, CELLS, type ProgressCells } from './progress.js'
import { openSession, type RunningSession } from './run-session.js'

/** A piece of a plan that runs in this thread. */
export interface RunningPiece {
  /** Runs one task. They are run one after the other. `id` is written into the cells of progress. */
  run(task: Task, id?: number): Promise<Reply>
  session(state: State | undefined, files?: SessionOptions['files'], id?: number): Promise<RunningSession>
  /** True when the elements that come out are batches that nobody else holds. */
  readonly makesBatches: boolean
  /** True when nothing can have kept an element of a task. */
  readonly declarative: boolean
  /** Functions are told through their signal; what runs is waited for. */
  close(): Promise<void>
}

/** Loads a piece and makes it ready to run here, with the engine and the rules that all plans have. */
export async function openPiece(json: PieceJson, cells: ProgressCells = new Float64Array(CELLS)): Promise<RunningPiece> {
  const controller = sharedController()
  const scopeOf = async (): Promise<PieceScope> => {
    const progress = progressIn(cells, json.nodes.length)
    return makeScope(await unpackPiece(json, progress.wrap), progress, controller.signal)
  }
  const scope = await scopeOf()
  const { piece } = scope
  const sessions = new Set<RunningSession>()
  let tail: Promise<unknown> = Promise.resolve()
  return {
    makesBatches: makesBatches(piece),
    declarative: piece.declarative,
    run(task, id = 1) {
      const reply = tail.then(() => runTask(scope, task, id))
      tail = reply.catch(() => undefined)
      return reply
    },
    async session(state, files, id = 1) {
      const session = openSession(await scopeOf(), state, files, id, makesBatches(piece)) // with counts of its own
      sessions.add(session)
      return { ...session, close: () => session.close().finally(() => sessions.delete(session)) }
    },
    async close() {
      scope.iteration.aborted = true
      controller.abort(new DOMException('the piece was closed', 'AbortError'))
      await tail
      for (const session of sessions) await session.close()
    }
  }
}

const BATCH_PLANS = new WeakMap<PlanNode, PlanNode>()

/** Made once, so that rules are applied and loops are generated once. */
function batchPlan(plan: PlanNode, stack: StackSpec): PlanNode {
  let made = BATCH_PLANS.get(plan)
  if (made === undefined) BATCH_PLANS.set(plan, (made = batchOver(plan, stack)))
  return made
}

async function runTask(scope: PieceScope, task: Task, id: number): Promise<Reply> {
  const { piece: { slot, stack, declarative, nodes }, progress } = scope
  if (slot === undefined) throw new TypeError('this piece reads its own source: it runs by session')
  const started = performance.now()
  const state = task.state === undefined ? undefined : aboveInput(task.state, nodes.length - 1)
  progress.begin(id, state ?? {})
  try {
    let parts: Part[] | undefined
    if (stack !== undefined && declarative && oneToOne(nodes) && task.elements.length >= stack.size && !isInterrupted(state)) parts = await runStacked(scope, stack, task, state)
    if (parts === undefined) {
      slot.elements = task.elements
      parts = await runPlain(scope, state)
      if (stack !== undefined && !declarative) parts = parts.flatMap(part => stackRuns(scope, stack, part))
    }
    return { parts, threadMs: performance.now() - started }
  } finally {
    slot.elements = []
    progress.end()
  }
}

/** All that comes out, with errors in their places. */
async function runPlain({ piece: { plan, slot }, iteration, open }: PieceScope, state: State | undefined): Promise<Part[]> {
  const parts: Part[] = []
  const most = Math.max(1, slot?.elements.length ?? 1)
  const root = open(plan, state)
  let run: unknown[] | undefined
  try {
    for (;;) {
      let chunk: unknown[] | null
      try {
        const pulled = root.pull(most)
        chunk = isPromise(pulled) ? await pulled : pulled
      } catch (error) {
        if (iteration.aborted) throw error
        run = undefined
        parts.push({ kind: 'error', error })
        continue
      }
      if (chunk === null) return parts
      if (run === undefined) parts.push({ kind: 'elements', elements: (run = chunk) })
      else for (const element of chunk) run.push(element)
    }
  } finally {
    await root.close()
  }
}

/**
 * Whole batches, and the elements behind the last of them. Undefined as soon as anything throws: then all is run again element by element,
 * which nobody sees, for no function of the user is in it.
 */
async function runStacked({ piece: { plan, slot }, iteration, open }: PieceScope, stack: StackSpec, { elements }: Task, state: State | undefined): Promise<Part[] | undefined> {
  if (slot === undefined) return undefined
  const whole = Math.floor(elements.length / stack.size) * stack.size
  const parts: Part[] = []
  slot.elements = elements.length === whole ? elements : elements.slice(0, whole)
  const root = open(batchPlan(plan, stack), state === undefined ? undefined : { self: 0, inputs: [state] })
  let behind: State | undefined
  try {
    for (let rows = 0; rows < whole; rows += stack.size) {
      const pulled = root.pull(1)
      const batches = isPromise(pulled) ? await pulled : pulled
      if (batches === null) return undefined
      parts.push({ kind: 'stacked', rows: stack.size, stacked: batches[0] })
    }
    behind = root.save().inputs?.[0]
  } catch (error) {
    if (iteration.aborted) throw error
    return undefined
  } finally {
    await root.close()
  }
  if (whole === elements.length) return parts
  slot.elements = elements
  const rest = open(plan, behind)
  try {
    const tail: unknown[] = []
    for (;;) {
      const pulled = rest.pull(elements.length - whole)
      const chunk = isPromise(pulled) ? await pulled : pulled
      if (chunk === null) return [...parts, { kind: 'elements', elements: tail }]
      for (const element of chunk) tail.push(element)
    }
  } catch (error) {
    if (iteration.aborted) throw error
    return undefined
  } finally {
    await rest.close()
  }
}

/** The state of a chain of so many nodes above its input, which begins anew with every task. */
function aboveInput(state: State, nodes: number): State {
  if (nodes === 0) return {}
  const { inputs, ...own } = state
  const [below] = inputs ?? []
  return { ...own, ...(inputs !== undefined && { inputs: [below === undefined ? {} : aboveInput(below, nodes - 1)] }) }
}

/** True when a checkpoint was taken between outputs of one of the nodes: rows do not begin with elements then. */
function isInterrupted(state: State | undefined): boolean {
  for (let at = state; at !== undefined; at = at.inputs?.[0]) if ((at.drop ?? 0) > 0 || (at.faults?.length ?? 0) > 0) return true
  return false
}

const oneToOne = (nodes: readonly PlanNode[]): boolean => !nodes.some(({ op }) => op === filter || op === batch || op === take || op === skip || op === shard)

/** Batches, or what declarative transforms made of batches. */
function makesBatches({ nodes }: UnpackedPiece): boolean {
  const last = nodes.findLastIndex(({ op }) => op === batch)
  return last >= 0 && nodes.slice(last + 1).every(({ params }) => 'transform' in ((params as { readonly fn?: object }).fn ?? {}))
}
