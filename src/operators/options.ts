import type { PlanNode } from '../plan/node.js'
import type { Operator } from '../plan/operator.js'
import type { AutotuneOptions, DatasetOptions, ThreadingOptions, WorkerOptions } from '../plan/tuning.js'
import { checkInteger, checkKnob, checkOptions } from '../util/check.js'

/** How everything below it is run; elements, order and checkpoints do not depend on it. A rule takes the node out. */
export type OptionsParams = DatasetOptions

export const options: Operator<OptionsParams, unknown> = {
  name: 'options',
  describe: params => Object.entries(params).map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(', '),
  sameElements: true,
  transparent: true,
  cardinality: (_, [input]) => input,
  noOp: () => true,
  open({ inputs: [input] }) {
    if (input === undefined) throw new TypeError('options needs an input')
    return { pull: max => input.pull(max) }
  }
}

/** All options that are set in a plan. Those nearer to its end win, member by member. */
export interface ResolvedOptions {
  readonly autotune: AutotuneOptions
  readonly threading: ThreadingOptions
  readonly workers: WorkerOptions
  readonly tracing: boolean
}

/** Finds the options in the plan as it was written. */
export function optionsOf(plan: PlanNode): ResolvedOptions {
  let found: ResolvedOptions = { autotune: {}, threading: {}, workers: {}, tracing: false }
  const visit = (node: PlanNode): void => {
    node.inputs.forEach(visit)
    if (node.op !== options) return
    const { autotune, threading, workers, tracing } = node.params as DatasetOptions
    found = {
      autotune: { ...found.autotune, ...(typeof autotune === 'boolean' ? { enabled: autotune } : autotune) },
      threading: { ...found.threading, ...threading },
      workers: { ...found.workers, ...(typeof workers === 'number' || workers === 'auto' ? { count: workers } : workers) },
      tracing: tracing ?? found.tracing
    }
  }
  visit(plan)
  return found
}

/** Checks the options of `Dataset.options`. */
export function checkDatasetOptions(given: DatasetOptions): OptionsParams {
  checkOptions('options', given, ['autotune', 'threading', 'workers', 'tracing'])
  const { autotune, threading, workers, tracing } = given
  if (tracing !== undefined && typeof tracing !== 'boolean') throw new TypeError(`options: tracing must be true or false, got ${typeof tracing}`)
  if (autotune !== undefined && typeof autotune !== 'boolean') {
    checkOptions('options: autotune', autotune, ['enabled', 'cpuBudget', 'memoryBytes', 'initialParallelism', 'warmStart'])
    for (const name of ['cpuBudget', 'memoryBytes', 'initialParallelism'] as const) if (autotune[name] !== undefined) checkInteger('options: autotune', name, autotune[name], 1)
    if (autotune.enabled !== undefined && typeof autotune.enabled !== 'boolean') throw new TypeError(`options: autotune: enabled must be true or false, got ${typeof autotune.enabled}`)
    if (autotune.warmStart !== undefined) checkProfile(autotune.warmStart)
  }
  if (threading !== undefined) {
    checkOptions('options: threading', threading, ['privateThreadpoolSize', 'maxIntraOpParallelism'])
    for (const name of ['privateThreadpoolSize', 'maxIntraOpParallelism'] as const) if (threading[name] !== undefined) checkInteger('options: threading', name, threading[name], 1)
  }
  if (workers !== undefined) checkWorkers(typeof workers === 'object' ? workers : { count: workers })
  return given
}

function checkWorkers(workers: WorkerOptions): void {
  checkOptions('options: workers', workers, ['count', 'persistent', 'retries', 'maxHeapBytes', 'init'])
  const { count, persistent, retries, maxHeapBytes, init } = workers
  if (count !== undefined && count !== 0) checkKnob('options: workers', 'count', count)
  if (persistent !== undefined && typeof persistent !== 'boolean') throw new TypeError(`options: workers: persistent must be true or false, got ${typeof persistent}`)
  if (retries !== undefined) checkInteger('options: workers', 'retries', retries, 0)
  if (maxHeapBytes !== undefined) checkInteger('options: workers', 'maxHeapBytes', maxHeapBytes, 2 ** 20)
  if (init !== undefined && (typeof init.url !== 'string' || typeof init.name !== 'string')) throw new TypeError('options: workers: init must have the url of a module and the name of a function in it; portable(…).portable has both')
}

/** A profile that {@link DatasetIterator.profile} has written. */
function checkProfile(profile: AutotuneOptions['warmStart']): void {
  const { version, knobs } = (profile ?? {}) as { readonly version?: unknown; readonly knobs?: unknown }
  if (version !== 1 || typeof knobs !== 'object' || knobs === null) throw new TypeError('options: autotune: warmStart must be what iterator.profile() gave')
  for (const [name, value] of Object.entries(knobs)) checkInteger('options: autotune: warmStart', name, value as number, 1)
}
