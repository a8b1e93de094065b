import { explainTree } from '../plan/explain.js'
import { iteratorStats, ms, percent, type IteratorStats, type StageStats } from './stats.js'
import type { RunningPlan } from './tuner-view.js'

/** Prints the plan that runs, as `Dataset.explain` does, with rates, queues, present values of knobs, and the bottleneck. */
export function explainRunning(running: RunningPlan): string {
  const { stats, byNode } = iteratorStats(running)
  const { bottleneck } = stats
  const about = (stage: StageStats | undefined): string =>
    stage === undefined ? 'not opened' : [...figures(stage, stats.elapsedMs), ...(stage.name === bottleneck?.stage ? [`← bottleneck: ${bottleneck.reason}`] : [])].join(', ')
  return [
    headline(stats),
    ...(bottleneck?.stage === 'consumer' ? [`  the consumer  [← bottleneck: ${bottleneck.reason}]`] : []),
    ...explainTree(running.plan, node => about(byNode.get(node)))
  ].join('\n')
}

function headline({ elements, elapsedMs, consumer: { gapMs, waitMs }, memory }: IteratorStats): string {
  const rate = elapsedMs > 0 ? `${figure((elements / elapsedMs) * 1000)}/s` : 'nothing asked for yet'
  return `running for ${(elapsedMs / 1000).toFixed(1)} s: ${elements} elements, ${rate}, the consumer waited ${percent(waitMs, gapMs + waitMs)} of its time, `
    + `buffers hold ${bytes(memory.heldBytes)} of ${bytes(memory.ceilingBytes)}`
}

function figures(stage: StageStats, elapsedMs: number): string[] {
  return [
    `${figure(stage.elementsPerSecond)}/s`,
    ...(stage.elements > 0 && stage.selfMs > 0 ? [`${ms(stage.selfMs / stage.elements)} each`] : []),
    ...(stage.busyMs > 0 ? [`busy ${percent(stage.busyMs, elapsedMs)}`] : []),
    ...(stage.waitMs > 0 ? [`waiting ${percent(stage.waitMs, elapsedMs)}`] : []),
    ...(stage.queued > 0 ? [`${stage.queued} ready`] : []),
    ...(stage.inFlight > 0 ? [`${stage.inFlight} under way`] : []),
    ...(stage.heldBytes > 0 ? [`${bytes(stage.heldBytes)} held`] : []),
    ...stage.knobs.map(({ name, value, auto }) => `${name} = ${value}${auto ? ' (auto)' : ''}`)
  ]
}

const figure = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(2))

function bytes(count: number): string {
  const power = Math.max(0, Math.min(3, Math.floor(Math.log2(Math.max(1, count)) / 10)))
  return `${power === 0 ? count : (count / 2 ** (10 * power)).toPrecision(3)} ${['B', 'KiB', 'MiB', 'GiB'][power] as string}`
}
