import type { PlanNode } from '../plan/node.js'
import type { Cursor, OpenContext, Saved, Stage, State } from '../plan/operator.js'
import { savedPosition, savedStates } from '../plan/saved.js'
import type { Json, MaybePromise } from '../types.js'
import { isPromise, run, wait } from '../util/promise.js'
import { callStage, codeGenerationAllowed, DONE, FAILED, generatedLoop, generation, interpretedLoop, type BoundStage, type Frame, type StageLoop } from './stage-loop.js'

/** A node whose operator is a stage, with the stage that it makes. */
export interface StageNode {
  readonly node: PlanNode
  readonly stage: Stage
}

/** Generated loops, kept with the functions they call: a plan that is opened every epoch is compiled once. */
const COMPILED = new WeakMap<object, StageLoop>()
/** Elements that cursors of the same functions have interpreted before: tasks of a worker thread are short, and many. */
const INTERPRETED = new WeakMap<object, number>()

/** Older positions are asked for only after an error in the middle of a chunk: marks may be far apart. */
const TRACK_EVERY = 4096

/** Elements taken at a time from a source that is free to read: behind a filter, exact demands get ever smaller. */
const FREE_CHUNK = 256
/** Elements for which room is made at once. */
const MOST_ROOM = 1024

/**
 * Runs a chain of elementwise stages as one cursor. State: for every stage the number of elements that reached it, nested
 * as the nodes of the plan are, so that it does not matter which of them were fused.
 */
export function openStages(chain: readonly StageNode[], key: object, ctx: OpenContext, inputNode: PlanNode, saved: Json | undefined, savedInputs: readonly State[] | undefined): Cursor<unknown> {
  const restored = unnest(chain, saved, savedInputs)
  const input = ctx.open(inputNode, { saved: restored.input })
  const { bound, firstOfCounter } = bind(chain, ctx)
  const frame: Frame = { at: 0, filled: 0, stage: 0, value: undefined, outcome: undefined, counts: firstOfCounter.map(s => restored.counts[s] ?? 0) }
  let loop = COMPILED.get(key) ?? interpretedLoop(bound)
  let interpreted = !COMPILED.has(key)
  const before = bound.every(stage => stage.context === null) ? INTERPRETED.get(key) ?? 0 : 0 // else it would be compiled for each anew
  const taken = (): number => (frame.counts[0] as number) - (restored.counts[0] ?? 0)
  const source = ctx.track(input, TRACK_EVERY)
  const drops = restored.drops.some(drop => drop > 0) ? restored.drops : undefined
  let chunk: readonly unknown[] = []
  let base = 0 // position in `source` of chunk[0]
  let inputError: { readonly error: unknown } | undefined
  let failure: { readonly error: unknown; readonly counts: readonly number[] } | undefined

  /** Makes of a failed stage the error to be thrown, and moves on behind its element. */
  const fail = (counted: readonly number[], stage: number, error: unknown): void => {
    const reached = (bound[stage] as BoundStage).counter
    failure = {
      error: ctx.userError(error, (counted[reached] as number) - 1, (chain[stage] as StageNode).node),
      counts: counted.map((count, counter) => (counter <= reached ? count - 1 : count))
    }
    countError(reached + 1)
  }
  /** An error takes an index in every stage that it passes, so that those of later elements do not depend on fusion. */
  const countError = (from: number): void => {
    for (let counter = from; counter < frame.counts.length; counter++) frame.counts[counter] = (frame.counts[counter] as number) + 1
  }
  const throwInput = (error: unknown): never => {
    if (!ctx.signal.aborted) countError(0)
    throw error
  }

  /** The rest of an element whose stage returned a promise, or that runs while outputs of single stages are left out. */
  function* finish(from: number, value: unknown, outcome: unknown, out: unknown[]): Generator<PromiseLike<unknown>, void, unknown> {
    const { counts } = frame
    for (let s = from; ; ) {
      const stage = bound[s] as BoundStage
      try {
        const result = yield* wait(outcome)
        if (stage.kind === 'map') value = result
        else if (!result) break
        const left = drops?.[s] ?? 0
        if (drops !== undefined && left > 0) {
          drops[s] = left - 1
          break
        }
        if (stage.kind === 'filter' && s + 1 < bound.length) counts[stage.counter + 1] = (counts[stage.counter + 1] as number) + 1
        if (++s === bound.length) {
          out[frame.filled++] = value
          break
        }
        outcome = callStage(bound[s] as BoundStage, value, counts)
      } catch (error) {
        fail(counts, s, error)
        return
      }
    }
    frame.at++
  }

  /** One element through the slow path, from its first stage. */
  function* enter(out: unknown[]): Generator<PromiseLike<unknown>, void, unknown> {
    const value = chunk[frame.at]
    frame.counts[0] = (frame.counts[0] as number) + 1
    let outcome: unknown
    try {
      outcome = callStage(bound[0] as BoundStage, value, frame.counts)
    } catch (error) {
      fail(frame.counts, 0, error)
      return
    }
    yield* finish(0, value, outcome, out)
  }

  /** What the rest of an output needs; of a source that is free to read, a chunk of good length. */
  const wanted = (max: number): number => (inputNode.op.free === true ? FREE_CHUNK : max - frame.filled)
  const trimmed = (out: unknown[]): unknown[] => {
    if (out.length !== frame.filled) out.length = frame.filled
    return out
  }
  const ended = (out: unknown[]): unknown[] | null => (frame.filled > 0 ? trimmed(out) : null)

  function* fill(max: number, out: unknown[]): Generator<PromiseLike<unknown>, unknown[] | null, unknown> {
    for (;;) {
      if (inputError !== undefined || failure !== undefined) {
        if (frame.filled > 0) return trimmed(out) // first what came before
        const { error } = (inputError ?? failure) as { error: unknown }
        const ofInput = inputError !== undefined
        inputError = failure = undefined
        if (ofInput) throwInput(error)
        frame.at++
        throw error
      }
      if (frame.at < chunk.length) {
        if (drops?.some(drop => drop > 0) === true) yield* enter(out)
        else {
          const status = loop(chunk, out, frame, max)
          if (status === FAILED) fail(frame.counts, frame.stage, frame.outcome)
          else if (status !== DONE) yield* finish(frame.stage, frame.value, frame.outcome, out)
        }
        if (frame.filled >= max && failure === undefined) return trimmed(out)
        continue
      }
      source.release(source.position)
      if (frame.filled >= max) return trimmed(out)
      base = source.position
      try {
        const next: unknown[] | null = yield* wait(source.pull(wanted(max)))
        if (next === null) return ended(out)
        chunk = next
        frame.at = 0
      } catch (error) {
        inputError = { error }
      }
    }
  }

  const interrupted = (status: number, max: number, out: unknown[]): MaybePromise<unknown[] | null> =>
    run(function* () {
      if (status === FAILED) fail(frame.counts, frame.stage, frame.outcome)
      else yield* finish(frame.stage, frame.value, frame.outcome, out)
      return yield* fill(max, out)
    })
  const later = async (pending: Promise<unknown[] | null>, max: number, out: unknown[]): Promise<unknown[] | null> => {
    try {
      const next = await pending
      if (next === null) return ended(out)
      chunk = next
      frame.at = 0
    } catch (error) {
      if (frame.filled === 0) throwInput(error)
      inputError = { error }
      return trimmed(out)
    }
    return run(() => fill(max, out))
  }

  /** Generating a loop costs as much as interpreting some hundred elements: short-lived plans are spared it. */
  const compile = (): void => {
    interpreted = false
    if (!codeGenerationAllowed()) return
    loop = generatedLoop(bound)
    // Loops that make contexts belong to one iteration; all others serve every iteration over the plan.
    if (bound.every(stage => stage.context === null)) COMPILED.set(key, loop)
  }

  return {
    pull(max) {
      if (interpreted && before + taken() >= generation.after) compile()
      frame.filled = 0
      if (failure !== undefined || inputError !== undefined || drops !== undefined) return run(() => fill(max, []))
      // The fast path: chunks that are here, and stages that return plain values.
      const out = new Array<unknown>(Math.min(max, MOST_ROOM))
      for (;;) {
        if (frame.at < chunk.length) {
          const status = loop(chunk, out, frame, max)
          if (status !== DONE) return interrupted(status, max, out)
          if (frame.filled >= max) return trimmed(out)
        }
        source.release(source.position)
        base = source.position
        let next: MaybePromise<unknown[] | null>
        try {
          next = source.pull(wanted(max))
        } catch (error) {
          if (frame.filled === 0) throwInput(error)
          inputError = { error }
          return trimmed(out)
        }
        if (isPromise(next)) return later(next, max, out)
        if (next === null) return ended(out)
        chunk = next
        frame.at = 0
      }
    },
    save(): Saved {
      const counts = failure?.counts ?? frame.counts
      const position = inputError !== undefined ? base : frame.at < chunk.length ? base + frame.at : source.position
      let ahead = 0 // a stage above outputs that are still to be left out has counted them already
      const selves = bound.map(({ counter }, s) => {
        if (bound[s - 1]?.counter !== counter) ahead = 0
        const self = (counts[counter] as number) + ahead
        ahead += drops?.[s] ?? 0
        return self
      })
      return nest(selves, source.stateAt(position), drops)
    },
    close() {
      if (interpreted) INTERPRETED.set(key, before + taken())
    }
  }
}

function bind(chain: readonly StageNode[], ctx: OpenContext): { bound: BoundStage[]; firstOfCounter: number[] } {
  let counter = 0
  const firstOfCounter = [0]
  const bound = chain.map(({ node, stage }, s): BoundStage => {
    const mine = counter
    if (stage.kind === 'filter' && s + 1 < chain.length) {
      counter++
      firstOfCounter.push(s + 1)
    }
    return { kind: stage.kind, fn: stage.fn as BoundStage['fn'], context: wantsContext(stage.fn) ? ctx.elementContexts(stage.seed, node) : null, counter: mine }
  })
  return { bound, firstOfCounter }
}

/**
 * Whether a function looks at its second argument: making a context costs more than most functions. True when in doubt:
 * for two declared parameters, default values, rest parameters, bound functions, and `arguments`.
 */
export function wantsContext(fn: (...args: never[]) => unknown): boolean {
  const { loaded } = fn as { readonly loaded?: unknown } // by a portable function: what it stands for
  if (typeof loaded === 'function') fn = loaded as typeof fn
  if (fn.length > 1) return true
  let wants = WANTS.get(fn)
  if (wants === undefined) WANTS.set(fn, (wants = looksAtContext(fn)))
  return wants
}

/** Chains are opened often, and reading the text of a function takes longer than the rest of it. */
const WANTS = new WeakMap<object, boolean>()

function looksAtContext(fn: (...args: never[]) => unknown): boolean {
  const text = Function.prototype.toString.call(fn)
  const arrow = text.indexOf('=>')
  const parameters = text.slice(0, arrow < 0 ? text.indexOf(')') : arrow)
  return parameters.includes(',') || parameters.includes('...') || (fn.length === 0 && parameters.includes('=')) || /\barguments\b|\[native code\]/.test(text)
}

/** State of a chain: that of its last stage, with the others inside it. */
function nest(counts: readonly number[], input: State, drops: readonly number[] | undefined): Saved {
  let below = input
  for (let s = 0; s + 1 < counts.length; s++) {
    const drop = drops?.[s] ?? 0
    below = { self: counts[s] as number, inputs: [below], ...(drop > 0 && { drop }) }
  }
  return { self: counts.at(-1) as number, inputs: [below] }
}

function unnest(chain: readonly StageNode[], saved: Json | undefined, savedInputs: readonly State[] | undefined): { counts: number[]; drops: number[]; input: State | undefined } {
  const counts = new Array<number>(chain.length).fill(0)
  const drops = new Array<number>(chain.length).fill(0)
  let state: State | undefined = { ...(saved !== undefined && { self: saved }), ...(savedInputs !== undefined && { inputs: savedInputs }) }
  for (let s = chain.length - 1; s >= 0; s--) {
    const { name } = (chain[s] as StageNode).node.op
    counts[s] = savedPosition(name, state?.self)
    drops[s] = state?.drop ?? 0 // of the last one, the engine leaves them out
    state = savedStates(name, state?.self, state?.inputs, 1)?.[0]
  }
  return { counts, drops, input: state }
}
