/** The knobs of a running plan by name, and the values that they are to have. */
import type { AutotuneOptions, LiveKnob, StageSample } from '../plan/tuning.js'

/** A knob, and the index of its stage in the list of stages. */
export interface NamedKnob {
  readonly name: string
  readonly at: number
  readonly knob: LiveKnob
}

/** A change of one knob. */
export interface Move {
  readonly name: string
  readonly from: number
  readonly to: number
}

/** The knobs as they stand; `refresh` finds those that were opened since. */
export interface Knobs {
  readonly all: readonly NamedKnob[]
  readonly automatic: readonly NamedKnob[]
  refresh(stages: readonly StageSample[]): void
  value(name: string): number
  set(name: string, value: number): void
}

export const clamp = (value: number, { least, most }: LiveKnob): number => Math.min(most, Math.max(least, Math.round(value)))

/** Values of a profile come first, then the number that the user begins with, then what the operator thinks right. */
export function knobsOf({ warmStart, initialParallelism }: AutotuneOptions): Knobs {
  let all: NamedKnob[] = []
  let automatic: NamedKnob[] = []
  const wanted = new Map<string, { readonly knob: LiveKnob; readonly value: number }>()

  const begin = (name: string, knob: LiveKnob): number => {
    const worked = warmStart !== undefined && Object.hasOwn(warmStart.knobs, name) ? warmStart.knobs[name] : undefined
    return clamp(worked ?? (knob.resource === 'memory' ? undefined : initialParallelism) ?? knob.get(), knob)
  }
  const set = (name: string, knob: LiveKnob, value: number): void => {
    wanted.set(name, { knob, value })
    if (knob.get() !== value) knob.set(value)
  }
  return {
    get all() {
      return all
    },
    get automatic() {
      return automatic
    },
    refresh(stages) {
      const seen = new Map<string, number>()
      all = []
      stages.forEach((stage, at) => {
        for (const knob of stage.knobs) {
          const nth = (seen.get(knob.name) ?? 0) + 1
          seen.set(knob.name, nth)
          all.push({ name: nth === 1 ? knob.name : `${knob.name}#${nth}`, at, knob })
        }
      })
      automatic = all.filter(({ knob }) => knob.auto)
      for (const { name, knob } of automatic) {
        const before = wanted.get(name)
        // A cursor that was opened again begins anew; what was learnt about the one before holds for it too.
        if (before?.knob !== knob) set(name, knob, before === undefined ? begin(name, knob) : clamp(before.value, knob))
      }
    },
    value: name => all.find(each => each.name === name)?.knob.get() ?? 0,
    set(name, value) {
      const found = automatic.find(each => each.name === name)
      if (found !== undefined) set(name, found.knob, clamp(value, found.knob))
    }
  }
}
