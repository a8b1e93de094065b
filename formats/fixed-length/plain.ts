import type { ByteSource, FormatChunk, FragmentReadOptions } from '../../src/format.js'
import { cut, startOf } from './layout.js'
import type { ResolvedFixedLengthOptions } from './options.js'

/** Reads under way. */
const DEPTH = 3

/**
 * The `count` records of a plain file, block after block. Memory is four blocks: three being read, and
 * one whose records are in use. With `transient` they take turns.
 */
export async function* readPlain(
  source: ByteSource, count: number, { recordBytes, headerBytes, readBytes }: ResolvedFixedLengthOptions, { from, signal, transient }: FragmentReadOptions
): AsyncGenerator<FormatChunk<Uint8Array>, void, undefined> {
  let ahead = startOf(source.uri, from, count)
  signal.throwIfAborted()
  const blockRecords = Math.max(1, Math.floor(readBytes / recordBytes))
  // Ending early has to stop the reads under way, which the caller's signal knows nothing of.
  const controller = new AbortController()
  const abort = (): void => controller.abort(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  const flights: { readonly bytes: Uint8Array; readonly next: number; readonly filled: Promise<void> }[] = []
  const free: Uint8Array[] = []

  function readAhead(): void {
    while (flights.length < DEPTH && ahead < count) {
      const records = Math.min(blockRecords, count - ahead)
      const bytes = (free.pop() ?? new Uint8Array(Math.min(blockRecords, count) * recordBytes)).subarray(0, records * recordBytes)
      const filled = source.read(headerBytes + ahead * recordBytes, bytes, { signal: controller.signal })
      filled.catch(() => undefined) // It is awaited in its turn, or not at all after an early end.
      ahead += records
      flights.push({ bytes, next: ahead, filled })
    }
  }

  try {
    for (;;) {
      readAhead()
      const flight = flights[0]
      if (flight === undefined) return
      await flight.filled
      flights.shift()
      const { bytes, next } = flight
      // The next read starts before the records are handed out, so that none is missing while they are used.
      readAhead()
      yield { elements: cut(bytes, 0, bytes.length, recordBytes), next }
      signal.throwIfAborted()
      if (transient === true && ahead < count) free.push(bytes)
    }
  } finally {
    signal.removeEventListener('abort', abort)
    controller.abort()
    await Promise.allSettled(flights.map(({ filled }) => filled))
  }
}
