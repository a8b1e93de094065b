import { expect } from '@jest/globals'
import { isMillraceError, type Format, type MillraceError } from '../../../src/format.js'
import { memorySource, notedColumns, open, readStacked, type NotedColumn } from './support.js'

/** How many times as many cases as usual. */
export const FACTOR = Math.max(1, Number(process.env['MILLRACE_FUZZ'] ?? 1))

/** Milliseconds for a test of many cases, on a busy machine too. */
export const SLOW = 60_000 * FACTOR

/** What reading a file gave: rows up to an error, or to the end. */
export interface Outcome {
  readonly rows: number
  /** Of the first batch. */
  readonly columns: readonly NotedColumn[]
  readonly error: MillraceError | undefined
  /** Bytes of all typed arrays that were made by length. */
  readonly allocated: number
}

const TYPES = ['Uint8Array', 'Int8Array', 'Uint16Array', 'Int16Array', 'Uint32Array', 'Int32Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array'] as const

/** Reads a file, whatever it is. Anything but rows and typed errors with a place is a failure of the test. */
export async function outcomeOf<O>(format: Format<unknown, O>, bytes: Uint8Array, options: O): Promise<Outcome> {
  const source = memorySource(bytes)
  let allocated = 0
  const real = TYPES.map((name) => [name, globalThis[name]] as const)
  for (const [name, Real] of real) {
    Object.defineProperty(globalThis, name, {
      configurable: true, writable: true,
      value: new Proxy(Real, {
        construct(target, args: unknown[], newTarget) {
          if (typeof args[0] === 'number') allocated += args[0] * target.BYTES_PER_ELEMENT
          return Reflect.construct(target, args, newTarget) as object
        }
      })
    })
  }
  try {
    const reader = await open(format, source, options).catch((error: unknown) => ({ error }))
    if ('error' in reader) return { rows: 0, columns: [], error: typed(reader.error), allocated }
    const { parts, error } = await readStacked(reader, 2 ** 21)
    await reader.close?.()
    const [first] = parts
    return {
      rows: parts.reduce((sum, part) => sum + part.rows, 0),
      columns: first === undefined ? [] : notedColumns(first.stacked),
      error: error === undefined ? undefined : typed(error),
      allocated
    }
  } finally {
    for (const [name, Real] of real) Object.defineProperty(globalThis, name, { configurable: true, writable: true, value: Real })
    expect(source.underWay).toBe(0)
  }
}

function typed(error: unknown): MillraceError {
  if (!isMillraceError(error) || error.uri !== 'mem://bucket/file') throw new Error('not a typed error with a place', { cause: error })
  // These are about the whole file.
  if (error.offset === undefined && error.kind !== 'Mismatch' && error.kind !== 'NotFound') throw new Error('an error without an offset', { cause: error })
  return error
}

export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice()
  copy[bit >>> 3] = (copy[bit >>> 3] as number) ^ (1 << (bit & 7))
  return copy
}
