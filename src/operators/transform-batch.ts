import { releaseUnused } from '../array/pool.js'
import { sliceRow } from '../array/slice.js'
import type { PlanNode } from '../plan/node.js'
import type { Input, Operator, State } from '../plan/operator.js'
import { savedPosition, savedStates } from '../plan/saved.js'
import type { Json } from '../types.js'
import { run, wait } from '../util/promise.js'

/** A declarative transform that can do to a batch what it does to each of its rows. */
export interface BatchableTransform {
  (element: never): unknown
  readonly transform: { readonly name: string }
  readonly batched: (batch: unknown, row?: unknown) => unknown
}

/**
 * `map`s of declarative transforms and the `batch` above them, the other way round: the input is stacked first, and whole batches
 * are transformed. Made by a rule; elements, errors and state are those of the plan as written.
 *
 * A transform says of every batch whether that is exact. From the first one that is not, or that meets an error, the plan as
 * written is run instead, from the beginning of that batch on.
 */
export interface TransformBatchParams {
  /** Nearest to the source first. */
  readonly transforms: readonly BatchableTransform[]
  /** The plan as written: the `batch` over the `map`s. */
  readonly written: PlanNode
}

export const transformBatch: Operator<TransformBatchParams> = {
  name: 'transform batches',
  describe: ({ transforms }) => transforms.map(({ transform }) => transform.name).join(' → '),
  cardinality: (_, [input]) => input,
  lazyInputs: true,

  open({ params: { transforms, written }, node, saved, savedInputs, ctx }) {
    const [inputNode] = node.inputs
    if (inputNode === undefined) throw new TypeError('transform batches needs an input')
    const restored = peel(transforms.length, saved, savedInputs)
    let plain: Input | undefined
    let stacked: Input | undefined
    if (restored === undefined) plain = ctx.open(written, { saved: stateOf(saved, savedInputs) })
    else stacked = ctx.open(inputNode, { saved: restored.state })
    const source = stacked === undefined ? undefined : ctx.track(stacked, 1) // a batch costs more than its state
    let begun = 0

    /** The state of the plan as written, at the beginning of the next batch. */
    const writtenState = (): State => wrap(source?.stateAt(begun) ?? {}, restored?.ahead ?? [])
    const transformed = (batch: unknown): unknown => {
      let row = sliceRow(batch, 0) as unknown
      let result = batch
      for (const [k, transform] of transforms.entries()) {
        result = transform.batched(result, row)
        if (result === undefined) return undefined
        if (k + 1 < transforms.length) row = transform(row as never)
      }
      releaseUnused(batch, result)
      return result
    }
    function* giveUp(max: number): Generator<PromiseLike<unknown>, unknown[] | null, unknown> {
      plain = ctx.open(written, { saved: writtenState() })
      yield* wait(stacked?.close())
      return yield* wait(plain.pull(max))
    }
    function* next(max: number): Generator<PromiseLike<unknown>, unknown[] | null, unknown> {
      let batches: unknown[] | null | undefined
      try {
        batches = yield* wait(source?.pull(1))
      } catch (error) {
        if (ctx.signal.aborted) throw error
        return yield* giveUp(max)
      }
      if (batches === null || batches === undefined) return null
      let result: unknown
      try {
        result = transformed(batches[0])
      } catch {
        result = undefined
      }
      if (result === undefined) return yield* giveUp(max)
      begun = source?.position ?? 0
      source?.release(begun)
      return [result]
    }
    return {
      pull: max => (plain === undefined ? run(() => next(max)) : plain.pull(max)),
      save: () => plain?.save() ?? writtenState()
    }
  }
}

function stateOf(self: Json | undefined, inputs: readonly State[] | undefined): State | undefined {
  return self === undefined && inputs === undefined ? undefined : { ...(self !== undefined && { self }), ...(inputs !== undefined && { inputs }) }
}

/**
 * The state of a `batch` without the `map`s, out of that of a `batch` over so many of them, and how many elements each of those, the upper
 * one first, has counted more than the batch has rows. Undefined when something in between was interrupted by an error.
 */
function peel(maps: number, saved: Json | undefined, savedInputs: readonly State[] | undefined): { readonly state: State | undefined; readonly ahead: readonly number[] } | undefined {
  const rows = savedPosition('batch', saved)
  let [below] = savedStates('batch', saved, savedInputs, 1) ?? []
  if (below === undefined) return { state: undefined, ahead: Array.from({ length: maps }, () => 0) }
  const ahead: number[] = []
  for (let k = 0; k < maps; k++) {
    if ((below?.drop ?? 0) > 0 || (below?.faults?.length ?? 0) > 0) return undefined
    ahead.push(savedPosition('map', below?.self) - rows)
    below = savedStates('map', below?.self, below?.inputs, 1)?.[0]
  }
  return { state: { self: rows, ...(below !== undefined && { inputs: [below] }) }, ahead }
}

/** The other way round. */
function wrap({ self, inputs: [below = {}] = [], refused }: State, ahead: readonly number[]): State {
  const rows = typeof self === 'number' ? self : 0
  const inner = ahead.reduceRight<State>((state, more) => ({ self: rows + more, inputs: [state] }), below)
  return { self: rows, inputs: [inner], ...(refused !== undefined && { refused }) }
}
