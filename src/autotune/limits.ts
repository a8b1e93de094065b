/** The ceilings: threads, measured memory, and an event loop that has no more time to give. */
import type { TunerView } from '../plan/tuning.js'
import type { Knobs, Move, NamedKnob } from './knobs.js'
import type { Model, StageModel } from './model.js'

/** From this share of the memory ceiling on nothing is raised, and buffers are lowered. */
export const NEAR_MEMORY = 0.85
/** Steps are planned for less, so that elements may be larger than they were. */
const PLANNED_MEMORY = 0.75
/** From this share of the time on more promises do not help. */
const LOOP_BUSY = 0.95

const isThread = ({ knob }: NamedKnob): boolean => knob.resource === 'thread'

/** Threads that are left when all but those knobs have theirs. */
export function threadRoom(knobs: Knobs, cores: number, except: readonly string[]): number {
  return cores - knobs.all.filter(each => isThread(each) && !except.includes(each.name)).reduce((sum, { knob }) => sum + knob.get(), 0)
}

/** Lowers the largest thread knobs until all of them fit. Those that the user set keep their number. */
export function fitThreads(knobs: Knobs, cores: number): Move[] {
  const values = new Map(knobs.automatic.filter(isThread).map(({ name, knob }) => [name, knob.get()]))
  let over = -threadRoom(knobs, cores, [])
  while (over > 0) {
    const largest = knobs.automatic
      .filter(each => isThread(each) && (values.get(each.name) ?? 0) > each.knob.least)
      .sort((a, b) => (values.get(b.name) ?? 0) - (values.get(a.name) ?? 0))[0]
    if (largest === undefined) break
    values.set(largest.name, (values.get(largest.name) ?? 0) - 1)
    over--
  }
  return movesTo(knobs, values)
}

/** Share of the memory ceiling that is in use, by what is held or by what the process has grown. */
export function memoryShare(view: TunerView): number {
  const { heldBytes, usedBytes, ceilingBytes } = view.memory()
  return ceilingBytes > 0 ? Math.max(heldBytes, usedBytes) / ceilingBytes : 0
}

/** Lowers buffers, the fullest first in line with the rest; when they are as small as can be, what is under way too. */
export function cutMemory(knobs: Knobs, share: number): Move[] {
  const factor = share >= 1 ? 0.5 : 0.75
  const lowered = (resources: readonly string[]): Move[] =>
    movesTo(knobs, new Map(knobs.automatic.filter(({ knob }) => resources.includes(knob.resource)).map(({ name, knob }) => [name, Math.max(knob.least, Math.floor(knob.get() * factor))])))
  const buffers = lowered(['memory'])
  return buffers.length > 0 || share < 1 ? buffers : lowered(['request', 'thread'])
}

/** The highest value that a knob may be given now, when so many are raised together. */
export function ceilingOf({ at, name, knob }: NamedKnob, knobs: Knobs, model: Model, view: TunerView, together: number): number {
  const value = knob.get()
  if (memoryShare(view) >= NEAR_MEMORY) return value
  if (knob.resource === 'request' && model.loop > LOOP_BUSY) return value
  let most = knob.most
  if (knob.resource === 'thread') most = Math.min(most, Math.max(value, threadRoom(knobs, view.cores, [name])))
  const perUnit = bytesPerUnit(value, model.stages[at])
  if (perUnit > 0) most = Math.min(most, Math.floor(value + memoryRoom(knobs, model, view) / together / perUnit))
  return Math.max(value, most)
}

/** As if each place that it may fill were as large as the largest that were filled. */
function bytesPerUnit(value: number, stage: StageModel | undefined): number {
  return stage === undefined ? 0 : Math.max(stage.bytesEach, stage.heldBytes / Math.max(1, value))
}

/** Bytes that are left when every stage has filled the places that it has. */
function memoryRoom(knobs: Knobs, model: Model, view: TunerView): number {
  const { heldBytes, usedBytes, ceilingBytes } = view.memory()
  const unfilled = knobs.all.reduce((sum, { at, knob }) => {
    const stage = model.stages[at]
    return sum + Math.max(0, bytesPerUnit(knob.get(), stage) * knob.get() - (stage?.heldBytes ?? 0))
  }, 0)
  return PLANNED_MEMORY * ceilingBytes - Math.max(heldBytes, usedBytes) - unfilled
}

function movesTo(knobs: Knobs, values: ReadonlyMap<string, number>): Move[] {
  return [...values].map(([name, to]) => ({ name, from: knobs.value(name), to })).filter(({ from, to }) => from !== to)
}
