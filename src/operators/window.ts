import { MillraceError } from '../errors.js'
import { describe, joinPath, kindOf, setMember } from '../array/nest.js'
import type { Operator } from '../plan/operator.js'
import { checkInteger, checkOptions } from '../util/check.js'
import { run, wait } from '../util/promise.js'

/**
 * Groups elements into windows: finite datasets of up to `size` elements that are `stride` apart, one window beginning every
 * `shift` elements. The last ones may be smaller, or are left out. Where elements are objects or arrays, the window is the same
 * structure with a dataset for every leaf, as in tf.data.
 *
 * Order: kept. Memory: the elements from the oldest that is still needed, at most `(size - 1) × stride + 1`; what a `shift` beyond
 * that passes over is not kept. It reads no element beyond the windows asked for. State: the ordinal and the position of the
 * oldest element that is still needed. An error of the input is thrown at once, passed over or not, and has no place in a window.
 */
export interface WindowParams {
  readonly size: number
  readonly shift: number
  readonly stride: number
  readonly dropRemainder: boolean
  /** Makes the dataset of a window: operators do not know the class. */
  readonly wrap: (items: readonly unknown[]) => unknown
}

/** Options of `Dataset.window`. */
export interface WindowOptions {
  /** Elements from the beginning of a window to that of the next. @default size */
  readonly shift?: number
  /** Elements from one member of a window to the next. @default 1 */
  readonly stride?: number
  /** Leave out windows that are not full. @default false */
  readonly dropRemainder?: boolean
}

/** Checks the arguments. */
export function windowParams(size: number, options: WindowOptions, wrap: WindowParams['wrap']): WindowParams {
  checkInteger('window', 'size', size, 1)
  checkOptions('window', options, ['shift', 'stride', 'dropRemainder'])
  return {
    size,
    shift: checkInteger('window', 'shift', options.shift ?? size, 1),
    stride: checkInteger('window', 'stride', options.stride ?? 1, 1),
    dropRemainder: options.dropRemainder ?? false,
    wrap
  }
}

/** Elements taken at once from the input: a bound on what passes through when many windows are asked for. */
const MOST_AT_ONCE = 1024

const spanOf = ({ size, stride }: WindowParams): number => (size - 1) * stride + 1

interface WindowState {
  /** Ordinal of the first element of the next window. */
  readonly index: number
  /** How many elements are to be passed over before it. */
  readonly skip?: number
}

export const window: Operator<WindowParams, unknown> = {
  name: 'window',
  describe: ({ size, shift, stride, dropRemainder }) =>
    [size, ...(shift === size ? [] : [`shift: ${shift}`]), ...(stride === 1 ? [] : [`stride: ${stride}`]), ...(dropRemainder ? ['dropRemainder'] : [])].join(', '),
  identity: ({ size, shift, stride, dropRemainder }) => [size, shift, stride, dropRemainder],
  cardinality: (params, [input]) =>
    input === undefined ? undefined : params.dropRemainder ? Math.max(0, Math.floor((input - spanOf(params)) / params.shift) + 1) : Math.ceil(input / params.shift),

  open({ params, inputs: [input], saved, ctx }) {
    if (input === undefined) throw new TypeError('window needs an input')
    const { size, shift, stride, dropRemainder, wrap } = params
    const span = spanOf(params)
    const source = ctx.track(input)
    const restored = (saved ?? { index: 0 }) as unknown as WindowState
    let { index, skip = 0 } = restored
    let ended = false
    let held: unknown[] = [] // from element `index` on
    let positions: number[] = [] // of the held elements in `source`: errors between them take positions too

    const oldest = (): number => positions[0] ?? source.position
    const emit = (out: unknown[]): void => {
      const items = stride === 1 && held.length <= size ? held : held.filter((_, i) => i % stride === 0)
      const first = index
      index += shift
      if (shift >= held.length) {
        skip = ended ? 0 : shift - held.length
        held = []
        positions = []
      } else {
        held = held.slice(shift)
        positions = positions.slice(shift)
      }
      out.push(windowOf(items, wrap, ordinal => first + ordinal * stride))
    }
    const take = (chunk: readonly unknown[], out: unknown[]): void => {
      const begin = source.position - chunk.length
      for (let i = Math.min(skip, chunk.length); i < chunk.length; i++) {
        held.push(chunk[i])
        positions.push(begin + i)
      }
      skip -= Math.min(skip, chunk.length)
    }
    return {
      pull: max =>
        run(function* () {
          const out: unknown[] = []
          while (out.length === 0) {
            if (ended) {
            }
          }
          return out
        }),
      save: () => ({ self: skip > 0 ? { index, skip } : { index }, inputs: [source.stateAt(oldest(), source.position)] })
    }
  }
}
