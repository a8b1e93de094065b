import type { ErrorKind } from '../../../src/format.js'

/** An error in the thread with h5wasm, to be told to the other one. */
export class Fault extends Error {
  constructor(readonly kind: ErrorKind, message: string, readonly fatal = false) {
    super(message)
  }
}

/** True for a {@link Fault}. */
export function isFault(error: unknown): error is Fault {
  return typeof (error as { fatal?: unknown } | null)?.fatal === 'boolean'
}

/** Calls into h5wasm, and makes a {@link Fault} of whatever comes out of it. */
export function attempt<T>(call: () => T, what: string): T {
  try {
    return call()
  } catch (error) {
    throw isFault(error) ? error : faultOf(error, what)
  }
}

/** Each pattern is looked for in all that HDF5 says, from the call down to the cause. */
const KINDS: readonly (readonly [ErrorKind, RegExp])[] = [
  ['Truncated', /truncated file|addr overflow|unable to get EOF/i],
  ['Unsupported', /is not registered|no appropriate function for conversion path|external (raw )?(data )?file|can't find plugin|unable to open external/i],
  ['Limit', /memory allocation failed|can't allocate|unable to allocate|out of memory|Cannot enlarge memory|exceeds maximum memory/i],
  ['NotFound', /doesn't exist|not found in group|name not defined/i]
]

function faultOf(error: unknown, what: string): Fault {
  const { name = '', message = String(error) } = error as { name?: string; message?: string }
  // Plug-ins report what is wrong with data by functions that are not linked into h5wasm.
  if (message.includes('resolved is not a function')) return new Fault('Corrupt', `${what}: a filter plug-in could not undo its filter`, true)
  // Anything but what the error handler throws has gone through the C library without it knowing: its memory is in no known state.
  if (!message.includes('HDF5-DIAG') && !message.startsWith('error - ')) {
    const memory = name === 'RangeError' || /memory/.test(message)
    return new Fault(memory && !/out of bounds/.test(message) ? 'Limit' : 'Corrupt', `${what}: HDF5 broke down (${name}: ${message.slice(0, 200)})`, true)
  }
  const said = [...message.matchAll(/#\d+: .*? in \w+\(\): (.*)/g)].map(match => match[1] ?? '')
  const kind = KINDS.find(([, pattern]) => said.some(line => pattern.test(line)))?.[0] ?? 'Corrupt'
  const [cause = message.slice(0, 200)] = said.slice(-1)
  return new Fault(kind, `${what}: ${cause}${said.length > 1 ? ` (${said[0]})` : ''}`)
}
