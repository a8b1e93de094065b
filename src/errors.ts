/**
 * What went wrong, to branch on.
 *
 * | kind | meaning |
 * |---|---|
 * | `NotFound` | no such object or file |
 * | `Denied` | the store refused access |
 * | `InvalidUri` | the URI cannot name an object, or no store serves its scheme |
 * | `ShortRead` | fewer bytes arrived than the object was said to have |
 * | `Changed` | the object is no longer the one that was opened |
 * | `WrongRange` | the store sent other bytes than those that were asked for |
 * | `RangeIgnored` | the store sent the whole object where a range of it was asked for |
 * | `Precondition` | the condition of a write does not hold: the object is there, or is another |
 * | `Throttled`, `Timeout`, `Unavailable` | the store cannot serve now |
 * | `OutOfRange` | bytes were asked for beyond the end of the object |
 * | `Corrupt` | the bytes contradict their own checksum or format |
 * | `Truncated` | the data end in the middle of a record |
 * | `Unsupported` | valid, but not something that this version reads |
 * | `UserFunction` | a function that was passed to an operator threw |
 * | `Mismatch` | elements of different structure, shape or dtype where equal ones are needed |
 * | `Lossy` | a value does not fit the dtype without losing information |
 * | `Limit` | a bound on memory or size was reached |
 * | `Checkpoint` | a state that cannot be taken or does not belong to this plan |
 * | `MissingPackage` | an optional package is needed and not installed |
 * | `WorkerLost` | a worker thread broke down: it exited, was ended, or ran out of memory |
 * | `Closed` | used after it was closed |
 * | `Internal` | an operator broke its contract |
 */
export type ErrorKind =
  | 'NotFound' | 'Denied' | 'InvalidUri' | 'ShortRead' | 'Changed' | 'Throttled' | 'Timeout' | 'Unavailable'
  | 'WrongRange' | 'RangeIgnored' | 'Precondition'
  | 'OutOfRange' | 'Corrupt' | 'Truncated' | 'Unsupported' | 'UserFunction' | 'Mismatch' | 'Lossy' | 'Limit'
  | 'Checkpoint' | 'MissingPackage' | 'WorkerLost' | 'Closed' | 'Internal'

/** Where an error happened; every field is absent when it does not apply. */
export interface ErrorContext {
  /** The object or file, without secrets. */
  readonly uri?: string
  /** Byte offset in the object (in the decompressed stream if the object is compressed). */
  readonly offset?: number
  /** Ordinal of the record in its file, from 0. */
  readonly record?: number
  /** Name of the operator, as `explain()` prints it. */
  readonly operator?: string
  /** Ordinal of the element in the input of the operator, from 0. */
  readonly index?: number
  /** Path of keys to the leaf, like `image.pixels[2]`. */
  readonly keyPath?: string
  /** The storage operation: `open`, `read`, `list`, … */
  readonly operation?: string
  /** Requests that were made before giving up, the first included. */
  readonly attempts?: number
  /** The status of the last HTTP reply. */
  readonly status?: number
  /** Where in user code the operator was added. */
  readonly site?: string
  /** What went wrong underneath. */
  readonly cause?: unknown
}

const RETRYABLE: ReadonlySet<ErrorKind> = new Set(['ShortRead', 'Throttled', 'Timeout', 'Unavailable', 'WrongRange', 'RangeIgnored'])

/**
 * The error that millrace throws for everything but wrong arguments (`TypeError`, `RangeError`) and aborts
 * (the signal's reason). The message says what happened, where, and what to do.
 */
export class MillraceError extends Error {
  override readonly name = 'MillraceError'
  readonly kind: ErrorKind
  declare readonly uri?: string
  declare readonly offset?: number
  declare readonly record?: number
  declare readonly operator?: string
  declare readonly index?: number
  declare readonly keyPath?: string
  declare readonly operation?: string
  declare readonly attempts?: number
  declare readonly status?: number
  declare readonly site?: string

  constructor(kind: ErrorKind, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause })
    this.kind = kind
    const { cause: _, ...where } = context
    for (const [key, value] of Object.entries(where)) {
      if (value !== undefined) Object.defineProperty(this, key, { value, enumerable: true })
    }
  }

  /** True when the same request may succeed if it is made again. */
  get retryable(): boolean {
    return RETRYABLE.has(this.kind)
  }
}

/** True for a {@link MillraceError}, of that kind if one is given. Works across copies of the package and across realms. */
export function isMillraceError(error: unknown, kind?: ErrorKind): error is MillraceError {
  if (typeof error !== 'object' || error === null) return false
  try {
    return (error as { name?: unknown }).name === 'MillraceError' && (kind === undefined || (error as { kind?: unknown }).kind === kind)
  } catch {
    return false // anything can be thrown, with getters that throw
  }
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  try {
    const message = (error as { message?: unknown } | null | undefined)?.message
    return typeof message === 'string' ? message : String(error)
  } catch {
    return 'a value that cannot be shown'
  }
}
