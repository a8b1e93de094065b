import { describe, isPlainObject, joinPath, setMember } from '../array/nest.js'
import type { Planned, PlanNode } from '../plan/node.js'
import type { Operator, TrackedInput } from '../plan/operator.js'
import { badState } from '../plan/saved.js'
import type { Cardinality, ElementSpec } from '../types.js'
import { chain, isPromise } from '../util/promise.js'
import { allAccess, allOf, closeAll } from './all-access.js'

/**
 * Puts the elements of several datasets together, row by row: an element of the nest that holds the datasets has the elements
 * of the datasets in their place. Ends with the shortest. Order: kept.
 *
 * Reading: row `k` needs element `k` of every input. All are asked for as many elements as are wanted, or as another has given;
 * what one gives beyond the others is held, and taken up first. Inputs that wait do so at the same time. The row at which one
 * ends is read from all, as tf.data does, so that caches of equal length are completed.
 *
 * Errors keep the inputs in step, as in tf.data: a row in which an input fails is thrown as that error (the first, when there are
 * several) instead of an element, and the next row is made of the elements behind it. An input that fails where one before it
 * has ended is not heard.
 *
 * Memory: one chunk per input. State: the place of the next row in every input.
 */
export interface ZipParams {
  /** The nest, with the ordinal of an input in place of each dataset. */
  readonly shape: ZipShape
}

export type ZipShape = number | readonly ZipShape[] | { readonly [key: string]: ZipShape }

/** Datasets, or any nest of plain objects and arrays with datasets at the ends. */
export type ZipNest = Planned | readonly ZipNest[] | { readonly [key: string]: ZipNest }

/** The elements of a zipped nest: the nest, with elements in place of datasets. */
export type Zipped<N> = N extends Planned<infer T> ? T : { readonly [K in keyof N]: Zipped<N[K]> }

/** Finds the datasets of a nest. Their order is that of sorted keys, so it does not matter how an object was written. */
export function zipParams(nest: unknown): { readonly params: ZipParams; readonly inputs: readonly PlanNode[] } {
  const inputs: PlanNode[] = []
  const visit = (value: unknown, path: string): ZipShape => {
    if (isPlanned(value)) return inputs.push(value.plan) - 1
    if (Array.isArray(value)) return Object.freeze(value.map((member, i) => visit(member, joinPath(path, i))))
    if (!isPlainObject(value)) throw new TypeError(`zip: expected a dataset${path === '' ? '' : ` at ${path}`}, or an object or array of datasets, got ${describe(value)}`)
    const shapes = new Map(Object.keys(value).sort().map(key => [key, visit(value[key], joinPath(path, key))]))
    const shape: Record<string, ZipShape> = {}
    for (const key of Object.keys(value)) setMember(shape, key, shapes.get(key))
    return Object.freeze(shape)
  }
  const shape = visit(nest, '')
  if (inputs.length === 0) throw new TypeError('zip: needs at least one dataset')
  return { params: { shape }, inputs }
}

export const zip: Operator<ZipParams> = {
  name: 'zip',
  describe: ({ shape }) => shapeText(shape),
  cardinality: (_, inputs) => shortest(inputs),
  elementSpec: ({ shape }, specs) => (specs.includes(undefined) ? undefined : (rowMaker(shape)(specs) as ElementSpec)),

  randomAccess({ params: { shape }, inputs }) {
    const all = allAccess(inputs)
    if (all === null) return null
    const make = rowMaker(shape)
    return {
      length: Math.min(...all.map(access => access.length)),
      get: indices => chain(allOf(all.map(access => () => access.get(indices))), columns => indices.map((_, i) => make(columns.map(column => column[i])))),
      close: () => closeAll(all)
    }
  },

  open({ params: { shape }, inputs, saved, ctx }) {
    const make = rowMaker(shape)
    const lanes = inputs.map((input): Lane => ({ source: ctx.track(input), chunk: NONE, at: 0, error: undefined, ended: false }))
    if (saved !== undefined && saved !== ENDED) throw badState('zip', `the state ${JSON.stringify(saved)}`)
    let ended = saved === ENDED
    let aborted: { readonly error: unknown } | undefined

    /** Asks every lane that has nothing. Nobody is asked for more than the others are known to have. */
    const read = (max: number): Promise<unknown> | undefined => {
      let wanted = max
      const narrow = (lane: Lane): void => { wanted = Math.min(wanted, Math.max(1, held(lane))) }
      for (const lane of lanes) if (isReady(lane)) narrow(lane)
      const pending: Promise<void>[] = []
      for (const lane of lanes) {
        if (isReady(lane)) continue
        const took = (chunk: unknown[] | null): void => {
          if (chunk === null) lane.ended = true
          else lane.chunk = chunk
        }
        const failed = (error: unknown): void => {
          if (ctx.signal.aborted) aborted = { error } // no row: what the others gave stays held
          else lane.error = { error }
        }
        try {
          const chunk = lane.source.pull(wanted)
          if (isPromise(chunk)) pending.push(chunk.then(took, failed))
          else took(chunk)
        } catch (error) {
          failed(error)
        }
        if (isReady(lane)) narrow(lane)
      }
      return pending.length === 0 ? undefined : Promise.all(pending)
    }
    const deliver = (max: number): unknown[] | null => {
      if (aborted !== undefined) throw aborted.error
      let count = max
      for (const lane of lanes) count = Math.min(count, held(lane))
      if (count === 0) return failOrEnd()
      const values = new Array<unknown>(lanes.length)
      const rows = new Array<unknown>(count)
      for (let i = 0; i < count; i++) {
        for (let k = 0; k < lanes.length; k++) values[k] = (lanes[k] as Lane).chunk[(lanes[k] as Lane).at + i]
        rows[i] = make(values)
      }
      for (const lane of lanes) consume(lane, count)
      return rows
    }
    const failOrEnd = (): null => {
      const end = lanes.findIndex(lane => lane.ended)
      const failure = lanes.slice(0, end < 0 ? lanes.length : end).find(lane => lane.error !== undefined)?.error
      ended = end >= 0
      for (const lane of lanes) consume(lane, ended ? Infinity : 1)
      if (failure !== undefined) throw failure.error
      return null
    }
    return {
      pull(max) {
        if (ended) return null
        const pending = read(max)
        return pending === undefined ? deliver(max) : pending.then(() => deliver(max))
      },
      save: () => ({ ...(ended && { self: ENDED }), inputs: lanes.map(lane => lane.source.stateAt(placeOf(lane))) })
    }
  }
}

const ENDED = 'ended'
const NONE: readonly unknown[] = Object.freeze([])

/** An input, and what it gave that no row has taken: elements, or one error. */
interface Lane {
  readonly source: TrackedInput
  chunk: readonly unknown[]
  at: number
  error: { readonly error: unknown } | undefined
  ended: boolean
}

const held = (lane: Lane): number => lane.chunk.length - lane.at
const isReady = (lane: Lane): boolean => held(lane) > 0 || lane.error !== undefined || lane.ended
/** Position of the next row in the source; an error takes one, as an element does. */
const placeOf = (lane: Lane): number => lane.source.position - held(lane) - (lane.error === undefined ? 0 : 1)

function consume(lane: Lane, count: number): void {
  lane.at += count
  lane.error = undefined
  if (lane.at >= lane.chunk.length) {
    lane.chunk = NONE
    lane.at = 0
  }
  lane.source.release(placeOf(lane))
}

function shortest(inputs: readonly Cardinality[]): Cardinality {
  let least = Infinity
  for (const size of inputs) {
    if (size === undefined) return undefined // even beside an empty one, as in tf.data
    least = Math.min(least, size)
  }
  return least
}

function isPlanned(value: unknown): value is Planned {
  const { plan } = (value ?? {}) as { readonly plan?: Partial<PlanNode> | null }
  return typeof plan === 'object' && plan !== null && typeof plan.op === 'object' && Array.isArray(plan.inputs)
}

function rowMaker(shape: ZipShape): (values: readonly unknown[]) => unknown {
  if (typeof shape === 'number') return values => values[shape]
  if (isList(shape)) {
    const members = shape.map(rowMaker)
    return values => members.map(member => member(values))
  }
  const members = Object.entries(shape).map(([key, member]) => [key, rowMaker(member)] as const)
  return values => {
    const row: Record<string, unknown> = {}
    for (const [key, member] of members) setMember(row, key, member(values))
    return row
  }
}

/** Like the nest itself, with `#0`, `#1`, … for the inputs in their order. */
function shapeText(shape: ZipShape): string {
  if (typeof shape === 'number') return `#${shape}`
  if (isList(shape)) return `[${shape.map(shapeText).join(', ')}]`
  return `{ ${Object.entries(shape).map(([key, member]) => `${key}: ${shapeText(member)}`).join(', ')} }`
}

const isList = (shape: ZipShape): shape is readonly ZipShape[] => Array.isArray(shape)
