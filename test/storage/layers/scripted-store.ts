import { forward } from '../../../src/storage/layers/forward.js'
import type { ByteSource, Store } from '../../../src/store.js'

/** A call that an inner store got. */
export interface Call {
  readonly name: string
  readonly uri: string
  readonly offset?: number
  readonly length?: number
}

/** A store that notes every call, and does what the test says before a call goes on. */
export interface ScriptedStore extends Store {
  readonly calls: Call[]
  /** Calls of that name, in order. */
  named(name: string): Call[]
  /** Runs before each call; what it throws, the call rejects with. */
  before: (call: Call, signal: AbortSignal | undefined) => Promise<void> | void
}

/** Wraps a store. Traces get one request per call, with the endpoint that is given. */
export function scripted(inner: Store, { endpoint, whole = false }: { endpoint?: string; whole?: boolean } = {}): ScriptedStore {
  const calls: Call[] = []
  const noted = async <T>(call: Call, options: { signal?: AbortSignal | undefined; trace?: { requests: number; endpoint?: string | undefined } | undefined } | undefined, go: () => Promise<T>): Promise<T> => {
    calls.push(call)
    await store.before(call, options?.signal)
    options?.signal?.throwIfAborted()
    if (options?.trace !== undefined) {
      options.trace.requests++
      options.trace.endpoint = endpoint
    }
    return go()
  }
  const sourceOf = (source: ByteSource): ByteSource => ({
    uri: source.uri,
    byteLength: source.byteLength,
    version: source.version,
    read: (offset, into, options) => noted({ name: 'read', uri: source.uri, offset, length: into.byteLength }, options, () => source.read(offset, into, options)),
    close() {
      calls.push({ name: 'close', uri: source.uri })
      return source.close()
    }
  })
  const { get: _, ...withoutGet } = inner
  const store: ScriptedStore = forward(withoutGet, {
    calls,
    named: (name: string) => calls.filter(call => call.name === name),
    before: () => undefined,
    open: (uri, options) => noted({ name: 'open', uri }, options, async () => sourceOf(await inner.open(uri, options))),
    stat: (uri, options) => noted({ name: 'stat', uri }, options, () => inner.stat(uri, options)),
    put: (uri, bytes, options) => noted({ name: 'put', uri, length: bytes.byteLength }, options, () => inner.put(uri, bytes, options)),
    delete: (uri, options) => noted({ name: 'delete', uri }, options, () => inner.delete(uri, options)),
    ...whole && {
      get: (uri, options = {}) => noted({ name: 'get', uri }, options, async () => {
        const source = await inner.open(uri, options)
        const bytes = (options.allocate ?? (length => new Uint8Array(length)))(source.byteLength).subarray(0, source.byteLength)
        await source.read(0, bytes)
        await source.close()
        return { bytes, meta: { uri: source.uri, size: source.byteLength, version: source.version }, verified: true }
      })
    }
  } satisfies Partial<Store> & Pick<ScriptedStore, 'calls' | 'named' | 'before'>)
  return store
}

/** A promise to be settled from outside. */
export function gate(): { readonly opened: Promise<void>; open(): void; fail(error: unknown): void } {
  let open: () => void = () => undefined
  let fail: (error: unknown) => void = () => undefined
  const opened = new Promise<void>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  opened.catch(() => undefined)
  return { opened, open, fail }
}

/** Waits for the signal, and rejects with its reason. */
export function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    if (signal?.aborted === true) reject(signal.reason)
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** Bytes that tell where they are from. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0, x = seed * 2654435761 + 12345; i < length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0
    bytes[i] = x >>> 16
  }
  return bytes
}

export async function readRange(source: ByteSource, from: number, to: number, signal?: AbortSignal): Promise<Uint8Array> {
  const into = new Uint8Array(to - from)
  await source.read(from, into, { signal })
  return into
}

/** Opens, reads a range (all if there is none) and closes. */
export async function readObject(store: Store, uri: string, from = 0, to?: number): Promise<Uint8Array> {
  const source = await store.open(uri)
  try {
    return await readRange(source, from, to ?? source.byteLength)
  } finally {
    await source.close()
  }
}

/** Lets everything run that is ready. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise<void>(resolve => setImmediate(resolve))
}

/** Equal bytes, without the cost of a matcher that looks at each. */
export function same(actual: Uint8Array, expected: Uint8Array): boolean {
  return Buffer.compare(actual, expected) === 0
}
