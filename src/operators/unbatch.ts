import { slicer, type Slicer } from '../array/slice.js'
import type { Operator, State } from '../plan/operator.js'
import { run, wait } from '../util/promise.js'

/**
 * The rows of every element: its slices along the first axis, the inverse of `batch`. Order: kept. An element without rows
 * gives none.
 *
 * Arrays are views of the batch, so a row that is kept keeps its batch. Memory: one batch. State: the place of the batch, and
 * how many of its rows were delivered.
 *
 * A batch whose arrays disagree about the number of rows is thrown as an error in place of all its rows.
 */
export type UnbatchParams = object

export const unbatch: Operator<UnbatchParams> = {
  name: 'unbatch',
  identity: () => null,
  cardinality: (_, [input]) => (input === Infinity ? Infinity : undefined),

  open({ inputs: [input], saved, ctx }) {
    if (input === undefined) throw new TypeError('unbatch needs an input')
    const restored = (saved ?? { index: 0, row: 0 }) as { readonly index: number; readonly row: number }
    let { index, row } = restored // of the batch, and of the next row in it
    let batch: Slicer<unknown> | undefined
    let before: State = {} // where the input stood before the batch

    return {
      pull: max =>
        run(function* () {
          for (;;) {
            if (batch === undefined) {
              before = input.save()
              const chunk = yield* wait(input.pull(1))
              if (chunk === null) return null
              try {
                batch = slicer(chunk[0], 'batch')
              } catch (error) {
                row = 0
                throw ctx.userError(error, index++)
              }
            }
            const { rows, row: cut } = batch
            const first = row
            const count = Math.min(max, rows - first)
            row += count
            if (row >= rows) {
              batch = undefined
              row = 0
              index++
            }
            if (count > 0) return Array.from({ length: count }, (_, i) => cut(first + i))
          }
        }),
      save: () => ({ self: { index, row }, inputs: [batch === undefined ? input.save() : before] })
    }
  }
}
