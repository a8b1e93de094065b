import { MillraceError } from '../errors.js'
import type { PlanNode } from '../plan/node.js'
import type { Cursor, Input, NestedOptions, OpenContext, RandomAccess, Saved, State } from '../plan/operator.js'
import { savedStates } from '../plan/saved.js'
import type { MaybePromise } from '../types.js'
import { chain, isPromise, run, wait } from '../util/promise.js'
import { accountOf } from './memory-budget.js'
import { newMeter } from '../plan/tuning.js'
import { elementContexts, newCounters, operatorError, randomKey, userError, type Iteration, type Place, type StageCounters } from './scope.js'
import { trackInput } from './track.js'

/** By params, which rules carry from node to node. */
const MEMO = new WeakMap<object, Map<string, unknown>>()
const DEFAULT_TRACK = 64
const NOTHING: Saved = Object.freeze({})
const saveInput = (input: Input): State => input.save()
const isRefused = (state: State): boolean => state.refused !== undefined
/** A clock costs as much as a cheap pull: one in so many of them is timed. No multiple of the lengths that chunks have. */
const QUICK_EVERY = 17
/** Milliseconds from which a pull is worth a clock; the next one is timed too. */
const SLOW_MS = 0.02

/**
 * Opens a plan: the only recursion over running operators. It owns what no operator's author should have to write:
 * opening inputs, closing in the right order, passing over what was delivered before a checkpoint, states, statistics
 * and the context of errors.
 */
export function openPlan<T>(node: PlanNode<T>, iteration: Iteration, place: Place, saved?: State, listed = false): Input<T> {
  const inputs = node.op.lazyInputs === true ? [] : openInputs(node, iteration, place, saved, listed)
  if (node.op.transparent === true) saved = undefined // its state was its input's
  const stats = (listed ? iteration.stages.get(node) : undefined) ?? newCounters(node)
  if (listed) iteration.stages.set(node, stats)
  return new Running(node, iteration, place, inputs, saved, stats, listed)
}

function openInputs(node: PlanNode, iteration: Iteration, place: Place, saved: State | undefined, listed: boolean): Input[] {
  if (node.op.transparent !== true) savedStates(node.op.name, saved?.self, saved?.inputs, node.inputs.length)
  return node.inputs.map((input, k) =>
    openPlan(input, iteration, k === 0 ? place : { ...place, branch: branchOf(place, k) }, node.op.transparent === true ? saved : saved?.inputs?.[k], listed))
}

/** Distinct for every path of branch numbers, short of accidents in 2³². */
function branchOf(place: Place, branch: number): number {
  return branch === 0 ? place.branch : (Math.imul(place.branch ^ branch, 0x9e3779b1) ^ branch) >>> 0
}

class Running<T> implements Input<T> {
  readonly #node: PlanNode<T>
  readonly #iteration: Iteration
  readonly #inputs: readonly Input[]
  readonly #nested = new Set<Input>()
  readonly #cursor: Cursor<T>
  readonly #stats: StageCounters
  #parent: Running<unknown> | undefined
  #ordered: boolean
  #drop: number
  #faults: number[]
  #seen = 0
  #replaying: boolean
  #pending: Promise<unknown> | undefined
  #closing: Promise<void> | undefined
  #account: ReturnType<typeof accountOf> | undefined
  #untimed = 1 // pulls until one is timed
  #weight = 1 // of that one: it stands for so many

  constructor(node: PlanNode<T>, iteration: Iteration, place: Place, inputs: readonly Input[], saved: State | undefined, stats: StageCounters, listed: boolean) {
    this.#node = node
    this.#iteration = iteration
    this.#inputs = inputs
    this.#stats = stats
    this.#ordered = node.op.ordered?.(node.params) !== false
    for (const input of inputs) this.#adopt(input)
    this.#drop = saved?.drop ?? 0
    this.#faults = saved?.faults?.slice() ?? []
    this.#replaying = this.#drop > 0 || this.#faults.length > 0
    this.#cursor = node.op.open({
      params: node.params,
      inputs,
      node,
      saved: saved?.self,
      savedInputs: saved?.inputs,
      ctx: this.#context(place, listed)
    })
  }

  get ordered(): boolean {
    return this.#ordered
  }

  /** What is unordered makes all above it unordered. */
  #adopt(input: Input): void {
    if (input instanceof Running) input.#parent = this
    if (input.ordered !== false) return
    for (let above: Running<unknown> | undefined = this; above !== undefined; above = above.#parent) above.#ordered = false
  }

  pull(max: number): MaybePromise<T[] | null> {
    return this.#replaying ? this.#replay(max) : this.#pull(max)
  }

  #pull(max: number): MaybePromise<T[] | null> {
    if (this.#iteration.aborted) throw this.#iteration.signal.reason
    if (this.#closing !== undefined) throw new MillraceError('Closed', `${this.#node.op.name}: pulled after it was closed`)
    this.#stats.pulls++
    const started = --this.#untimed <= 0 ? performance.now() : 0
    let chunk: MaybePromise<T[] | null>
    try {
      chunk = this.#cursor.pull(max)
    } catch (error) {
      throw operatorError(this.#iteration, this.#node, error)
    }
    if (isPromise(chunk)) {
      const returned = performance.now()
      const pending = chunk.then(
        chunk => this.#took(chunk, started, returned),
        error => {
          this.#pending = undefined
          this.#timed(started, returned)
          throw operatorError(this.#iteration, this.#node, error)
        }
      )
      return (this.#pending = pending)
    }
    return this.#took(chunk, started, 0)
  }

  /** What is waited for is timed each time: among quick pulls one in many takes long, and chance would decide whether it is seen. */
  #timed(started: number, returned: number): void {
    const now = performance.now()
    const stats = this.#stats
    const waited = returned === 0 ? 0 : now - returned
    const from = started === 0 ? returned : started
    stats.busyMs += waited
    stats.waitMs += waited
    if (started !== 0) {
      stats.busyMs += (now - waited - started) * this.#weight
      this.#untimed = this.#weight = now - started > SLOW_MS ? 1 : QUICK_EVERY
    }
    this.#iteration.tracer?.stage(stats.operator, from, now)
  }

  #took(chunk: T[] | null, started: number, returned: number): T[] | null {
    this.#pending = undefined
    if (started !== 0 || returned !== 0) this.#timed(started, returned)
    if (chunk !== null) this.#stats.elements += chunk.length
    return chunk
  }

  /** The first pulls after a restore: leaves out what was delivered before, and errors that were thrown before. */
  #replay(max: number): MaybePromise<T[] | null> {
    const self = this
    return run(function* () {
      for (;;) {
        const dropping = self.#drop > 0
        let chunk: T[] | null
        try {
          chunk = yield* wait(self.#pull(dropping ? Math.min(self.#drop, 256) : max))
        } catch (error) {
          if (self.#faults[0] !== self.#seen) throw error
          self.#faults.shift()
          self.#replaying = self.#drop > 0 || self.#faults.length > 0
          continue
        }
        if (dropping && chunk === null) {
          const missing = self.#drop
          self.#drop = 0 // said once; behind it is the end
          self.#faults = []
          self.#replaying = false
          throw new MillraceError('Checkpoint', `${self.#node.op.name}: the data end ${missing} elements before the place where the checkpoint was taken: they are not the same data`, { operator: self.#node.op.name })
        }
        self.#seen += chunk?.length ?? 0
        if (dropping) self.#drop -= chunk?.length ?? 0
        if (self.#faults.length > 0 && self.#seen > (self.#faults.at(-1) as number)) self.#faults = []
        self.#replaying = self.#drop > 0 || self.#faults.length > 0
        if (!dropping) return chunk
      }
    })
  }

  save(): State {
    const { self, inputs, drop: behind = 0, refused } = this.#cursor.save?.() ?? NOTHING
    const below = inputs ?? this.#inputs.map(saveInput)
    if (this.#node.op.transparent !== true && !this.#replaying && behind === 0 && refused === undefined) {
      // The usual case, without the cost of optional members: states are taken while elements flow.
      const state = below.length === 0 ? { self } : { self, inputs: below }
      if (self !== undefined && !below.some(isRefused)) return state as State
    }
    const drop = this.#drop + behind
    const faults = this.#faults.map(fault => fault - this.#seen).filter(fault => fault >= 0).map(fault => fault + behind)
    const reason = refused ?? below.find(isRefused)?.refused
    const state: State = this.#node.op.transparent === true ? (below[0] ?? {}) : {
      ...(self !== undefined && { self }),
      ...(below.length > 0 && { inputs: below }),
      ...(drop > 0 && { drop }),
      ...(faults.length > 0 && { faults })
    }
    return reason === undefined ? state : { ...state, refused: reason }
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  /** Own resources first, then nested plans, then inputs; all of them, whatever fails. The first failure is thrown. */
  async #close(): Promise<void> {
    const failures: unknown[] = []
    const attempt = async (step: () => MaybePromise<void>): Promise<void> => {
      try {
        await step()
      } catch (error) {
        failures.push(error)
      }
    }
    await this.#pending?.catch(() => undefined) // its outcome has reached whoever waits for it
    await attempt(() => this.#cursor.close?.())
    for (const nested of [...this.#nested]) await attempt(() => nested.close())
    for (const input of this.#inputs) await attempt(() => input.close())
    this.#account?.close()
    if (failures.length > 0) throw operatorError(this.#iteration, this.#node, failures[0])
  }

  #context(place: Place, listed: boolean): OpenContext {
    const self = this
    const iteration = this.#iteration
    const node = this.#node
    const placed = (options: NestedOptions): Place => options.pass ?? { epoch: options.epoch ?? place.epoch, branch: branchOf(place, options.branch ?? 0) }
    const seeded = ({ pass }: NestedOptions): Iteration => (pass === undefined || pass.seed === iteration.seed ? iteration : { ...iteration, seed: pass.seed })
    return {
      signal: iteration.signal,
      epoch: place.epoch,
      pass: { seed: iteration.seed, epoch: place.epoch, branch: place.branch },
      randomKey: (seed, epoch = place.epoch) => randomKey(iteration, { ...place, epoch }, node, seed),
      track: (input, every = DEFAULT_TRACK) => trackInput(input, every),
      open: <U>(plan: PlanNode<U>, options: NestedOptions = {}): Input<U> => {
        const own = node.inputs.includes(plan) // already optimised with the plan that it is part of
        const input = openPlan(own ? plan : (iteration.optimize(plan) as PlanNode<U>), seeded(options), placed(options), options.saved, listed && own)
        this.#nested.add(input)
        this.#adopt(input)
        return {
          get ordered() {
            return input.ordered !== false
          },
          pull: max => input.pull(max),
          save: () => input.save(),
          close: () => {
            this.#nested.delete(input)
            return input.close()
          }
        }
      },
      randomAccess: (plan, options = {}) => openRandomAccess(plan, seeded(options), placed(options)),
      elementContexts: (seed, origin = node) => elementContexts(iteration, place, origin, seed),
      userError: (error, index, origin = node) => userError(iteration, origin, error, index),
      note: what => {
        const notes = (this.#stats.notes ??= {})
        notes[what] = (notes[what] ?? 0) + 1
      },
      get meter() {
        return (self.#stats.meter ??= newMeter())
      },
      knob: knob => {
        const knobs = (this.#stats.knobs ??= [])
        const at = knobs.findIndex(({ name }) => name === knob.name)
        const { initialParallelism } = iteration.services
        if (at >= 0) {
          // A cursor that is opened again takes the place of the one before, and goes on with its value.
          const [before] = knobs.splice(at, 1, knob)
          if (knob.auto && before !== undefined) knob.set(before.get())
        } else {
          knobs.push(knob)
          if (knob.auto && initialParallelism !== undefined && knob.resource !== 'memory') knob.set(Math.max(knob.least, Math.min(knob.most, initialParallelism)))
        }
        if (listed) iteration.knobAdded?.(knob)
      },
      span: iteration.tracer?.span,
      get memory() {
        if (self.#account === undefined) self.#account = self.#stats.memory = accountOf(iteration.services.budget)
        return self.#account
      },
      threading: iteration.services.threading,
      workers: () => iteration.services.workers(),
      get memo() {
        const memo = MEMO.get(node.params as object) ?? new Map<string, unknown>()
        MEMO.set(node.params as object, memo)
        return memo
      }
    }
  }
}

/** Random access where the source has it and every operator above it passes it on, as transparent ones do: they change nothing. */
function openRandomAccess<T>(node: PlanNode<T>, iteration: Iteration, place: Place): MaybePromise<RandomAccess<T> | null> {
  if (node.op.transparent === true) return openRandomAccess(node.inputs[0] as PlanNode<T>, iteration, place)
  if (node.op.randomAccess === undefined) return null
  const inputs = node.inputs.map((input, k) => openRandomAccess(input, iteration, { ...place, branch: branchOf(place, k) }))
  const ctx = {
    signal: iteration.signal,
    epoch: place.epoch,
    randomKey: (seed: number | undefined, epoch = place.epoch) => randomKey(iteration, { ...place, epoch }, node, seed),
    elementContexts: (seed?: number, origin: PlanNode = node) => elementContexts(iteration, place, origin, seed),
    userError: (error: unknown, index: number, origin: PlanNode = node) => userError(iteration, origin, error, index)
  }
  const { randomAccess } = node.op
  const open = (inputs: (RandomAccess | null)[]): MaybePromise<RandomAccess<T> | null> =>
    chain(randomAccess.call(node.op, { params: node.params, inputs, ctx }) as MaybePromise<RandomAccess<T> | null>, access => {
      if (access !== null || inputs.every(input => input?.close === undefined)) return access
      return Promise.all(inputs.map(async input => input?.close?.())).then(() => null)
    })
  return inputs.some(isPromise) ? allOrNone(inputs).then(open) : open(inputs as (RandomAccess | null)[])
}

/** What all of them resolve to. When one fails, the others are closed. */
async function allOrNone(inputs: readonly MaybePromise<RandomAccess | null>[]): Promise<(RandomAccess | null)[]> {
  const outcomes = await Promise.allSettled(inputs.map(async input => input))
  const failure = outcomes.find(outcome => outcome.status === 'rejected')
  if (failure === undefined) return outcomes.map(outcome => (outcome as PromiseFulfilledResult<RandomAccess | null>).value)
  for (const outcome of outcomes) if (outcome.status === 'fulfilled') await outcome.value?.close?.()
  throw failure.reason
}
