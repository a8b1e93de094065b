import type { ElementContext, Stage } from '../plan/operator.js'
import { isPromise } from '../util/promise.js'

/** Where a {@link StageLoop} stopped, and how many elements each stage has seen. */
export interface Frame {
  /** Next index in the chunk. */
  at: number
  /** Elements in `out`, which may be longer: room is made once instead of growing it. */
  filled: number
  /** The stage that suspended or failed. */
  stage: number
  /** The value that entered that stage. */
  value: unknown
  /** What it threw, or the promise that it returned. */
  outcome: unknown
  /** Elements that reached stage `i`, for `i` = 0 and for every stage behind a filter; others equal the one before. */
  readonly counts: number[]
}

export const DONE = 0
export const FAILED = 1
export const SUSPENDED = 2

/**
 * Runs the elements of a chunk through all stages, putting what comes out behind the `frame.filled` elements of `out`, until the chunk is done, there are `max`, a function
 * throws, or a function returns a promise. Then `frame` says where; the element at `frame.at` is the one concerned.
 */
export type StageLoop = (chunk: readonly unknown[], out: unknown[], frame: Frame, max: number) => 0 | 1 | 2

/** A stage, ready to run: `context` is null where the function does not want one. */
export interface BoundStage {
  readonly kind: Stage['kind']
  readonly fn: (value: unknown, context?: ElementContext) => unknown
  readonly context: ((index: number) => ElementContext) | null
  /** Index into `Frame.counts`. */
  readonly counter: number
}

/** The plain form, which the generated one must equal. */
export function interpretedLoop(stages: readonly BoundStage[]): StageLoop {
  return (chunk, out, frame, max) => {
    const { counts } = frame
    element: for (; frame.at < chunk.length && frame.filled < max; frame.at++) {
      let value = chunk[frame.at]
      counts[0] = (counts[0] as number) + 1
      for (let s = 0; s < stages.length; s++) {
        const stage = stages[s] as BoundStage
        let result: unknown
        let waits: boolean
        try {
          result = callStage(stage, value, counts)
          waits = isPromise(result) // may throw: anybody can write a getter
        } catch (error) {
          frame.stage = s
          frame.value = value
          frame.outcome = error
          return FAILED
        }
        if (waits) {
          frame.stage = s
          frame.value = value
          frame.outcome = result
          return SUSPENDED
        }
        if (stage.kind === 'map') value = result
        else if (!result) continue element
        else if (s + 1 < stages.length) counts[stage.counter + 1] = (counts[stage.counter + 1] as number) + 1
      }
      out[frame.filled++] = value
    }
    return DONE
  }
}

/** Calls one stage on a value that is counted already. */
export function callStage(stage: BoundStage, value: unknown, counts: readonly number[]): unknown {
  return stage.context === null ? stage.fn(value) : stage.fn(value, stage.context((counts[stage.counter] as number) - 1))
}

/** How many elements are interpreted before a loop is generated. Tests change it, to run both forms on everything. */
export const generation = { after: 1024 }

/** Makes every generated text different: V8 shares type feedback between functions of the same text, which costs 4 ×. */
let serial = 0
let mayGenerate: boolean | undefined

/** True where functions may be made from text: not under a strict content security policy. */
export function codeGenerationAllowed(): boolean {
  if (mayGenerate === undefined) {
    try {
      mayGenerate = new Function('return true')() === true
    } catch {
      mayGenerate = false
    }
  }
  return mayGenerate
}

/**
 * One generated function for the whole run of stages: 7 ns per element however many there are, where a chain of loops
 * takes 6 ns each. Counters live in locals and are written back when the loop stops.
 */
export function generatedLoop(stages: readonly BoundStage[]): StageLoop {
  const counters = 1 + (stages.at(-1)?.counter ?? 0)
  const list = Array.from({ length: counters }, (_, i) => i)
  const body = stages.map((stage, s) => {
    const call = stage.context === null ? `f${s}(x)` : `f${s}(x, c${s}(n${stage.counter} - 1))`
    const waits = (name: string) => `if (typeof ${name} === 'object' && ${name} !== null && typeof ${name}.then === 'function') { r = ${name}; status = 2; break }`
    const enter = stage.kind === 'filter' && s + 1 < stages.length ? ` n${stage.counter + 1}++;` : ''
    return stage.kind === 'map'
      ? `      s = ${s}; y = ${call}; ${waits('y')} x = y;`
      : `      s = ${s}; y = ${call}; ${waits('y')} if (!y) continue;${enter}`
  })
  const source = `// ${serial++}
  return function (chunk, out, frame, max) {
    const end = chunk.length, counts = frame.counts
    let at = frame.at, k = frame.filled, s = 0, x, y, r, status = 0
    let ${list.map(i => `n${i} = counts[${i}]`).join(', ')}
    try {
      for (; at < end && k < max; at++) {
      x = chunk[at]; n0++;
${body.join('\n')}
      out[k++] = x
      }
    } catch (error) { r = error; status = 1 }
    frame.at = at; frame.filled = k; frame.stage = s; frame.value = x; frame.outcome = r;
    ${list.map(i => `counts[${i}] = n${i}`).join('; ')}
    return status
  }`
  const names = stages.flatMap((_, s) => [`f${s}`, `c${s}`])
  return new Function(...names, source)(...stages.flatMap(stage => [stage.fn, stage.context])) as StageLoop
}
