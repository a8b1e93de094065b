import { isMillraceError, messageOf, MillraceError, type ErrorContext, type ErrorKind } from '../errors.js'

/** An error as plain data: structured clone would lose what it knows, and the class. */
export type ErrorData =
  | { readonly type: 'ours'; readonly kind: ErrorKind; readonly message: string; readonly stack: string; readonly known: Readonly<Record<string, unknown>>; readonly cause: ErrorData | undefined }
  | { readonly type: 'error'; readonly name: string; readonly message: string; readonly stack: string; readonly known: Readonly<Record<string, unknown>>; readonly cause: ErrorData | undefined }
  | { readonly type: 'value'; readonly value: unknown }

/** Causes are nested no deeper; one that is holds itself. */
const MOST_DEPTH = 16

/** Writes whatever was thrown, with its stack, its members and its causes. */
export function errorData(error: unknown, depth = 0): ErrorData {
  if (typeof error !== 'object' || error === null || Object.prototype.toString.call(error) === '[object Array]') return { type: 'value', value: cloneable(error) ? error : messageOf(error) }
  try {
    const { name, message, stack, cause } = error as { readonly name?: unknown; readonly message?: unknown; readonly stack?: unknown; readonly cause?: unknown }
    if (typeof message !== 'string') return { type: 'value', value: cloneable(error) ? error : messageOf(error) }
    const known = Object.fromEntries(Object.entries(error).filter(([key, value]) => !['name', 'message', 'stack', 'cause', 'kind'].includes(key) && cloneable(value)))
    const common = { message, stack: typeof stack === 'string' ? stack : '', known, cause: cause === undefined || depth === MOST_DEPTH ? undefined : errorData(cause, depth + 1) }
    return isMillraceError(error) ? { type: 'ours', kind: error.kind, ...common } : { type: 'error', name: typeof name === 'string' ? name : 'Error', ...common }
  } catch {
    return { type: 'value', value: messageOf(error) } // anything can be thrown, with getters that throw
  }
}

/** Makes the error again. Stacks are those of the thread where it was thrown. */
export function errorFrom(data: ErrorData): unknown {
  if (data.type === 'value') return data.value
  const { message, stack, known } = data
  const cause = data.cause === undefined ? undefined : errorFrom(data.cause)
  if (data.type === 'ours') {
    const error = new MillraceError(data.kind, message, { ...(known as ErrorContext), ...(cause !== undefined && { cause }) })
    return withStack(error, stack)
  }
  if (data.name === 'AbortError' || data.name === 'TimeoutError') return new DOMException(message, data.name)
  const Class = STANDARD[data.name] ?? Error
  const error = new Class(message, cause === undefined ? undefined : { cause })
  if (error.name !== data.name) Object.defineProperty(error, 'name', { value: data.name, configurable: true, writable: true })
  return withStack(Object.assign(error, known), stack)
}

const STANDARD: { readonly [name: string]: ErrorConstructor | undefined } = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError }

function withStack<E extends Error>(error: E, stack: string): E {
  if (stack !== '') Object.defineProperty(error, 'stack', { value: stack, configurable: true, writable: true })
  return error
}

/** Rare, and the only way to know. */
function cloneable(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return typeof value !== 'function' && typeof value !== 'symbol'
  try {
    structuredClone(value)
    return true
  } catch {
    return false
  }
}
