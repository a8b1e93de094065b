import type { PlanNode } from '../plan/node.js'
import { NO_METER, openedNodes, type RunningPlan } from './tuner-view.js'

/** A knob and its present value. */
export interface KnobStats {
  /** As in `iterator.tuning()`: `map.parallel`. */
  readonly name: string
  readonly value: number
  /** False when the user gave the value. */
  readonly auto: boolean
}

/**
 * What one operator has done. Totals since the first `next`, milliseconds and bytes. Times are estimates: of quick pulls one in many is
 * timed, and of slow ones each.
 */
export interface StageStats {
  readonly operator: string
  /** `operator`, with `#2` behind it for the second of that name, sources first. */
  readonly name: string
  /** How far from the source it is. */
  readonly depth: number
  readonly elements: number
  readonly elementsPerSecond: number
  readonly pulls: number
  /** Inside `pull` until its result was there; inputs included. */
  readonly busyMs: number
  /** Of `busyMs`, until promises settled. */
  readonly waitMs: number
  /** Its own: what calls and reads took where it has several side by side, else `busyMs` without that of its inputs. */
  readonly selfMs: number
  /** Elements that are ready and wait to be pulled. */
  readonly queued: number
  /** Calls, reads or tasks under way. */
  readonly inFlight: number
  /** Calls, reads or tasks that have ended, and what they took, added up. */
  readonly served: number
  readonly serviceMs: number
  /** Of `serviceMs`, what worker threads computed. */
  readonly threadMs: number
  /** Pulls that found nothing ready and had to wait. */
  readonly starved: number
  /** How often it began nothing more because it was full, by elements or by bytes. */
  readonly full: number
  /** What its buffers hold. */
  readonly heldBytes: number
  readonly knobs: readonly KnobStats[]
  /** What else it counts, by what it is, such as files that were left out. */
  readonly notes?: Readonly<Record<string, number>>
}

/** What holds an iteration up. */
export interface Bottleneck {
  /** {@link StageStats.name}, or `consumer`. */
  readonly stage: string
  /** In words. */
  readonly reason: string
}

/** What an iteration has done so far: plain data. */
export interface IteratorStats {
  /** Elements delivered. */
  readonly elements: number
  /** Since the first `next`. */
  readonly elapsedMs: number
  /** One entry per operator of the optimised plan that was opened, sources first. */
  readonly stages: readonly StageStats[]
  /** Who calls `next`: what it took for itself between elements, what it waited, and the last gaps between an element and the next call, newest last. */
  readonly consumer: { readonly gapMs: number; readonly waitMs: number; readonly gaps: readonly number[] }
  /** Bytes: what all buffers of the budget hold, what the process has grown by, and what neither may pass. */
  readonly memory: { readonly heldBytes: number; readonly usedBytes: number; readonly ceilingBytes: number }
  /** Undefined while nothing can be said. */
  readonly bottleneck: Bottleneck | undefined
}

/** Everything that is known of a running plan, and by its nodes what is known of each. */
export function iteratorStats(running: RunningPlan): { readonly stats: IteratorStats; readonly byNode: ReadonlyMap<PlanNode, StageStats> } {
  const { iteration } = running
  const { budget } = iteration.services
  const started = running.started()
  const elapsedMs = started === undefined ? 0 : performance.now() - started
  const seen = new Map<string, number>()
  const byNode = new Map(openedNodes(running).map(node => {
    const ordinal = (seen.get(node.op.name) ?? 0) + 1
    seen.set(node.op.name, ordinal)
    return [node, stageStats(running, node, ordinal, elapsedMs)] as const
  }))
  const stages = [...byNode.values()]
  const consumer = running.consumer.times()
  const elements = running.delivered()
  return {
    byNode,
    stats: {
      elements,
      elapsedMs,
      stages,
      consumer,
      memory: { heldBytes: budget.heldBytes, usedBytes: budget.usedBytes, ceilingBytes: budget.ceilingBytes },
      bottleneck: bottleneckOf(stages, consumer, elements)
    }
  }
}

function stageStats({ iteration }: RunningPlan, node: PlanNode, ordinal: number, elapsedMs: number): StageStats {
  const counters = iteration.stages.get(node)
  if (counters === undefined) throw new Error(`${node.op.name} was not opened`)
  const { operator, depth, elements, pulls, busyMs, waitMs, meter = NO_METER, memory, knobs = [], notes } = counters
  const below = [...new Set(node.inputs)].reduce((sum, input) => sum + (iteration.stages.get(input)?.busyMs ?? 0), 0)
  const overlapping = node.inputs.length > 0 && (meter.served > 0 || node.op.readsAhead === true)
  return {
    operator,
    name: ordinal === 1 ? operator : `${operator}#${ordinal}`,
    depth,
    elements,
    elementsPerSecond: elapsedMs > 0 ? (elements / elapsedMs) * 1000 : 0,
    pulls,
    busyMs,
    waitMs,
    selfMs: overlapping ? meter.serviceMs : Math.max(0, busyMs - below),
    queued: meter.queued,
    inFlight: meter.inFlight,
    served: meter.served,
    serviceMs: meter.serviceMs,
    threadMs: meter.threadMs,
    starved: meter.starved,
    full: meter.full,
    heldBytes: memory?.held ?? 0,
    knobs: knobs.map(knob => ({ name: knob.name, value: knob.get(), auto: knob.auto })),
    ...(notes !== undefined && { notes: { ...notes } })
  }
}

/** A consumer that waits less than that share of its time is served as well as can be. */
const HARDLY = 0.05

/** The stage that costs most per delivered element, what is side by side shared out; or the consumer, when it hardly waits. */
function bottleneckOf(stages: readonly StageStats[], { gapMs, waitMs }: { readonly gapMs: number; readonly waitMs: number }, elements: number): Bottleneck | undefined {
  if (elements === 0 || gapMs + waitMs === 0) return undefined
  if (waitMs < HARDLY * (gapMs + waitMs)) {
    return { stage: 'consumer', reason: `it takes ${ms(gapMs / elements)} for itself per element and waits ${percent(waitMs, gapMs + waitMs)} of its time: the plan keeps up` }
  }
  const [worst] = [...stages].sort((a, b) => costOf(b) - costOf(a))
  if (worst === undefined || costOf(worst) === 0) return undefined
  return { stage: worst.name, reason: reasonOf(worst, elements) }
}

/** How much a stage does side by side. What a source begins early is in the times of its pulls. */
const limitOf = ({ served, depth, knobs }: StageStats): number => (served === 0 || depth === 0 ? 1 : Math.max(1, knobs[0]?.value ?? 1))
const costOf = (stage: StageStats): number => stage.selfMs / limitOf(stage)

function reasonOf(stage: StageStats, elements: number): string {
  const cost = `${ms(costOf(stage) / elements)} per delivered element`
  const limit = limitOf(stage)
  if (limit > 1) {
    return `${ms(stage.serviceMs / stage.served)} for each of ${stage.served} calls with up to ${limit} side by side: ${cost}`
  }
  const waits = stage.busyMs > 0 && stage.waitMs > stage.busyMs / 2
  return waits ? `it waits, ${cost}: more of it side by side would hide that` : `it computes on this thread, ${cost}`
}

/** Milliseconds for people. */
export const ms = (value: number): string => (value >= 100 ? `${value.toFixed(0)} ms` : value >= 1 ? `${value.toFixed(1)} ms` : `${(value * 1000).toFixed(value >= 0.01 ? 0 : 2)} µs`)
/** A share for people. */
export const percent = (part: number, whole: number): string => `${whole > 0 ? Math.round((100 * part) / whole) : 0} %`
