import { slicer, type Slicer } from '../array/slice.js'
import type { Operator } from '../plan/operator.js'
import { savedPosition } from '../plan/saved.js'

/** One element. */
export interface FromTensorsParams {
  readonly element: unknown
}

export const fromTensors: Operator<FromTensorsParams> = {
  name: 'fromTensors',
  describe: () => '1 element',
  identity: () => null,
  cardinality: () => 1,
  randomAccess: ({ params: { element } }) => ({ length: 1, get: indices => indices.map(() => element) }),

  open({ params: { element }, saved }) {
    let at = savedPosition('fromTensors', saved, 1)
    return { pull: () => (at++ < 1 ? [element] : null), save: () => ({ self: Math.min(at, 1) }) }
  }
}

/** The rows of a nest of arrays. Views, not copies. Random access. */
export interface FromTensorSlicesParams {
  readonly slices: Slicer<unknown>
}

/** Checks that all leaves have the same number of rows. */
export function fromTensorSlicesParams(tensors: unknown): FromTensorSlicesParams {
  return { slices: slicer(tensors, 'slices') }
}

export const fromTensorSlices: Operator<FromTensorSlicesParams> = {
  name: 'fromTensorSlices',
  describe: ({ slices }) => `${slices.rows} rows`,
  identity: ({ slices }) => slices.rows,
  cardinality: ({ slices }) => slices.rows,
  randomAccess: ({ params: { slices } }) => ({ length: slices.rows, get: indices => indices.map(index => slices.row(index)) }),

  open({ params: { slices }, saved }) {
    let at = savedPosition('fromTensorSlices', saved, slices.rows)
    return {
      pull(max) {
        const count = Math.min(max, slices.rows - at)
        if (count <= 0) return null
        const first = at
        at += count
        return Array.from({ length: count }, (_, i) => slices.row(first + i))
      },
      save: () => ({ self: at })
    }
  }
}
