import { at, describe, joinPath, kindOf, setMember } from '../array/nest.js'
import { retain } from '../array/pool.js'
import { MillraceError } from '../errors.js'
import type { Operator } from '../plan/operator.js'
import { savedCount, savedObject } from '../plan/saved.js'
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
    const { shift, stride, dropRemainder, wrap } = params
    const span = spanOf(params)
    const source = ctx.track(input)
    const restored = savedObject('window', saved ?? { index: 0 }) as { readonly [member in keyof WindowState]?: unknown }
    let index = savedCount('window', restored.index)
    let skip = savedCount('window', restored.skip ?? 0, 'skip')
    let ended = false
    let held: unknown[] = [] // from element `index` on, once `begin` of them are left out
    let positions: number[] = [] // of the held elements in `source`: errors between them take positions too
    let begin = 0

    const oldest = (): number => positions[begin] ?? source.position
    /** Moves on to the next window. */
    const advance = (): void => {
      index += shift
      skip = ended ? 0 : Math.max(0, begin + shift - held.length)
      begin = Math.min(held.length, begin + shift)
      source.release(oldest())
    }
    const add = (chunk: readonly unknown[]): void => {
      const first = source.position - chunk.length
      const left = Math.min(skip, chunk.length)
      skip -= left
      held = held.slice(begin)
      positions = positions.slice(begin)
      begin = 0
      for (let i = left; i < chunk.length; i++) {
        retain(chunk[i]) // windows overlap, and may be read more than once
        held.push(chunk[i])
        positions.push(first + i)
      }
    }
    /** The windows that are complete. One that fails is thrown after those before it were delivered. */
    const emit = (max: number): unknown[] => {
      const out: unknown[] = []
      while (out.length < max) {
        const available = held.length - begin
        if (available === 0 || (available < span && (!ended || dropRemainder))) break
        const items: unknown[] = []
        for (let i = begin, end = Math.min(held.length, begin + span); i < end; i += stride) items.push(held[i])
        try {
          out.push(windowOf(items, wrap, i => index + i * stride))
        } catch (error) {
          if (out.length > 0) break
          advance()
          throw error
        }
        advance()
      }
      return out
    }
    return {
      pull: max =>
        run(function* () {
          for (;;) {
            const out = emit(max)
            if (out.length > 0) return out
            if (ended) return null
            const wanted = skip + span + (max - 1) * shift - (held.length - begin)
            const chunk = yield* wait(source.pull(Math.min(wanted, MOST_AT_ONCE)))
            if (chunk === null) ended = true
            else add(chunk)
          }
        }),
      save: () => ({ self: skip > 0 ? { index, skip } : { index }, inputs: [source.stateAt(oldest(), source.position)] })
    }
  }
}

/** A window for every leaf of the elements, in their structure. */
function windowOf(items: readonly unknown[], wrap: WindowParams['wrap'], indexOf: (item: number) => number, path = ''): unknown {
  const [first] = items
  const kind = kindOf(first)
  if (kind !== 'list' && kind !== 'object') return wrap(items)
  const keys = Object.keys(first as object)
  items.forEach((item, i) => {
    if (kindOf(item) === kind && Object.keys(item as object).length === keys.length && keys.every(key => Object.hasOwn(item as object, key))) return
    throw new MillraceError('Mismatch', `window: element ${indexOf(i)} is ${describe(item)}${at(path)}, but element ${indexOf(0)} is ${describe(first)}: windows need elements of one structure`, {
      operator: 'window', index: indexOf(i), keyPath: path
    })
  })
  const member = (key: string | number): unknown =>
    windowOf(items.map(item => (item as Readonly<Record<string | number, unknown>>)[key]), wrap, indexOf, joinPath(path, key))
  if (kind === 'list') return keys.map((_, i) => member(i))
  const structure: Record<string, unknown> = {}
  for (const key of keys) setMember(structure, key, member(key))
  return structure
}
