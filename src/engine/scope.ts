import { isMillraceError, messageOf, MillraceError } from '../errors.js'
import type { PlanNode } from '../plan/node.js'
import type { ElementContext } from '../plan/operator.js'
import type { LiveKnob, MemoryAccount, Meter, ThreadingOptions, Tuner, TunerView } from '../plan/tuning.js'
import type { Workers } from '../plan/workers.js'
import { processBudget, type MemoryBudget } from './memory-budget.js'
import type { Tracer } from './tracing.js'
import { foldIn, keyOfSeed, Rng, type RandomKey } from '../util/rng.js'

/** What all cursors of one iteration share. */
export interface Iteration {
  readonly signal: AbortSignal
  /** `signal.aborted`, in a form that costs nothing to look at. */
  aborted: boolean
  /** Seed of every operator that was given none. */
  readonly seed: number
  /** Applies the rules to a plan that is opened while running. */
  readonly optimize: (plan: PlanNode) => PlanNode
  /** One entry per node of the plan, in the order of opening; a node that is opened again goes on with its own. */
  readonly stages: Map<PlanNode, StageCounters>
  readonly services: Services
  /** Told when an operator of the plan makes a knob known. */
  knobAdded?: (knob: LiveKnob) => void
  /** Absent when nobody wants to see. */
  readonly tracer?: Tracer | undefined
}

/** What an iteration has beside its plan. */
export interface Services {
  readonly threading: ThreadingOptions
  readonly budget: MemoryBudget
  /** Threads that may compute at the same time. */
  readonly cores: number
  /** The same promise each time; `null` where there are no threads. */
  workers(): Promise<Workers | null>
  /** Begins to tune; absent when that is not wanted. */
  readonly tune?: ((view: TunerView) => Tuner) | undefined
  /** Where knobs begin that are requests or threads. */
  readonly initialParallelism?: number | undefined
  /** Make spans and measures of what happens. */
  readonly tracing?: boolean | undefined
  /** Ends the workers. */
  close(): Promise<void>
}

/** Where in the iteration a cursor is: which pass, and which of several plans opened by one operator. */
export interface Place {
  readonly epoch: number
  readonly branch: number
}

/** One thread, and the memory of the process. */
export const plainServices = (): Services => ({ threading: {}, budget: processBudget(), cores: 1, workers: () => Promise.resolve(null), close: () => Promise.resolve() })

/** What is counted of one operator. Times are estimates: pulls that are quick are timed now and then, slow ones always. */
export interface StageCounters {
  readonly operator: string
  readonly depth: number
  elements: number
  pulls: number
  /** Milliseconds inside `pull` until it returned, or until its promise settled; those of the inputs included. */
  busyMs: number
  /** Of `busyMs`, until promises settled. */
  waitMs: number
  /** What else the operator counts, by what it is, such as files that were left out. */
  notes?: Record<string, number>
  /** Absent for operators that do one thing after the other and hold nothing. */
  meter?: Meter
  /** What its buffers hold. */
  memory?: MemoryAccount
  knobs?: LiveKnob[]
}

/** Nothing counted so far. */
export const newCounters = ({ op, depth }: PlanNode): StageCounters => ({ operator: op.name, depth, elements: 0, pulls: 0, busyMs: 0, waitMs: 0 })

/** What user functions get beside the element; the generator is made when it is first asked for. */
class Context implements ElementContext {
  readonly index: number
  readonly signal: AbortSignal
  readonly #key: RandomKey
  #rng: Rng | undefined

  constructor(index: number, signal: AbortSignal, key: RandomKey) {
    this.index = index
    this.signal = signal
    this.#key = key
  }

  get rng(): Rng {
    return (this.#rng ??= new Rng(foldIn(this.#key, this.index)))
  }
}

/** The key of an unseeded operator depends on where it stands; that of a seeded one on seed and epoch alone. */
export function randomKey(iteration: Iteration, place: Place, node: PlanNode, seed: number | undefined): RandomKey {
  if (seed !== undefined) return foldIn(keyOfSeed(seed), place.epoch)
  return foldIn(foldIn(foldIn(keyOfSeed(iteration.seed), place.branch), node.depth), place.epoch)
}

/** Makes the contexts that the functions of one node get: keyed by (seed, operator, epoch, element index). */
export function elementContexts(iteration: Iteration, place: Place, node: PlanNode, seed: number | undefined): (index: number) => ElementContext {
  const key = foldIn(randomKey(iteration, place, node, seed), node.depth)
  return index => new Context(index, iteration.signal, key)
}

/**
 * Wraps what a function threw, with operator, element and place in user code. An abort stays what it is, and an error of
 * ours keeps its kind and what it knows.
 */
export function userError(iteration: Iteration, node: PlanNode, error: unknown, index: number): unknown {
  if (iteration.signal.aborted && (error === iteration.signal.reason || isAbort(error))) return iteration.signal.reason
  const ours = isMillraceError(error) ? error : undefined
  const text = ours === undefined ? `the function failed at element ${index}: ${messageOf(error)}` : `element ${index}: ${ours.message}`
  return new MillraceError(ours?.kind ?? 'UserFunction', `${node.op.name}: ${text}${from(node)}`, {
    ...ours,
    operator: node.op.name,
    index,
    ...siteOf(node),
    cause: error
  })
}

/** Names the operator in an error that does not say where it comes from. */
export function operatorError(iteration: Iteration, node: PlanNode, error: unknown): unknown {
  if (iteration.signal.aborted && (error === iteration.signal.reason || isAbort(error))) return error
  if (isMillraceError(error)) {
    if (error.operator === undefined && Object.isExtensible(error)) Object.defineProperty(error, 'operator', { value: node.op.name, enumerable: true })
    return error
  }
  return new MillraceError('UserFunction', `${node.op.name}: ${messageOf(error)}${from(node)}`, {
    operator: node.op.name,
    ...siteOf(node),
    cause: error
  })
}

const isAbort = (error: unknown): boolean => {
  try {
    return (error as { name?: unknown } | null | undefined)?.name === 'AbortError'
  } catch {
    return false
  }
}
const siteOf = (node: PlanNode): { site?: string } => {
  const site = node.site?.()
  return site === undefined ? {} : { site }
}
const from = (node: PlanNode): string => {
  const { site } = siteOf(node)
  return site === undefined ? '' : ` (added ${site})`
}
