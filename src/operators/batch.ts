import type { NumberDType } from '../array/dtype.js'
import { stacker } from '../array/stack.js'
import type { Operator } from '../plan/operator.js'
import { isPromise, run, wait } from '../util/promise.js'

/**
 * Stacks `size` elements into one. Order: kept. Memory: one batch. It reads no element beyond the batches asked for.
 * An error of the input is thrown at once; the rows before it stay, and the next pull fills the same batch.
 */
export interface BatchParams {
  readonly size: number
  readonly dropRemainder: boolean
  /** Dtype of plain numbers. */
  readonly numbers: NumberDType
}

export const batch: Operator<BatchParams, unknown> = {
  name: 'batch',
  describe: ({ size, dropRemainder, numbers }) => `${size}${dropRemainder ? ', dropRemainder' : ''}${numbers === 'float32' ? '' : `, numbers: ${numbers}`}`,
  cardinality: ({ size, dropRemainder }, [input]) => (input === undefined ? undefined : dropRemainder ? Math.floor(input / size) : Math.ceil(input / size)),

  open({ params: { size, dropRemainder, numbers }, inputs: [input], saved, ctx }) {
    if (input === undefined) throw new TypeError('batch needs an input')
    const stack = stacker({ numbers })
    const source = ctx.track(input)
    let index = typeof saved === 'number' ? saved : 0 // of the first row of the next batch
    let begun = 0 // position of that row in `source`
    let rows: unknown[] = []

    const finish = (complete: readonly unknown[]): unknown[] => {
      const first = index
      index += complete.length
      begun = source.position
      rows = []
      source.release(begun)
      return [stack(complete, first)]
    }
    function* fill(): Generator<PromiseLike<unknown>, unknown[] | null, unknown> {
      while (rows.length < size) {
        const chunk: unknown[] | null = yield* wait(source.pull(size - rows.length))
        if (chunk === null) {
          if (rows.length === 0 || dropRemainder) return null
          break
        }
        if (rows.length === 0) rows = chunk
        else for (const row of chunk) rows.push(row)
      }
      return finish(rows)
    }
    return {
      /** One batch, whatever `max`: batches are big, and a consumer that wants more asks again. */
      pull() {
        if (rows.length > 0) return run(fill)
        const chunk = source.pull(size)
        if (!isPromise(chunk)) {
          if (chunk === null) return null
          if (chunk.length === size) return finish(chunk)
          rows = chunk
          return run(fill)
        }
        return chunk.then(chunk => {
          if (chunk === null) return null
          rows = chunk
          return run(fill)
        })
      },
      save: () => ({ self: index, inputs: [source.stateAt(begun, source.position)] })
    }
  }
}
