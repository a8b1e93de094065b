import { MillraceError } from '../../errors.js'
import type { ObjectMeta, ObjectWriter } from '../../store.js'
import { abortable, sharedController } from '../../util/abort.js'
import { checkBytes, closedError } from '../checks.js'

/** An object that is sent in parts. Nothing of it is seen before `complete`. */
export interface Upload<Part> {
  /** Sends a part; they are numbered from 1 on, and sent in any order. What it resolves to is given to `complete`. */
  part(number: number, bytes: Uint8Array, signal: AbortSignal): Promise<Part>
  /** Makes the object of its parts, in their order. */
  complete(parts: readonly Part[], signal: AbortSignal): Promise<ObjectMeta>
  /** Drops what was sent. No part is under way any more. */
  abort(): Promise<void>
}

/** How a service takes objects. */
export interface UploadService<Part> {
  /** Bytes of a part. Later parts are larger when there are very many of them. */
  readonly partSize: number
  /** Parts that are under way side by side. */
  readonly concurrency: number
  /** Parts that an object may have. @default 10,000, as in S3 */
  readonly maxParts?: number | undefined
  /** Writes an object that fits into one part. */
  put(bytes: Uint8Array, signal: AbortSignal): Promise<ObjectMeta>
  /**
   * Begins an upload. It should not be given up half-way: an upload that the service has begun and whose name did not arrive cannot be
   * aborted.
   */
  begin(signal: AbortSignal): Promise<Upload<Part>>
}

/** No part is larger than this, however many there are. */
const LARGEST_PART = 1 << 30
/** A buffer begins this small, and doubles: most objects are. */
const FIRST_BUFFER = 64 << 10

/**
 * A writer that gathers bytes into parts. What fits into one part is one `put`; anything larger is an upload, some parts of which are under
 * way while the next is gathered. `write` waits when all of them are: memory is `partSize × (concurrency + 1)` at most.
 *
 * Half of the parts that there may be are of `partSize`, so that objects of equal parts are the rule (some services take no others); from
 * there on the size doubles with every fortieth of them, up to 1 GiB. With parts of 16 MiB an object may have 4 TB.
 *
 * When a part fails, and when the signal is aborted, the parts under way are called off and waited for, and then the upload is aborted.
 * Whoever gets the error of a failure gets it when nothing is left; an aborted signal is told at once, and `abort` waits for the rest.
 */
export function multipartWriter<Part>(uri: string, service: UploadService<Part>, signal: AbortSignal | undefined): ObjectWriter {
  const { partSize, concurrency, maxParts = 10_000 } = service
  const controller = sharedController()
  const underWay = new Set<Promise<void>>()
  const parts: Part[] = []
  let spare: Uint8Array[] = []
  let sent = 0
  let buffer: Uint8Array = new Uint8Array(0)
  let length = 0
  let upload: Promise<Upload<Part>> | undefined
  let failure: { readonly error: unknown } | undefined
  let end: 'finalized' | 'aborted' | undefined
  let cleaning: Promise<void> | undefined
  let queue: Promise<unknown> = Promise.resolve()

  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted === true) onAbort()

  function onAbort(): void {
    end ??= 'aborted'
    failure ??= { error: signal?.reason }
    controller.abort(signal?.reason)
    clean().catch(() => undefined) // `abort` tells of it
  }

  /** Nothing is left when it resolves. */
  function clean(): Promise<void> {
    return cleaning ??= (async () => {
      signal?.removeEventListener('abort', onAbort)
      await Promise.all(underWay)
      buffer = new Uint8Array(0)
      spare = []
      try {
        await (await upload?.catch(() => undefined))?.abort()
      } catch (error) {
        cleaning = undefined // another abort() tries again
        throw error
      }
    })()
  }

  function fail(error: unknown): void {
    if (failure !== undefined || end === 'aborted') return
    failure = { error }
    controller.abort(error)
    clean().catch(() => undefined) // the first error is the one to report
  }

  /** One step at a time, in the order of the calls; after a failure none. */
  function enqueue<T>(step: () => Promise<T>): Promise<T> {
    const result = queue.then(async () => {
      try {
        controller.signal.throwIfAborted()
        return await step()
      } catch (error) {
        fail(error)
        // Who aborts need not wait: abort() does.
        if (end !== 'aborted') await cleaning?.catch(() => undefined)
        throw failure === undefined ? error : failure.error
      }
    })
    queue = result.catch(() => undefined)
    // A step that waits for the service ends at once when the signal is aborted.
    return signal === undefined ? result : abortable(result, signal)
  }

  /** Bytes of the part that is being gathered. */
  function partBytes(): number {
    const doublings = Math.max(0, Math.floor((sent - maxParts / 2) / (maxParts / 40)) + 1)
    return Math.min(partSize * 2 ** doublings, Math.max(partSize, LARGEST_PART))
  }

  async function take(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength;) {
      if (length === partBytes()) await dispatch()
      if (sent >= maxParts) {
        throw new MillraceError('Limit',
          `write ${uri}: an object has at most ${maxParts} parts there; begin with a larger partSize than ${partSize}`, { uri, operation: 'write' })
      }
      const count = Math.min(bytes.byteLength - at, partBytes() - length)
      reserve(length + count, partBytes())
      buffer.set(bytes.subarray(at, at + count), length)
      length += count
      at += count
    }
  }

  function reserve(needed: number, most: number): void {
    if (buffer.byteLength >= needed) return
    const fitting = buffer.byteLength === 0 ? spare.pop() : undefined
    const grown = fitting !== undefined && fitting.byteLength >= needed
      ? fitting
      : new Uint8Array(sent > 0 ? most : Math.min(most, Math.max(needed, FIRST_BUFFER, buffer.byteLength * 2)))
    grown.set(buffer.subarray(0, length))
    buffer = grown
  }

  /** Sends what was gathered as a part, once there is room for one more. */
  async function dispatch(): Promise<void> {
    while (underWay.size >= concurrency) await abortable(Promise.race(underWay), controller.signal)
    controller.signal.throwIfAborted()
    const [bytes, used] = [buffer, length]
    buffer = new Uint8Array(0)
    length = 0
    upload ??= service.begin(controller.signal)
    const sending = send(upload, ++sent, bytes, used).finally(() => underWay.delete(sending))
    underWay.add(sending)
  }

  /** Never rejects. */
  async function send(begun: Promise<Upload<Part>>, number: number, bytes: Uint8Array, used: number): Promise<void> {
    try {
      const target = await begun
      controller.signal.throwIfAborted()
      parts[number - 1] = await target.part(number, bytes.subarray(0, used), controller.signal)
      spare.push(bytes)
    } catch (error) {
      fail(error)
    }
  }

  async function finish(): Promise<ObjectMeta> {
    let meta: ObjectMeta
    if (upload === undefined) {
      meta = await service.put(buffer.subarray(0, length), controller.signal)
    } else {
      if (length > 0) await dispatch()
      const target = await upload
      while (underWay.size > 0) await abortable(Promise.all(underWay), controller.signal)
      controller.signal.throwIfAborted()
      const completing = target.complete(parts, controller.signal)
      // It must not be aborted under the feet of a request that may succeed.
      underWay.add(completing.then(() => undefined, () => undefined))
      meta = await completing
    }
    // From here on there is nothing to clean up: the upload is the object.
    signal?.removeEventListener('abort', onAbort)
    buffer = new Uint8Array(0)
    spare = []
    return meta
  }

  function check(operation: string): void {
    signal?.throwIfAborted()
    if (end !== undefined) throw closedError(uri, operation, `the writer was ${end}`)
  }

  return {
    async write(bytes) {
      check('write')
      checkBytes('write', bytes)
      return enqueue(() => take(bytes))
    },

    async finalize() {
      check('finalize')
      end = 'finalized'
      return enqueue(finish)
    },

    async abort() {
      if (end === 'finalized') {
        await queue
        return
      }
      end = 'aborted'
      controller.abort(closedError(uri, 'write', 'the writer was aborted'))
      await clean()
    }
  }
}
