/** What an iteration has beside its plan: threads, memory and a tuner, as the options of the plan say. */
import { autotune } from './autotune/autotune.js'
import { memoryBudget, processBudget } from './engine/memory-budget.js'
import type { Services } from './engine/scope.js'
import type { ResolvedOptions } from './operators/options.js'
import { coreCount } from './util/cores.js'

/** The services of one iteration. Nothing is started before it is needed. */
export function servicesFor({ autotune: tuning, threading, workers: options, tracing }: ResolvedOptions): Services {
  const cores = tuning.cpuBudget ?? coreCount()
  const budget = tuning.memoryBytes === undefined ? processBudget() : memoryBudget(tuning.memoryBytes, processBudget())
  let opened: ReturnType<typeof open> | undefined
  const open = async () => {
    if ((globalThis.process as { getBuiltinModule?: unknown } | undefined)?.getBuiltinModule === undefined) return null
    if (import.meta.url.endsWith('.ts')) return null // compiled while it is loaded, by a test runner: a thread could not load it
    const { openWorkers } = await import('./workers/pool.js')
    return openWorkers({ cores, options, threading })
  }
  return {
    threading,
    budget,
    cores,
    workers: () => (opened ??= open()),
    initialParallelism: tuning.initialParallelism,
    tracing,
    tune: tuning.enabled === false ? undefined : view => autotune(view, tuning),
    close: async () => (await opened)?.close()
  }
}

/** Ends threads that were kept for the next iteration. Those that an iteration uses go on. They would end by themselves after a while, and never keep the process alive. */
export async function endWorkers(): Promise<void> {
  if ((globalThis.process as { getBuiltinModule?: unknown } | undefined)?.getBuiltinModule === undefined) return
  await (await import('./workers/pool.js')).endWorkers()
}
