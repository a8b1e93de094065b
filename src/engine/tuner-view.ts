import { nodesOf, type PlanNode } from '../plan/node.js'
import { newMeter, type StageSample, type Tuner, type TunerView, type TuningProfile, type TuningStep } from '../plan/tuning.js'
import type { ConsumerClock } from './consumer.js'
import { eventLoopMeter } from './event-loop.js'
import type { Iteration } from './scope.js'

/** A running plan, as statistics and the tuner look at it. */
export interface RunningPlan {
  /** The plan that runs. */
  readonly plan: PlanNode
  readonly iteration: Iteration
  readonly consumer: ConsumerClock
  delivered(): number
  /** `performance.now()` at the first call; undefined before. */
  started(): number | undefined
}

/** The nodes of a plan that were opened, sources first. */
export function openedNodes({ plan, iteration }: RunningPlan): PlanNode[] {
  return [...new Set(nodesOf(plan))].filter(node => iteration.stages.has(node))
}

/** What a tuner sees of a running plan. */
export function tunerView(running: RunningPlan): TunerView {
  const { iteration, consumer } = running
  const { budget, cores } = iteration.services
  const eventLoop = eventLoopMeter()
  return {
    now: () => performance.now(),
    consumer: () => ({ delivered: running.delivered(), ...consumer.times(), waiting: consumer.waiting() }),
    stages: () => openedNodes(running).map((node, stage): StageSample => {
      const { operator, elements, pulls, busyMs, waitMs, meter, memory, knobs = [] } = iteration.stages.get(node) as NonNullable<ReturnType<typeof iteration.stages.get>>
      return { operator, stage, elements, pulls, busyMs, waitMs, meter, heldBytes: memory?.held ?? 0, knobs }
    }),
    memory: () => ({ heldBytes: budget.heldBytes, usedBytes: budget.usedBytes, ceilingBytes: budget.ceilingBytes }),
    eventLoop,
    cores
  }
}

/** The tuner of one iteration: it begins with the first call when there is something to tune, and else as soon as there is. */
export interface TunerHandle {
  begin(): void
  log(): readonly TuningStep[]
  profile(): TuningProfile
  stop(): void
}

/** Runs the tuner of the services, if they have one. */
export function tunerHandle(running: RunningPlan): TunerHandle {
  const { iteration } = running
  const { tune } = iteration.services
  const view = tunerView(running)
  let tuner: Tuner | undefined
  let stopped = false
  const begin = (): void => {
    if (tune === undefined || tuner !== undefined || stopped || running.started() === undefined) return
    if (view.stages().some(({ knobs }) => knobs.some(({ auto }) => auto))) tuner = tune(view)
  }
  iteration.knobAdded = ({ auto }) => {
    if (auto) begin()
  }
  return {
    begin,
    log: () => tuner?.log() ?? [],
    profile: () => tuner?.profile() ?? presentProfile(view),
    stop() {
      stopped = true
      tuner?.stop()
    }
  }
}

/** The present values, where there is no tuner to say which of them worked. */
function presentProfile(view: TunerView): TuningProfile {
  const knobs: Record<string, number> = {}
  const seen = new Map<string, number>()
  for (const knob of view.stages().flatMap(stage => stage.knobs)) {
    const ordinal = (seen.get(knob.name) ?? 0) + 1
    seen.set(knob.name, ordinal)
    if (knob.auto) knobs[ordinal === 1 ? knob.name : `${knob.name}#${ordinal}`] = knob.get()
  }
  return { version: 1, knobs }
}

/** What counts as nothing where an operator counts nothing. */
export const NO_METER = Object.freeze(newMeter())
