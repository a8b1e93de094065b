import { expect } from '@jest/globals'
import type { Dataset } from '../../src/dataset.js'
import { iterate, type DatasetIterator, type IterateOptions } from '../../src/engine/iterate.js'
import { plainServices, type Services } from '../../src/engine/scope.js'
import { optimizeInner } from '../../src/optimizer/optimize-inner.js'
import { optimizedPlan } from '../../src/optimizer/optimized-plan.js'
import type { LiveKnob, TunerView } from '../../src/plan/tuning.js'
import { keyOfSeed, Rng } from '../../src/util/rng.js'

/** An iteration whose tuner only looks: the test sets the knobs. */
export function watched<T>(ds: Dataset<T>, options: IterateOptions = {}, services: Partial<Services> = {}, optimized = optimizedPlan(ds.plan).plan): { readonly iterator: DatasetIterator<T>; view(): TunerView; knobs(): LiveKnob[]; knob(name: string): LiveKnob } {
  let seen: TunerView | undefined
  const tune: Services['tune'] = view => {
    seen = view
    return { log: () => [], profile: () => ({ version: 1, knobs: {} }), stop: () => undefined }
  }
  const iterator = iterate({ plan: ds.plan, optimized, optimize: optimizeInner, services: { ...plainServices(), tune, ...services } }, { seed: 5, epoch: 0, ...options })
  const view = (): TunerView => {
    if (seen === undefined) throw new Error('the tuner was not started')
    return seen
  }
  const knobs = (): LiveKnob[] => (seen === undefined ? [] : seen.stages().flatMap(stage => stage.knobs).filter(({ auto }) => auto))
  const knob = (name: string): LiveKnob => {
    const found = knobs().find(knob => knob.name === name)
    if (found === undefined) throw new Error(`no knob ${name}`)
    return found
  }
  return { iterator, view, knobs, knob }
}

type Event = { readonly value: unknown } | { readonly error: string }

async function nextEvent(iterator: DatasetIterator<unknown>): Promise<Event | undefined> {
  try {
    const step = await iterator.next()
    return step.done === true ? undefined : { value: step.value }
  } catch (error) {
    return { error: (error as Error).message }
  }
}

async function events(iterator: DatasetIterator<unknown>): Promise<Event[]> {
  const out: Event[] = []
  for (let event = await nextEvent(iterator); event !== undefined; event = await nextEvent(iterator)) out.push(event)
  await iterator.close()
  return out
}

/**
 * Runs a plan while its knobs change at random, before and while elements are waited for, and from checkpoints taken on the way with knobs
 * set otherwise: always the same elements and errors.
 */
export async function changesNothing(make: () => Dataset<unknown>, { seed, changes, names }: { readonly seed: number; readonly changes: number; readonly names: readonly string[] }): Promise<void> {
  const rng = new Rng(keyOfSeed(seed))
  const expected = await events(watched(make()).iterator)
  const moved = new Map<string, Set<number>>()
  let done = 0
  const turn = (knobs: readonly LiveKnob[]): void => {
    for (const knob of knobs) {
      const value = knob.least + Math.floor(rng.uniform() ** 2 * (Math.min(knob.most, 40) - knob.least + 1))
      knob.set(value)
      expect(knob.get()).toBe(value)
      moved.set(knob.name, (moved.get(knob.name) ?? new Set()).add(value))
      done++
    }
  }
  while (done < changes) {
    const running = watched(make())
    for (let at = 0; ; at++) {
      turn(running.knobs())
      const pending = nextEvent(running.iterator)
      if (rng.uniform() < 0.5) await null
      turn(running.knobs()) // while it is pending
      const event = await pending
      expect(event).toEqual(expected[at])
      if (event === undefined) break
      if (rng.uniform() < 0.1) {
        const from = JSON.parse(JSON.stringify(running.iterator.checkpoint())) as ReturnType<typeof running.iterator.checkpoint>
        const resumed = watched(make(), { from })
        const first = await nextEvent(resumed.iterator)
        turn(resumed.knobs())
        const rest = first === undefined ? [] : [first, ...(await events(resumed.iterator))]
        expect(rest).toEqual(expected.slice(at + 1))
        await resumed.iterator.close()
      }
    }
    await running.iterator.close()
  }
  for (const name of names) expect(moved.get(name)?.size).toBeGreaterThan(3)
}
