/** The audit log: what was tried, why, and what came of it. */
import type { TuningStep } from '../plan/tuning.js'
import type { Move } from './knobs.js'

/** Steps that were taken together and are judged together. */
export interface LogEntry {
  close(outcome: 'kept' | 'taken back', effect: number | undefined): void
}

/** A log that grows. Only the latest steps are held. */
export interface TuningLog {
  readonly steps: readonly TuningStep[]
  open(atMs: number, moves: readonly Move[], why: string): LogEntry
  /** A change that a ceiling left no choice about. */
  forced(atMs: number, moves: readonly Move[], why: string): void
}

const MOST_STEPS = 1000

export function tuningLog(): TuningLog {
  const steps: TuningStep[] = []
  const add = (step: TuningStep): void => {
    if (steps.length >= MOST_STEPS) steps.shift()
    steps.push(step)
  }
  return {
    get steps() {
      return [...steps]
    },
    open(atMs, moves, why) {
      let open = moves.map((move): TuningStep => ({ ...base(atMs, move, why), effect: undefined, outcome: 'measuring', text: `${headOf(move)}: measuring` }))
      for (const step of open) add(step)
      return {
        close(outcome, effect) {
          for (const step of open) {
            const at = steps.indexOf(step)
            if (at >= 0) steps[at] = { ...step, effect, outcome, text: `${headOf({ ...step, name: step.knob })}: ${effect === undefined ? '' : `${percent(effect)}, `}${outcome}` }
          }
          open = []
        }
      }
    },
    forced(atMs, moves, why) {
      for (const move of moves) add({ ...base(atMs, move, why), effect: undefined, outcome: 'kept', text: `${headOf(move)}: ${why}` })
    }
  }
}

const base = (atMs: number, { name, from, to }: Move, why: string): Pick<TuningStep, 'atMs' | 'knob' | 'from' | 'to' | 'why'> => ({ atMs, knob: name, from, to, why })
const headOf = ({ name, from, to }: Move): string => `${name} ${from} → ${to}`

function percent(effect: number): string {
  const rounded = Math.round(effect * 100)
  return `${rounded > 0 ? '+' : rounded < 0 ? '−' : '±'}${Math.abs(rounded)} %`
}
