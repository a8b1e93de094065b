import type { FormatChunk, FormatReader, Json } from '../../../src/format.js'

/** What reading a fragment to its end or to an error gave. */
export interface Outcome<T> {
  readonly elements: T[]
  /** The position behind each chunk, and how many elements there were up to it. */
  readonly positions: (readonly [next: Json, count: number])[]
  readonly error: unknown
}

/** Reads a fragment through. `keep` is called before the next chunk is asked for, so that buffers may be reused. */
export async function readAll<E, T>(
  reader: FormatReader<E>, keep: (element: E) => T, options: { readonly from?: Json; readonly transient?: boolean; readonly signal?: AbortSignal } = {}
): Promise<Outcome<T>> {
  const elements: T[] = []
  const positions: [Json, number][] = []
  const { signal = new AbortController().signal } = options
  try {
    for await (const chunk of reader.read(0, { ...options, signal }) as AsyncIterable<FormatChunk<E>>) {
      if (chunk.elements.length === 0) throw new Error('an empty chunk')
      for (const element of chunk.elements) elements.push(keep(element))
      positions.push([chunk.next, elements.length])
    }
    return { elements, positions, error: undefined }
  } catch (error) {
    return { elements, positions, error }
  }
}

/** Counts the bytes of every array that is made by length while `run` runs. */
export async function measured<T>(run: () => Promise<T>): Promise<{ readonly result: T; readonly allocated: number }> {
  const Real = globalThis.Uint8Array
  let allocated = 0
  globalThis.Uint8Array = new Proxy(Real, {
    construct(target, args: unknown[], newTarget) {
      if (typeof args[0] === 'number') allocated += args[0]
      return Reflect.construct(target, args, newTarget) as object
    }
  })
  try {
    return { result: await run(), allocated }
  } finally {
    globalThis.Uint8Array = Real
  }
}

/** How many times as many random cases as usual: the environment variable MILLRACE_FUZZ. */
export const FUZZ = Math.max(1, Number(process.env['MILLRACE_FUZZ'] ?? 1))

export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice()
  copy[bit >>> 3] = (copy[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
  return copy
}
