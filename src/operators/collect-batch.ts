import { batchPool } from '../array/pool.js'
import type { PlanNode } from '../plan/node.js'
import type { Operator, State } from '../plan/operator.js'
import { savedPosition, savedStates } from '../plan/saved.js'
import { run, wait } from '../util/promise.js'
import { batch, type BatchParams } from './batch.js'

/** Older positions are asked for only after an error in the middle of a batch: marks may be far apart. */
const TRACK_EVERY = 4096

/**
 * `batch` of an operator that can decode straight into the arrays of a batch. Made by a rule; elements, errors and state
 * are those of the two operators. It keeps no element past the next pull of its input, so a source may reuse its memory.
 */
export interface CollectBatchParams {
  readonly batch: BatchParams
  /** The node whose operator has a collector. */
  readonly decode: PlanNode
}

export const collectBatch: Operator<CollectBatchParams> = {
  name: 'decode+batch',
  describe: ({ batch: params, decode }) => `${decode.op.name}(${decode.op.describe?.(decode.params) ?? ''}) → batch(${batch.describe?.(params) ?? ''})`,
  cardinality: ({ batch: params }, inputs) => batch.cardinality?.(params, inputs),
  lazyInputs: true,

  open({ params: { batch: { size, dropRemainder, numbers }, decode }, node, saved, savedInputs, ctx }) {
    const [inputNode] = node.inputs
    const pool = batchPool({ memo: ctx.memo })
    const collector = decode.op.collector?.(decode.params, { rows: size, numbers, pool })
    const stage = decode.op.stage?.(decode.params)
    if (inputNode === undefined || collector === undefined || !stage) throw new TypeError('decode+batch needs an input and an operator with a stage and a collector')
    // The state is that of two operators: batch, and inside it the decoding one, at the first row of the next batch.
    const inner: State = savedStates('batch', saved, savedInputs, 1)?.[0] ?? {}
    const source = ctx.track(ctx.open(inputNode, { saved: savedStates(decode.op.name, inner.self, inner.inputs, 1)?.[0] }), TRACK_EVERY)
    let index = savedPosition('batch', saved) // of the first row of the next batch
    let rows = 0
    let chunk: readonly unknown[] = []
    let at = 0 // in the chunk
    let base = 0 // position of chunk[0] in `source`
    let decoded = savedPosition(decode.op.name, inner.self) // elements taken up, failures included
    let drop = inner.drop ?? 0 // outputs of the decoding operator to leave out after a restore
    let faults = inner.faults?.slice() ?? [] // outputs since the restore before each failure that was thrown before it
    let outputs = 0 // of the decoding operator, since the restore
    let begun = { position: 0, decoded, outputs: 0 } // where the first row of the next batch is
    let spoilt: { readonly error: unknown } | undefined // a row does not fit the others: as with batch, the whole batch fails
    let failed: number[] = [] // rows before each failure in this batch

    const begin = (): void => {
      begun = { position: base + at, decoded, outputs }
      failed = []
      source.release(begun.position)
    }
    const take = (element: unknown): void => {
      const ordinal = decoded++
      try {
        if (drop > 0 || spoilt !== undefined) stage.fn(element, undefined as never)
        else collector.add(element, index + rows)
      } catch (error) {
        const failure = drop > 0 || spoilt !== undefined ? error : decodeFailure(element)
        if (failure !== undefined) return pass(ctx.userError(failure, ordinal, decode))
        spoilt = { error }
      }
      outputs++
      if (drop === 0) rows++
      else if (--drop === 0) begin()
    }
    /** Takes the next elements all at once, as far as that can be done; returns how many that were. */
    const takeRun = (): number => {
      if (drop > 0 || spoilt !== undefined) return 0
      const count = collector.addRun?.(chunk, at, Math.min(chunk.length, at + size - rows), index + rows) ?? 0
      at += count
      decoded += count
      outputs += count
      rows += count
      return count
    }
    /** Why an element that could not be added cannot be decoded; undefined when it can, and only does not fit the batch. */
    const decodeFailure = (element: unknown): unknown => {
      try {
        stage.fn(element, undefined as never)
      } catch (error) {
        return error
      }
      return undefined
    }
    /** Throws an error at an element, unless it was thrown before the checkpoint that this iteration began with. */
    const pass = (error: unknown): void => {
      if (drop === 0 && rows > 0) failed.push(rows)
      else begin()
      if (faults[0] !== outputs) throw error
      faults = faults.slice(1)
    }
    const finish = (): unknown[] => {
      index += rows
      rows = 0
      begin()
      const complete = collector.finish()
      if (spoilt === undefined) return [complete]
      const { error } = spoilt
      spoilt = undefined
      throw error
    }
    return {
      pull: () =>
        run(function* () {
          for (;;) {
            while (at < chunk.length && rows < size) {
              if (takeRun() === 0) take(chunk[at++])
            }
            if (rows === size) return finish()
            base = source.position
            at = 0
            chunk = []
            let next: unknown[] | null
            try {
              next = yield* wait(source.pull(size - rows))
            } catch (error) {
              if (ctx.signal.aborted) throw error
              base = source.position
              decoded++ // an error takes an index in every operator that it passes
              pass(error)
              continue
            }
            if (next === null) return rows === 0 || dropRemainder ? null : finish()
            base = source.position - next.length // errors of the input take positions too
            if (rows === 0 && drop === 0) begun = { ...begun, position: base }
            chunk = next
          }
        }),
      save() {
        const position = drop > 0 ? base + at : begun.position
        const left = faults.map(fault => fault - (drop > 0 ? outputs : begun.outputs)).filter(fault => fault >= 0)
        const faultsNow = drop > 0 ? left : [...failed, ...left]
        return {
          self: index,
          inputs: [{
            self: drop > 0 ? decoded : begun.decoded,
            inputs: [source.stateAt(position)],
            ...(drop > 0 && { drop }),
            ...(faultsNow.length > 0 && { faults: faultsNow })
          }]
        }
      },
      close: pool.close
    }
  }
}
