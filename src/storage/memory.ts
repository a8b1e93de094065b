import { MillraceError } from '../errors.js'
import type {
  ByteSource, GetOptions, ListOptions, ObjectMeta, ObjectStat, ObjectWriter, OpenOptions, RequestOptions, Store, WriteOptions
} from '../store.js'
import { allocateFor, checkBytes, checkConditions, checkKnown, checkPrecondition, checkRange, closedError } from './checks.js'
import { directoryPages } from './directory-pages.js'
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
 * replaced or deleted. Media types and metadata are kept; conditions of writes hold exactly.
 *
 * ```ts
 * const store = memoryStore()
 * await store.put('mem://greeting', new TextEncoder().encode('hello'))
 * ```
 */
export function memoryStore(): MemoryStore {
  const objects = new Map<string, Stored>()
  let versions = 0

  /** Puts an object there if what is there is what `options` want. */
  function store(uri: string, operation: string, content: Content, options: WriteOptions): ObjectMeta {
    checkPrecondition(uri, operation, options, objects.get(uri)?.version)
    const object = { ...content, version: String(++versions), modified: Date.now() }
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

  /** The name to write to, after the arguments were checked. */
  function target(name: string, operation: string, options: WriteOptions): string {
    const uri = canonical(name, operation)
    checkConditions(operation, options)
    options.signal?.throwIfAborted()
    checkPrecondition(uri, operation, options, objects.get(uri)?.version)
    return uri
  }

  function remove(name: string): void {
    objects.delete(canonical(name, 'delete'))
  }

  async function* list(name: string, { signal }: ListOptions = {}): AsyncGenerator<readonly ObjectMeta[]> {
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

    async open(name, { signal, known }: OpenOptions = {}) {
      const [uri, object] = find(name, 'open', signal)
      checkKnown(uri, 'open', object.version, known)
      return sourceOf(uri, object)
    },

    async get(name, options: GetOptions = {}) {
      const [uri, object] = find(name, 'get', options.signal)
      checkKnown(uri, 'get', object.version, options.known)
      const bytes = allocateFor(uri, object.bytes.byteLength, options)
      bytes.set(object.bytes)
      return { bytes, meta: metaOf(uri, object), verified: false }
    },

    async stat(name, { signal }: RequestOptions = {}): Promise<ObjectStat> {
      const [uri, object] = find(name, 'stat', signal)
      return { ...metaOf(uri, object), contentType: object.contentType, metadata: { ...object.metadata } }
    },

    list,

    listDirectory(name, options = {}) {
      return directoryPages(canonicalPrefix(name), list(name, options))
    },

    async put(name, bytes, options: WriteOptions = {}) {
      const uri = target(name, 'put', options)
      checkBytes('put', bytes)
      return store(uri, 'put', contentOf(new Uint8Array(bytes), options), options)
    },

    async createWriter(name, options: WriteOptions = {}) {
      const uri = target(name, 'createWriter', options)
      return writerOf(uri, options.signal, (bytes) => store(uri, 'finalize', contentOf(bytes, options), options))
    },

    async copy(name, to, options: WriteOptions = {}) {
      const uri = target(to, 'copy', options)
      const [, object] = find(name, 'copy', options.signal)
      return store(uri, 'copy', contentOf(object.bytes, { ...object, ...given(options) }), options)
    },

    async rename(name, to, options: WriteOptions = {}) {
      const [from, object] = find(name, 'rename', options.signal)
      const uri = canonical(to, 'rename')
      if (from === uri) return metaOf(uri, object)
      target(to, 'rename', options)
      const meta = store(uri, 'rename', contentOf(object.bytes, { ...object, ...given(options) }), options)
      objects.delete(from)
      return meta
    },

    async delete(name, { signal }: RequestOptions = {}) {
      canonical(name, 'delete')
      signal?.throwIfAborted()
      remove(name)
    },

    async deleteMany(names, { signal }: RequestOptions = {}) {
      signal?.throwIfAborted()
      return names.map((uri) => {
        try {
          remove(uri)
          return { uri }
        } catch (error) {
          return { uri, error }
        }
      })
    }
  }
}

/**
 * The store that plain `mem://` URIs go to: one for the whole process. Empty it with `defaultMemoryStore.clear()`.
 */
export const defaultMemoryStore: MemoryStore = memoryStore()

interface Content {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly contentType: string
  readonly metadata: Readonly<Record<string, string>>
}

interface Stored extends Content {
  readonly version: string
  readonly modified: number
}

function contentOf(bytes: Uint8Array<ArrayBuffer>, { contentType, metadata }: WriteOptions): Content {
  return { bytes, contentType: contentType ?? 'application/octet-stream', metadata: { ...metadata } }
}

/** What a copy is to have instead of what the original has. */
function given({ contentType, metadata }: WriteOptions): WriteOptions {
  return { ...(contentType === undefined ? {} : { contentType }), ...(metadata === undefined ? {} : { metadata }) }
}

function metaOf(uri: string, { bytes, version, modified }: Stored): ObjectMeta {
  return { uri, size: bytes.byteLength, version, modified }
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
      checkBytes('write', bytes)
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
