import { MillraceError } from '../errors.js'
import type { ByteSource, ListOptions, ObjectMeta, ObjectWriter, RequestOptions, Store } from '../store.js'
import { checkRange, closedError } from './checks.js'
import { checkCharacters, compareBytes, invalidUri, schemeOf } from './uri.js'

/** A store in memory. */
export interface MemoryStore extends Store {
  /** Bytes that it holds. */
  readonly byteLength: number
  /** Deletes everything. Sources that are open keep what they read. */
  clear(): void
}

/** Objects in one listing page. */
const PAGE = 1000

/**
 * Makes a store in memory, isolated from every other: for tests, examples and small data. It serves `mem://name` for any
 * non-empty name, taken as it is: nothing is decoded or normalised.
 *
 * Bytes are copied in and out. An opened source goes on reading the version that it opened, also when the object is
 * replaced or deleted.
 *
 * ```ts
 * const store = memoryStore()
 * await store.put('mem://greeting', new TextEncoder().encode('hello'))
 * ```
 */
export function memoryStore(): MemoryStore {
  const objects = new Map<string, Stored>()
  let versions = 0

  function store(uri: string, bytes: Uint8Array<ArrayBuffer>): ObjectMeta {
    const object = { bytes, version: String(++versions) }
    objects.set(uri, object)
    return metaOf(uri, object)
  }

  function find(name: string, operation: string, signal: AbortSignal | undefined): [string, Stored] {
    const uri = canonical(name, operation)
    signal?.throwIfAborted()
    const object = objects.get(uri)
    if (object === undefined) {
      throw new MillraceError('NotFound', `${operation} ${uri}: no such object in this memory store; it holds ${objects.size}`,
        { uri, operation })
    }
    return [uri, object]
  }

  return {
    scheme: 'mem',
    capabilities: { write: true, list: true, idealRange: 1 << 20 },
    get byteLength() {
      let sum = 0
      for (const object of objects.values()) sum += object.bytes.byteLength
      return sum
    },
    clear: () => { objects.clear() },

    async open(name, { signal }: RequestOptions = {}) {
      return sourceOf(...find(name, 'open', signal))
    },

    async stat(name, { signal }: RequestOptions = {}) {
      return metaOf(...find(name, 'stat', signal))
    },

    async *list(name, { signal }: ListOptions = {}) {
      const prefix = canonicalPrefix(name)
      signal?.throwIfAborted()
      const uris = [...objects.keys()].filter((uri) => uri.startsWith(prefix)).sort(compareBytes)
      for (let i = 0; i < uris.length; i += PAGE) {
        const page = uris.slice(i, i + PAGE).flatMap((uri) => {
          const object = objects.get(uri)
          return object === undefined ? [] : [metaOf(uri, object)]
        })
        if (page.length > 0) yield page
        signal?.throwIfAborted()
      }
    },

    async put(name, bytes, { signal }: RequestOptions = {}) {
      const uri = canonical(name, 'put')
      signal?.throwIfAborted()
      return store(uri, new Uint8Array(bytes))
    },

    async createWriter(name, { signal }: RequestOptions = {}) {
      const uri = canonical(name, 'createWriter')
      signal?.throwIfAborted()
      return writerOf(uri, signal, (bytes) => store(uri, bytes))
    },

    async delete(name, { signal }: RequestOptions = {}) {
      const uri = canonical(name, 'delete')
      signal?.throwIfAborted()
      objects.delete(uri)
    }
  }
}

/**
 * The store that plain `mem://` URIs go to: one for the whole process. Empty it with `defaultMemoryStore.clear()`.
 */
export const defaultMemoryStore: MemoryStore = memoryStore()

interface Stored {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly version: string
}

function metaOf(uri: string, object: Stored): ObjectMeta {
  return { uri, size: object.bytes.byteLength, version: object.version }
}

function canonicalPrefix(uri: string): string {
  checkCharacters(uri, 'list')
  if (schemeOf(uri) !== 'mem') throw invalidUri(uri, 'list', 'the memory store serves mem:// only')
  return `mem://${uri.slice('mem://'.length)}`
}

function canonical(uri: string, operation: string): string {
  checkCharacters(uri, operation)
  if (schemeOf(uri) !== 'mem') throw invalidUri(uri, operation, 'the memory store serves mem:// only')
  const key = uri.slice('mem://'.length)
  if (key === '') throw invalidUri(uri, operation, 'write a name behind mem://')
  return `mem://${key}`
}

function sourceOf(uri: string, { bytes, version }: Stored): ByteSource {
  let open = true
  return {
    uri,
    byteLength: bytes.byteLength,
    version,
    async read(offset, into, { signal }: RequestOptions = {}) {
      checkRange(uri, bytes.byteLength, offset, into.byteLength)
      if (!open) throw closedError(uri, 'read', 'the source was closed')
      signal?.throwIfAborted()
      into.set(bytes.subarray(offset, offset + into.byteLength))
    },
    async close() {
      open = false
    }
  }
}

function writerOf(
  uri: string,
  signal: AbortSignal | undefined,
  commit: (bytes: Uint8Array<ArrayBuffer>) => ObjectMeta
): ObjectWriter {
  let parts: Uint8Array[] = []
  let end: string | undefined
  function check(operation: string): void {
    if (end !== undefined) throw closedError(uri, operation, `the writer was ${end}`)
    signal?.throwIfAborted()
  }
  return {
    async write(bytes) {
      check('write')
      parts.push(new Uint8Array(bytes)) // Not slice(): a Buffer would give a view.
    },
    async finalize() {
      check('finalize')
      end = 'finalized'
      const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
      let at = 0
      for (const part of parts) {
        whole.set(part, at)
        at += part.byteLength
      }
      parts = []
      return commit(whole)
    },
    async abort() {
      end ??= 'aborted'
      parts = []
    }
  }
}
