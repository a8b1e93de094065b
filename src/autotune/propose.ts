/** Which step to try next: what the model favours first, then the others in turn. */
import type { TunerView } from '../plan/tuning.js'
import type { Knobs, Move, NamedKnob } from './knobs.js'
import { ceilingOf, threadRoom } from './limits.js'
import { missingDepth, neededInFlight, whyOf, type Model, type StageModel } from './model.js'

/** Steps to take together. A `raise` and a `lower` have to gain something, a `return` has to lose nothing. */
export interface Candidate {
  readonly kind: 'raise' | 'lower' | 'return'
  readonly moves: readonly Move[]
  /** Index of the lowest stage that it concerns. */
  readonly at: number
  readonly why: string
  /** The model favours it: then less evidence will do. */
  readonly likely: boolean
}

/** What was tried from the present setting and taken back, by {@link keyOf}. */
export type Tried = ReadonlyMap<string, { readonly to: number; readonly harmful: boolean }>

/** What the proposals are made from. */
export interface Situation {
  readonly view: TunerView
  readonly knobs: Knobs
  readonly model: Model
  readonly tried: Tried
  /** In the first second of a phase steps are larger. */
  readonly bold: boolean
  /** Values at which knobs were too low in this phase. */
  readonly floors: ReadonlyMap<string, number>
  /** Knobs that were raised by much and brought less. */
  readonly overshot: ReadonlySet<string>
}

export const keyOf = ({ moves }: Candidate): string => moves.map(({ name, from, to }) => `${name}${to > from ? '+' : '−'}`).join(' ')

const BOLD = 4
const STEP = 2
const FINE = 1.5
/** A buffer may grow by so much at once when it is known how long nothing came. */
const DEEPER = 32
/** Knobs whose scores are above this are raised together at first. */
const LIKELY = 0.3
/** More than Little's law asks for, because services differ. */
const MARGIN = 1.2

interface Scored extends NamedKnob {
  readonly score: number
  readonly stage: StageModel | undefined
}

/** Steps that may bring more to the consumer, the likeliest first. */
export function raises(situation: Situation): Candidate[] {
  const { knobs, model, tried } = situation
  const scored = knobs.automatic
    .map((each): Scored => ({ ...each, stage: model.stages[each.at], score: scoreOf(each, model.stages[each.at]) }))
    .sort((a, b) => b.score - a.score || b.at - a.at)
  const likely = scored.filter(({ score }) => score >= LIKELY)
  const jointly = (several: readonly Scored[], factor: (each: Scored) => number): Candidate[] =>
    several.length > 1 ? candidate('raise', situation, fitting(situation, several.map(each => raise(situation, each, factor(each), several.length)), several), several) : []
  const together = jointly(likely, each => step(situation, each))
  // Several may hold it up in turn, so that none alone is seen to help. What is too much is given back later.
  const leap = likely.length > 0 ? jointly(scored.filter(({ knob }) => knob.resource !== 'thread'), () => BOLD) : []
  const single = (each: Scored): Candidate[] => [
    ...candidate('raise', situation, [raise(situation, each, step(situation, each))], [each]),
    // Too far perhaps: it did harm, and there is something between.
    ...(tried.get(`${each.name}+`)?.harmful === true ? [...candidate('raise', situation, [raise(situation, each, FINE)], [each], true), ...candidate('lower', situation, [lower(each)], [each])] : []),
    ...shift(situation, each, scored)
  ]
  return [...together, ...likely.flatMap(single), ...leap, ...scored.slice(likely.length).flatMap(single)].filter(each => isNew(each, tried))
}

/** Steps that give back what is not needed, the dearest first. */
export function returns({ knobs, model, tried, floors, overshot }: Situation): Candidate[] {
  const cost = { thread: 0, memory: 1, request: 2 }
  // Of what holds the plan up there is not too much.
  const spareable = knobs.automatic.filter(each => model.satisfied || overshot.has(each.name) || scoreOf(each, model.stages[each.at]) < LIKELY)
  return spareable
    .map((each): Candidate => {
      const from = each.knob.get()
      const least = Math.max(each.knob.least, (floors.get(each.name) ?? -Infinity) + 1)
      const to = Math.max(least, Math.min(from - 1, spare(each, model.stages[each.at])))
      return { kind: 'return', moves: [{ name: each.name, from, to }], at: each.at, why: `${each.name} may have more than it needs`, likely: false }
    })
    .filter(each => each.moves.every(({ from, to }) => to < from) && isNew(each, tried))
    .sort((a, b) => cost[resourceOf(knobs, a)] - cost[resourceOf(knobs, b)])
}

const resourceOf = (knobs: Knobs, { moves }: Candidate) => knobs.automatic.find(({ name }) => name === moves[0]?.name)?.knob.resource ?? 'request'

/** A smaller value with which nothing should change, as far as the model can tell. */
function spare({ knob }: NamedKnob, stage: StageModel | undefined): number {
  const value = knob.get()
  if (stage?.metered !== true) return Math.floor(value / FINE)
  if (knob.resource === 'memory') return stage.starved > 0 && stage.full > 0 ? value : Math.min(Math.floor(value / FINE), Math.ceil(value - 0.75 * stage.leastQueued))
  return stage.inFlight < value / FINE ? Math.ceil(stage.inFlight * MARGIN) : Math.floor(value / FINE)
}

/** How much the stage looks as if that knob held it up, 0 to 1: its output is wanted, and its places are taken. */
function scoreOf({ knob }: NamedKnob, stage: StageModel | undefined): number {
  if (stage?.metered !== true) return 0.01
  // Empty at times, and at others so full that what is below had to stop: it levels out too little. Where that never stops, no buffer helps.
  if (knob.resource === 'memory') return stage.starved > 0 && stage.full > 0 ? Math.min(0.9, 0.1 + 2 * stage.idleShare) : 0.1 * stage.demand
  return stage.demand * taken(knob.get(), stage)
}

/** In order, some places are always held by what is done and waits behind what is not. */
const taken = (value: number, { inFlight }: StageModel): number => Math.min(1, (FINE * inFlight) / value)

function step({ bold, model }: Situation, { knob, score, stage }: Scored): number {
  if (!bold || score < LIKELY) return STEP
  // Where threads are few, all of them is one step.
  return knob.resource === 'thread' && stage !== undefined && model.gapMs === 0 ? BOLD : knob.resource === 'thread' ? STEP : BOLD
}

function raise({ knobs, model, view }: Situation, each: Scored, factor: number, together = 1): Move {
  const from = each.knob.get()
  let to = Math.max(from + 1, Math.ceil(from * factor))
  if (each.stage !== undefined && each.knob.resource !== 'memory' && each.score >= LIKELY) {
    // In order, what is done waits behind what is not, and holds a place.
    const occupied = each.stage.inFlight / Math.max(1e-9, each.stage.inFlight + each.stage.queued)
    const needed = (neededInFlight(model, each.stage) * MARGIN) / Math.max(0.25, occupied)
    // The law speaks of means. What is at its limit and still wanted needs more, by a step that can be measured.
    to = Math.min(to, Math.max(from + 1, Math.ceil(from * FINE), Math.ceil(needed)))
  }
  if (each.stage !== undefined && each.knob.resource === 'memory' && each.score >= LIKELY) {
    const deeper = MARGIN * missingDepth(model, each.stage)
    to = Number.isFinite(deeper) ? Math.max(from * STEP, Math.ceil(Math.min(from * DEEPER, from + deeper))) : to
  }
  return { name: each.name, from, to: Math.max(from, Math.min(to, ceilingOf(each, knobs, model, view, together))) }
}

const lower = ({ name, knob }: Scored): Move => ({ name, from: knob.get(), to: Math.max(knob.least, Math.floor(knob.get() / FINE)) })

/** Shares the threads among several that want more, by the work of their stages. */
function fitting({ knobs, view }: Situation, moves: readonly Move[], scored: readonly Scored[]): Move[] {
  const threads = scored.filter(({ knob }) => knob.resource === 'thread')
  const names = threads.map(({ name }) => name)
  const room = threadRoom(knobs, view.cores, names)
  const wanted = moves.filter(({ name }) => names.includes(name)).reduce((sum, { to }) => sum + to, 0)
  if (wanted <= room) return [...moves]
  const work = ({ stage }: Scored): number => (stage?.serviceMs ?? 0) * (stage?.served ?? 0)
  const total = threads.reduce((sum, each) => sum + work(each), 0)
  return moves.map(move => {
    const own = threads.find(({ name }) => name === move.name)
    if (own === undefined) return move
    return { ...move, to: Math.max(own.knob.least, Math.min(move.to, Math.floor(total > 0 ? (room * work(own)) / total : room / threads.length))) }
  })
}

/** All threads are given away: one that has less to do lends one. */
function shift(situation: Situation, each: Scored, scored: readonly Scored[]): Candidate[] {
  const { knobs, view } = situation
  if (each.knob.resource !== 'thread' || each.score < LIKELY || threadRoom(knobs, view.cores, []) > 0 || each.knob.get() >= each.knob.most) return []
  const donor = scored.filter(other => other !== each && other.knob.resource === 'thread' && other.knob.get() > other.knob.least).at(-1)
  if (donor === undefined) return []
  const lent = { name: donor.name, from: donor.knob.get(), to: donor.knob.get() - 1 }
  return candidate('raise', situation, [lent, { name: each.name, from: each.knob.get(), to: each.knob.get() + 1 }], [each])
}

function candidate(kind: 'raise' | 'lower', { model }: Situation, moves: readonly Move[], scored: readonly Scored[], finer = false): Candidate[] {
  const first = scored[0]
  const changes = moves.filter(({ from, to }) => from !== to)
  if (first === undefined || changes.length === 0) return []
  const at = Math.min(...scored.map(each => each.at))
  return [{ kind, moves: changes, at, why: `${whyOf(model, first.at, first.knob.get())}${finer ? '; less far' : ''}`, likely: first.score >= LIKELY }]
}

/** What was taken back is not tried again, but for a step that is clearly smaller. */
function isNew(each: Candidate, tried: Tried): boolean {
  const before = tried.get(keyOf(each))
  const move = each.moves[0]
  if (before === undefined || move === undefined) return true
  return before.harmful && each.kind === 'raise' && move.to > move.from && each.moves.length === 1 && move.to - move.from <= (before.to - move.from) / 2
}
