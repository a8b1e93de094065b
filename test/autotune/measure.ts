/** Runs simulations: with fixed values, over a grid, and tuned. */
import { autotune } from '../../src/autotune/autotune.js'
import type { AutotuneOptions, Tuner } from '../../src/plan/tuning.js'
import { simulate, type PipelineSpec, type Simulation } from './simulator.js'
import type { Workload } from './workloads.js'

export interface TunedRun {
  readonly simulation: Simulation
  readonly tuner: Tuner
}

export function tuned(spec: PipelineSpec, options: AutotuneOptions = {}, around: (look: () => void) => void = look => look()): TunedRun {
  const simulation = simulate(spec)
  return { simulation, tuner: autotune(simulation.view, options, (look, ms) => simulation.schedule(() => around(look), ms)) }
}

/** Elements per second between two moments. */
export function rateBetween(simulation: Simulation, fromMs: number, toMs: number): number {
  simulation.run(fromMs)
  const before = simulation.delivered
  simulation.run(toMs)
  return ((simulation.delivered - before) * 1000) / (toMs - fromMs)
}

export interface Best {
  readonly rate: number
  readonly values: { readonly [knob: string]: number }
}

/** The best of all combinations. */
export function bestOfGrid({ spec, grid }: Workload, fromMs: number, toMs: number): Best {
  let best: Best = { rate: 0, values: {} }
  const names = Object.keys(grid)
  const visit = (at: number, values: { [knob: string]: number }): void => {
    const name = names[at]
    if (name !== undefined) {
      for (const value of grid[name] ?? []) visit(at + 1, { ...values, [name]: value })
      return
    }
    const rate = rateBetween(simulate(spec(values)), fromMs, toMs)
    if (rate > best.rate * 1.001) best = { rate, values: { ...values } }
  }
  visit(0, {})
  return best
}
