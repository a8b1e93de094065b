import { decompressor, isMillraceError, MillraceError, type ByteSource } from '../../src/format.js'
import { fault, type Region } from '../npy/region.js'
import { crc32 } from './crc32.js'
import type { Member } from './directory.js'
import { RESTORE } from './faults.js'

/** What a deflated member holds. */
export interface InflatedRegion extends Region {
  /** Stops decompressing, and waits for it. The next read begins anew. */
  close(): Promise<void>
}

/** How much memory one member may take. */
export interface InflateSizes {
  /** Bytes that are decompressed before they are asked for. */
  readonly aheadBytes: number
  /** Bytes per read of the file; two of them are held. */
  readonly readBytes: number
}

/**
 * The bytes of a deflated member, decompressed in order, ahead of demand, on a thread of the pool. Going back begins anew. Size and checksum
 * have been checked when the end is read; when there are fewer bytes than `aheadBytes`, before the first is. What is damaged is not tried again.
 */
export function inflatedRegion(source: ByteSource, member: Member, start: number, sizes: InflateSizes): InflatedRegion {
  const { uri } = source
  /** So small that it can be decompressed to the end, and checked, before the first byte is given away. */
  const small = member.bytes < sizes.aheadBytes
  let stream: Stream | undefined
  /** Nothing behind that many bytes can be had. */
  let end: { readonly bytes: number; readonly error: () => MillraceError } | undefined
  const final = new WeakSet<object>()
  const region: InflatedRegion = {
    name: `member ${JSON.stringify(member.name)} of ${uri} (decompressed)`,
    uri,
    key: member.name,
    start: 0,
    byteLength: member.bytes,
    ordered: true,
    final: (error) => final.has(error),
    async read(offset, into, signal) {
      signal.throwIfAborted()
      const until = offset + into.length
      if (end !== undefined && until > end.bytes) throw end.error()
      if (stream !== undefined && (stream.position() > offset || stream.failed())) await region.close()
      stream ??= inflate(source, member, start, sizes, (kind, bytes, what, cause) => {
        // One of its own for every read: those who catch it note in it where they go on.
        const error = (): MillraceError => {
          const made = fault(kind, region, bytes, what, cause)
          final.add(made)
          return made
        }
        end ??= { bytes: small ? -1 : Math.min(bytes, member.bytes - 1), error }
        return error()
      })
      if (small) await stream.checked(signal)
      await stream.skip(offset - stream.position(), signal)
      await stream.fill(into, signal)
      if (until === member.bytes) await stream.checked(signal)
    },
    async close() {
      const closing = stream
      stream = undefined
      await closing?.close()
    }
  }
  return region
}

interface Stream {
  position(): number
  failed(): boolean
  fill(into: Uint8Array, signal: AbortSignal): Promise<void>
  skip(count: number, signal: AbortSignal): Promise<void>
  /** Resolves when all was decompressed and is right. */
  checked(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

type Damaged = (kind: 'Corrupt' | 'Truncated', bytes: number, what: string, cause?: unknown) => MillraceError

function inflate(source: ByteSource, member: Member, start: number, { aheadBytes, readBytes }: InflateSizes, damaged: Damaged): Stream {
  const codec = decompressor('raw')
  const controller = new AbortController()
  const queue: Uint8Array[] = []
  let queued = 0
  let produced = 0
  let taken = 0
  let crc = 0
  let fed = 0
  let closed = false
  let ended = false
  let inputFailure: { readonly error: unknown } | undefined
  let failure: { readonly error: unknown } | undefined
  let wakeDrain: (() => void) | undefined
  let wakeReader: (() => void) | undefined
  const feeding = feed()
  const draining = drain()

  async function feed(): Promise<void> {
    const whole = member.compressedBytes
    const size = Math.min(readBytes, whole)
    try {
      let [buffer, other] = [new Uint8Array(size), new Uint8Array(size)]
      const read = async (at: number): Promise<Uint8Array> => {
        const bytes = other.subarray(0, Math.min(size, whole - at))
        ;[buffer, other] = [other, buffer]
        await source.read(start + at, bytes, { signal: controller.signal })
        return bytes
      }
      let coming = read(0)
      while (fed < whole) {
        const bytes = await coming
        fed += bytes.length
        const accepted = codec.write(bytes)
        if (fed < whole) {
          coming = read(fed)
          coming.catch(() => undefined) // It is awaited in the next turn, or not at all after an early end.
        }
        if (await accepted) continue
        controller.abort()
        await coming.catch(() => undefined)
        return
      }
    } catch (error) {
      inputFailure = { error }
    }
    await codec.end() // Also after a failure: so that all that was read comes out before the error.
  }

  async function drain(): Promise<void> {
    try {
      for (let piece = await codec.read(); piece !== null && !closed; piece = await codec.read()) {
        const tooLong = produced + piece.length > member.bytes
        const part = tooLong ? piece.subarray(0, member.bytes - produced) : piece
        crc = crc32(part, crc)
        produced += part.length
        queued += part.length
        if (part.length > 0) queue.push(part)
        if (tooLong) throw damaged('Corrupt', produced, `there is more than the ${member.bytes} bytes that the directory says. ${RESTORE}`)
        wakeReader?.()
        while (queued >= aheadBytes && !closed) await new Promise<void>((resolve) => { wakeDrain = resolve })
      }
      if (!closed) failure = inputFailure ?? faultAtEnd()
    } catch (error) {
      if (!closed) failure = isMillraceError(error) ? { error } : inputFailure ?? { error: faultOf(error) }
    }
    ended = true
    controller.abort()
    await codec.close()
    await feeding
    wakeReader?.()
  }

  function faultAtEnd(): { readonly error: unknown } | undefined {
    if (produced < member.bytes) return { error: damaged('Corrupt', produced, `there is less than the ${member.bytes} bytes that the directory says. ${RESTORE}`) }
    if ((codec.consumed() ?? fed) !== member.compressedBytes) return { error: damaged('Corrupt', produced, `there are other bytes behind the deflated data. ${RESTORE}`) }
    if (crc !== member.crc) return { error: damaged('Corrupt', produced, `its checksum is wrong. ${RESTORE}`) }
    return undefined
  }

  function faultOf(error: unknown): MillraceError {
    return (error as { readonly code?: unknown }).code === 'Z_BUF_ERROR'
      ? damaged('Truncated', produced, `the deflated data end too early. ${RESTORE}`, error)
      : damaged('Corrupt', produced, `the deflated data are damaged. ${RESTORE}`, error)
  }

  function arrival(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const abort = (): void => {
        wakeReader = undefined
        reject(signal.reason)
      }
      signal.addEventListener('abort', abort, { once: true })
      wakeReader = () => {
        signal.removeEventListener('abort', abort)
        wakeReader = undefined
        resolve()
      }
    })
  }

  function checkState(): void {
    if (failure !== undefined) throw failure.error
    if (closed) throw new MillraceError('Closed', `${source.uri}: the file was closed while ${JSON.stringify(member.name)} was being decompressed`, { uri: source.uri })
  }

  async function take(count: number, signal: AbortSignal, use: (part: Uint8Array, at: number) => void): Promise<void> {
    for (let done = 0; done < count;) {
      const piece = queue[0]
      if (piece === undefined) {
        checkState()
        await arrival(signal)
        continue
      }
      const part = piece.subarray(0, count - done)
      use(part, done)
      done += part.length
      taken += part.length
      queued -= part.length
      if (part.length === piece.length) queue.shift()
      else queue[0] = piece.subarray(part.length)
      if (queued < aheadBytes) wakeDrain?.()
    }
  }

  return {
    position: () => taken,
    failed: () => failure !== undefined && queue.length === 0,
    fill: (into, signal) => take(into.length, signal, (part, at) => into.set(part, at)),
    skip: (count, signal) => take(count, signal, () => undefined),
    async checked(signal) {
      while (!ended) await arrival(signal)
      checkState()
    },
    async close() {
      closed = true
      queue.length = queued = 0
      controller.abort()
      wakeDrain?.()
      await codec.close()
      await draining
    }
  }
}
