import type { ByteSource, ObjectMeta, RequestTrace } from '../../store.js'
import { abortable, sharedController } from '../../util/abort.js'
import { checkRange, closedError } from '../checks.js'
import type { FirstRead, ObjectHead, ValidatedReader } from './reader.js'
import type { RemoteName } from './service.js'

/** Reads bytes of one version of an object, however many requests that takes. */
export type ReadObject = (meta: ObjectMeta, offset: number, into: Uint8Array, signal: AbortSignal, trace: RequestTrace | undefined) => Promise<void>

export interface OpenRemoteOptions {
  /** Bytes that are asked for to learn size and version. */
  readonly firstRange: number
  readonly signal: AbortSignal | undefined
  readonly trace: RequestTrace | undefined
}

/**
 * Opens an object of which nothing is known, by asking for its first bytes: the head of that reply tells size and version. With it
 * the source is there, while the bytes are still on their way to whoever reads them first. No request is spent on the size alone.
 */
export async function openRemoteSource(reader: ValidatedReader, name: RemoteName, read: ReadObject, options: OpenRemoteOptions): Promise<ByteSource> {
  const { firstRange, signal, trace } = options
  signal?.throwIfAborted()
  const controller = sharedController()
  const { head, bytes } = readBeginning(reader, name, firstRange, controller.signal, trace)
  try {
    const { size, version } = await (signal === undefined ? head : abortable(head, signal))
    return remoteSource({ uri: name.uri, size, version }, read, controller, { length: Math.min(firstRange, size), bytes })
  } catch (error) {
    controller.abort(error)
    await bytes.catch(() => undefined)
    throw error
  }
}

/**
 * A source for an object of which size and version are known: opening it asks nothing. Who begins with a little of its beginning, to see
 * what it is, gets as much as `openRemoteSource` would have asked for, since the rest of that is mostly wanted next.
 */
export function knownRemoteSource(meta: ObjectMeta, read: ReadObject, firstRange: number): ByteSource {
  const controller = sharedController()
  const length = Math.min(firstRange, meta.size)
  const begin = async (): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length)
    await read(meta, 0, bytes, controller.signal, undefined)
    return bytes
  }
  return remoteSource(meta, read, controller, undefined, (offset, wanted) => (offset === 0 && wanted < length ? { length, bytes: begin() } : undefined))
}

/** The first bytes of an object, on their way. */
interface Beginning {
  readonly length: number
  /** The bytes, all there. */
  readonly bytes: Promise<Uint8Array>
}

function readBeginning(
  reader: ValidatedReader, name: RemoteName, want: number, signal: AbortSignal, trace: RequestTrace | undefined
): { readonly head: Promise<ObjectHead>; readonly bytes: Promise<Uint8Array> } {
  let bytes: Uint8Array | undefined
  let told: (head: ObjectHead) => void = () => undefined
  const early = new Promise<ObjectHead>(resolve => { told = resolve })
  const whole: Promise<FirstRead> = reader.readFirst(name, {
    want, whole: false, signal, trace, operation: 'open',
    begin(head) {
      bytes ??= new Uint8Array(Math.min(want, head.size))
      told(head)
      return bytes
    }
  })
  const head = Promise.race([early, whole.then(first => first.head)]) // an empty object has nothing to begin
  const arrived = whole.then(({ length }) => (bytes ?? new Uint8Array(0)).subarray(0, length))
  for (const promise of [head, arrived]) promise.catch(() => undefined) // told to those who ask for it
  return { head, bytes: arrived }
}

function remoteSource(
  { uri, size, version }: ObjectMeta, read: ReadObject, controller: AbortController, early: Beginning | undefined,
  atFirstRead?: (offset: number, length: number) => Beginning | undefined
): ByteSource {
  const meta = { uri, size, version }
  const underWay = new Set<Promise<void>>()
  let first = early
  let whenFirst = atFirstRead
  let closed: Promise<void> | undefined

  /** Fills what the beginning holds of a range, and says how much that was. What could not be had then is read anew. */
  async function fromBeginning({ length, bytes }: Beginning, offset: number, into: Uint8Array, signal: AbortSignal): Promise<number> {
    const count = Math.min(into.byteLength, length - offset)
    try {
      into.set((await abortable(bytes, signal)).subarray(offset, offset + count))
    } catch {
      signal.throwIfAborted()
      first = undefined
      return 0
    }
    // Who reads in order does not come back. A small object stays, so that it is asked for once.
    if (offset + count === length && length < size) first = undefined
    return count
  }

  async function fill(offset: number, into: Uint8Array, signal: AbortSignal, trace: RequestTrace | undefined): Promise<void> {
    first ??= whenFirst?.(offset, into.byteLength)
    whenFirst = undefined
    const done = first !== undefined && offset < first.length ? await fromBeginning(first, offset, into, signal) : 0
    if (done < into.byteLength) await read(meta, offset + done, into.subarray(done), signal, trace)
  }

  async function finish(): Promise<void> {
    await Promise.allSettled(underWay)
    controller.abort(closedError(uri, 'read', 'the source was closed'))
    await first?.bytes.catch(() => undefined)
    first = undefined
  }

  return {
    uri,
    byteLength: size,
    version,
    async read(offset, into, { signal = controller.signal, trace } = {}) {
      checkRange(uri, size, offset, into.byteLength)
      if (closed !== undefined) throw closedError(uri, 'read', 'the source was closed')
      signal.throwIfAborted()
      if (into.byteLength === 0) return
      const reading = fill(offset, into, signal, trace)
      underWay.add(reading)
      try {
        await reading
      } finally {
        underWay.delete(reading)
      }
    },
    close: () => (closed ??= finish())
  }
}
