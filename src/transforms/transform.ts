import { decodeJson, encodeJson } from '../array/json.js'
import type { ElementContext } from '../plan/operator.js'
import type { Json } from '../types.js'

/** A transform as data: what makes it again on another machine. */
export interface TransformJson {
  /** The name of the function that makes it. */
  readonly name: string
  /** What that function was given, with all defaults filled in. */
  readonly params: Json
}

/**
 * A function from element to element that is also data: `ds.map(cast({ xs: 'float32' }))`.
 *
 * It is called like any function; `transform` says what it does, so that a plan with it can be compared, saved and sent to
 * another thread, where `transformFromJson` makes it again.
 */
export interface Transform {
  readonly transform: TransformJson
  /**
   * Does to a whole batch what the transform does to each of its rows: `batched(stack(rows), rows[0])` is exactly
   * `stack(rows.map(transform))`, with numbers as float32, or `undefined` when that cannot be promised: where rows hold plain
   * numbers, whose dtype is decided by stacking, where a row would be refused, and where keys are missing. It never throws.
   * Absent where every row is a case of its own.
   *
   * @param row One of the rows. Without it, whatever may have been a plain number is taken for one.
   */
  readonly batched?: BatchTransform
}

/** See {@link Transform.batched}. */
export type BatchTransform = (batch: unknown, row?: unknown) => unknown

/** True for a function that one of the transforms has made. */
export function isTransform(value: unknown): value is Transform & ((element: never, context: ElementContext) => unknown) {
  if (typeof value !== 'function') return false
  const { transform } = value as Partial<Transform>
  return typeof transform === 'object' && (transform as unknown) !== null && typeof transform.name === 'string' && 'params' in transform
}

/**
 * Makes a transform of a function. `params` is all that its maker needs: whatever {@link encodeJson} can write. The maker's own
 * type of function is the caller's word for what `fn` does to elements.
 */
export function makeTransform<F extends Transform>(
  name: string, params: unknown, fn: (element: never, context: ElementContext) => unknown, batched?: BatchTransform
): F {
  const transform: TransformJson = Object.freeze({ name, params: freezeJson(encodeJson(params)) })
  Object.defineProperty(fn, 'name', { value: name, configurable: true })
  Object.assign(fn, { transform, ...(batched !== undefined && { batched: willing(batched) }) })
  return Object.freeze(fn) as unknown as F
}

/** What a maker was given, from the params of a transform. */
export function paramsOf(params: Json): unknown {
  return decodeJson(params)
}

/** A batch is transformed, or left alone: what is wrong with a row is for that row to say. */
function willing(batched: BatchTransform): BatchTransform {
  return (batch, row) => {
    try {
      return batched(batch, row)
    } catch {
      return undefined
    }
  }
}

function freezeJson(json: Json): Json {
  if (typeof json === 'object' && json !== null) {
    Object.values(json).forEach(freezeJson)
    Object.freeze(json)
  }
  return json
}
