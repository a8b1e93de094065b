import { portable } from '../../dist/src/index.js'
import type { PlanNode } from '../../dist/src/plan/node.js'
import type { WorkerOptions, ThreadingOptions } from '../../dist/src/plan/tuning.js'
import type { Part } from '../../dist/src/plan/workers.js'
import { openWorkers, type IterationWorkers } from '../../dist/src/workers/pool.js'

/** Tests with threads take everything from what was built: threads load no TypeScript. */
const url = new URL('./modules/functions.mjs', import.meta.url)

type AnyModule = Readonly<Record<string, (x: number) => unknown>>

/** A function of the module for these tests. */
export function fn(name: string, ...args: (number | string)[]): (x: number) => unknown {
  return args.length > 0 ? (portable<AnyModule>(url, name, { args }) as unknown as (x: number) => unknown) : portable<AnyModule>(url, name)
}

export const pass = { seed: 3, epoch: 0, branch: 0 }
export const { signal } = new AbortController()

/** All of a plan above its source. */
export function above(plan: PlanNode): { readonly plan: PlanNode; readonly input: PlanNode } {
  let input = plan
  while (input.inputs[0] !== undefined) input = input.inputs[0]
  return { plan, input }
}

export function open(options: WorkerOptions & ThreadingOptions & { readonly cores?: number } = {}): IterationWorkers {
  const { cores = 2, privateThreadpoolSize, ...rest } = options
  return openWorkers({ cores, options: rest, threading: privateThreadpoolSize === undefined ? {} : { privateThreadpoolSize } })
}

/** All elements of all parts; errors as themselves. */
export const flat = (parts: readonly Part[]): unknown[] => parts.flatMap(part => (part.kind === 'elements' ? [...part.elements] : [part.kind === 'error' ? part.error : part.stacked]))

/** What there is of threads and of ways to them. Timers are counted in a process of its own, where there is no test runner that has some. */
export function census(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) if (/worker|port/i.test(kind)) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}
