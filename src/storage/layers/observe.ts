import { isMillraceError } from '../../errors.js'
import type { ByteSource, Containers, ListOptions, ObjectMeta, ObjectWriter, RequestOptions, RequestTrace, Store } from '../../store.js'
import { withoutSecrets } from '../uri.js'
import { forward } from './forward.js'
import { underWay } from './under-way.js'

/** What somebody who uses a store asks of it. `read` is a read of an opened object, `write` a streaming write from beginning to end. */
export type OperationName =
  | 'open' | 'read' | 'get' | 'stat' | 'list' | 'listDirectory' | 'put' | 'write' | 'delete' | 'deleteMany' | 'copy' | 'rename'
  | 'listContainers' | 'createContainer' | 'deleteContainer'

/** One operation, from the call to its end. It serves the store as the trace of its requests. */
export interface OperationRecord extends RequestTrace {
  readonly operation: OperationName
  /** The object, or the prefix of a listing; without secrets. */
  uri: string
  /** Where a read began; nothing for whole objects. */
  readonly offset: number | undefined
  /** Objects that were read, written, deleted or listed. */
  objects: number
  /** Bytes that were read or written; 0 of what failed. */
  bytes: number
  /** `performance.now()`, as `end` and `firstByte`. */
  readonly start: number
  end: number
  failed: boolean
  /** What was thrown, when it failed. */
  error: unknown
}

/** Somebody who wants to know of every operation of a store. */
export interface OperationObserver {
  /** Called first. The operation begins when the promise resolves, at once if there is none. */
  admit?(signal: AbortSignal | undefined): Promise<void> | undefined
  began?(operation: OperationName): void
  /** Called once for each that began. The record is not changed afterwards, and may be kept. */
  ended(record: OperationRecord): void
}

/** The same store, all of whose operations are shown to an observer. What the observer throws goes to the caller: it should not throw. */
export function observed(inner: Store, observer: OperationObserver): Store {
  function begin(operation: OperationName, uri: string, offset?: number): OperationRecord {
    observer.began?.(operation)
    return {
      operation, uri, offset, objects: 1, bytes: 0, start: performance.now(), end: 0, failed: false, error: undefined,
      requests: 0, retries: 0, firstByte: undefined, endpoint: undefined
    }
  }

  function end(record: OperationRecord, options: RequestOptions | undefined, uri: string | undefined): void {
    record.end = performance.now()
    record.uri = uri ?? withoutSecrets(record.uri)
    if (options?.trace !== undefined) addTrace(options.trace, record)
    observer.ended(record)
  }

  function fail(record: OperationRecord, options: RequestOptions | undefined, error: unknown): void {
    record.failed = true
    record.error = error
    record.objects = 0
    record.bytes = 0
    end(record, options, isMillraceError(error) ? error.uri : undefined)
  }

  /**
   * Shows one call; `done` writes to the record what came of it, and returns the canonical URI where it is known. No async function: it
   * would make a read from memory, which takes half a microsecond, take two.
   */
  function observe<Options extends RequestOptions, Result>(
    operation: OperationName,
    uri: string,
    options: Options | undefined,
    call: (options: Options & { readonly trace: RequestTrace }) => Promise<Result>,
    done: (result: Result, record: OperationRecord) => string | undefined,
    offset?: number
  ): Promise<Result> {
    const run = (): Promise<Result> => {
      const record = begin(operation, uri, offset)
      return start(call, withTrace(options, record)).then(result => {
        end(record, options, done(result, record))
        return result
      }, (error: unknown) => {
        fail(record, options, error)
        throw error
      })
    }
    const admission = observer.admit?.(options?.signal)
    return admission === undefined ? run() : admission.then(run)
  }

  /** Shows a listing from its first page to its end, or to where it was left. */
  async function* observeList<Page>(
    operation: OperationName,
    uri: string,
    options: RequestOptions | undefined,
    list: (options: RequestOptions) => AsyncIterable<Page>,
    count: (page: Page) => number
  ): AsyncGenerator<Page, void, undefined> {
    const admission = observer.admit?.(options?.signal)
    if (admission !== undefined) await admission
    const record = begin(operation, uri)
    record.objects = 0
    let ended = false
    try {
      for await (const page of list({ ...options, trace: record })) {
        record.firstByte ??= performance.now()
        record.objects += count(page)
        yield page
      }
    } catch (error) {
      ended = true
      fail(record, options, error)
      throw error
    } finally {
      if (!ended) end(record, options, undefined)
    }
  }

  function observeSource(source: ByteSource): ByteSource {
    const { uri } = source
    const reads = underWay()
    return {
      uri,
      byteLength: source.byteLength,
      version: source.version,
      read: (offset, into, options) => reads.track(observe('read', uri, options, own => source.read(offset, into, own), (_, record) => {
        record.bytes = into.byteLength
        return uri
      }, offset)),
      async close() {
        await source.close()
        await reads.ended()
      }
    }
  }

  function observeWriter(writer: ObjectWriter, record: OperationRecord, options: RequestOptions | undefined): ObjectWriter {
    let bytes = 0
    let ended = false
    const once = (finish: () => void): void => {
      if (!ended) finish()
      ended = true
    }
    const failed = (error: unknown): never => {
      once(() => fail(record, options, error))
      throw error
    }
    return {
      async write(part) {
        const { byteLength } = part
        await writer.write(part).catch(failed)
        bytes += byteLength
      },
      async finalize() {
        const meta = await writer.finalize().catch(failed)
        once(() => {
          record.bytes = bytes
          end(record, options, meta.uri)
        })
        return meta
      },
      async abort() {
        await writer.abort().catch(failed)
        once(() => fail(record, options, ABORTED))
      }
    }
  }

  function observeContainers(containers: Containers): Containers {
    return {
      list: options => observeList('listContainers', `${inner.scheme}://`, options, own => containers.list(own), () => 1),
      create: (uri, options) => observe('createContainer', uri, options, own => containers.create(uri, own), () => undefined),
      delete: (uri, options) => observe('deleteContainer', uri, options, own => containers.delete(uri, own), () => undefined)
    }
  }

  const { get, copy, rename, deleteMany, listDirectory, containers } = inner
  return forward(inner, {
    async open(uri, options) {
      return observeSource(await observe('open', uri, options, own => inner.open(uri, own), source => source.uri))
    },
    stat: (uri, options) => observe('stat', uri, options, own => inner.stat(uri, own), metaOf),
    list: (prefix, options) => observeList('list', prefix, options, (own: ListOptions) => inner.list(prefix, own), page => page.length),
    put: (uri, bytes, options) => observe('put', uri, options, own => inner.put(uri, bytes, own), sizeOf),
    async createWriter(uri, options) {
      const admission = observer.admit?.(options?.signal)
      if (admission !== undefined) await admission
      const record = begin('write', uri)
      try {
        return observeWriter(await inner.createWriter(uri, { ...options, trace: record }), record, options)
      } catch (error) {
        fail(record, options, error)
        throw error
      }
    },
    delete: (uri, options) => observe('delete', uri, options, own => inner.delete(uri, own), () => undefined),
    ...get && {
      get: (uri, options) => observe('get', uri, options, own => get.call(inner, uri, own), ({ bytes, meta }, record) => {
        record.bytes = bytes.byteLength
        return meta.uri
      })
    },
    ...copy && { copy: (from, to, options) => observe('copy', from, options, own => copy.call(inner, from, to, own), () => undefined) },
    ...rename && { rename: (from, to, options) => observe('rename', from, options, own => rename.call(inner, from, to, own), () => undefined) },
    ...deleteMany && {
      deleteMany: (uris, options) => observe('deleteMany', uris[0] ?? '', options, own => deleteMany.call(inner, uris, own), (results, record) => {
        const failures = results.filter(({ error }) => error !== undefined)
        record.objects = results.length - failures.length
        record.failed = failures.length > 0
        record.error = failures[0]?.error
        return results[0]?.uri
      })
    },
    ...listDirectory && {
      listDirectory: (prefix, options) =>
        observeList('listDirectory', prefix, options, own => listDirectory.call(inner, prefix, own), page => page.objects.length + page.prefixes.length)
    },
    ...containers && { containers: observeContainers(containers) }
  } satisfies Partial<Store>)
}

/** The same options with another trace. */
function withTrace<Options extends RequestOptions>(options: Options | undefined, trace: RequestTrace): Options & { readonly trace: RequestTrace } {
  if (options !== undefined) return { ...options, trace }
  const least: RequestOptions = { trace } // spreading nothing costs more than all else here
  return least as Options & { readonly trace: RequestTrace } // all options may be left out
}

/** What a call throws instead of rejecting is a rejection too. */
function start<Options, Result>(call: (options: Options) => Promise<Result>, options: Options): Promise<Result> {
  try {
    return call(options)
  } catch (error) {
    return Promise.reject(error as Error)
  }
}

/** What a writer that was given up failed with. */
const ABORTED = Object.assign(new Error('the writer was aborted'), { name: 'AbortError' })

function metaOf({ uri }: ObjectMeta): string {
  return uri
}

function sizeOf({ uri, size }: ObjectMeta, record: OperationRecord): string {
  record.bytes = size
  return uri
}

/** Adds what one operation took to the trace of something larger. */
export function addTrace(to: RequestTrace, from: RequestTrace): void {
  to.requests += from.requests
  to.retries += from.retries
  to.firstByte ??= from.firstByte
  to.endpoint = from.endpoint ?? to.endpoint
}
