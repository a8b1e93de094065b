import { isMillraceError, MillraceError } from '../../errors.js'
import type { ByteSource, DirectoryPage, GetOptions, ListOptions, ObjectMeta, OpenOptions, RequestOptions, Store } from '../../store.js'
import { abortable, sharedController } from '../../util/abort.js'
import { checkInteger, checkOptions } from '../../util/check.js'
import { checkRange, closedError } from '../checks.js'
import { compareBytes, withoutSecrets } from '../uri.js'
import { endpointsOf, type Endpoint, type EndpointPolicy, type EndpointState } from './endpoints.js'
import { forward } from './forward.js'
import { underWay } from './under-way.js'

/** Options of {@link multiEndpoint}. */
export interface MultiEndpointOptions {
  /** @default 'round-robin' */
  readonly policy?: EndpointPolicy | undefined
  /** Whether what one endpoint cannot serve is asked of the next. @default true */
  readonly failover?: boolean | undefined
  /** Milliseconds for which an endpoint that could not be reached is left alone; longer each time, up to 16 times as long. @default 5000 */
  readonly pause?: number | undefined
}

/** Several endpoints as one store. */
export interface MultiEndpointStore extends Store {
  /** How each does, in the order in which they were given. */
  endpoints(): readonly EndpointState[]
  close(): Promise<void>
}

/**
 * Makes one store of several endpoints of the same data, such as the nodes of a storage cluster. Reads, stats and listings are spread over
 * them; what one cannot serve is asked of the next, and one that could not be reached is left alone for a while. Writes, deletes and copies
 * go to the first: one whose outcome nobody knows must not be repeated somewhere else.
 *
 * An opened object is read in one version only. Endpoints that have another one, or none, are not asked for that object any more; when none
 * has it, it is `Changed`.
 *
 * ```ts
 * const store = multiEndpoint([memoryStore(), memoryStore()], { policy: 'least-connections' })
 * ```
 *
 * @throws TypeError, RangeError for options that cannot be, and for stores of different schemes
 */
export function multiEndpoint(stores: readonly Store[], options: MultiEndpointOptions = {}, clock: { now(): number } = performance): MultiEndpointStore {
  const { policy, failover, pause } = resolveOptions(options)
  const first = checkStores(stores)
  const endpoints = endpointsOf(stores, policy, pause, clock)
  let closing: Promise<void> | undefined

  function begin(operation: string, uri: string, signal: AbortSignal | undefined): void {
    if (closing !== undefined) throw closedError(withoutSecrets(uri), operation, 'the store was closed')
    signal?.throwIfAborted()
  }

  /**
   * Does something at one endpoint after the other, until one can. `lacks` are those that do not have the version that is wanted; absent
   * when any version will do.
   */
  async function ask<T>(signal: AbortSignal | undefined, lacks: Set<Endpoint> | undefined, run: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    const excluded = new Set(lacks)
    let failure: { readonly error: unknown } | undefined
    for (let endpoint = endpoints.choose(excluded); endpoint !== undefined; endpoint = endpoints.choose(excluded)) {
      const asked = endpoint
      try {
        return await endpoints.attempt(asked, signal, () => run(asked))
      } catch (error) {
        const isOther = lacks !== undefined && (isMillraceError(error, 'Changed') || isMillraceError(error, 'NotFound'))
        if (signal?.aborted === true || !(isOther || canGoOn(error))) throw error
        if (isOther && !lacks.has(asked)) {
          lacks.add(asked)
          asked.otherVersions++
        }
        excluded.add(asked)
        // That an endpoint cannot be reached says more than that others have another version: it may have this one.
        if (failure === undefined || !isOther) failure = { error }
      }
    }
    throw failure?.error
  }

  function canGoOn(error: unknown): boolean {
    return failover && isMillraceError(error) && error.retryable
  }

  async function open(uri: string, request: OpenOptions = {}): Promise<ByteSource> {
    begin('open', uri, request.signal)
    const lacks = new Set<Endpoint>()
    const lacking = request.known === undefined ? undefined : lacks
    const [endpoint, source] = await ask(request.signal, lacking, async each => [each, await each.store.open(uri, request)] as const)
    return sourceOf(source, endpoint, lacks)
  }

  function sourceOf(opened: ByteSource, at: Endpoint, lacks: Set<Endpoint>): ByteSource {
    const { uri, byteLength, version } = opened
    const meta: ObjectMeta = { uri, size: byteLength, version }
    const sources = new Map<Endpoint, Promise<ByteSource>>([[at, Promise.resolve(opened)]])
    const controller = sharedController()
    const reads = underWay()
    let closed: Promise<void> | undefined

    /** The object at that endpoint, opened for all reads: hence no signal of one of them. */
    function sourceAt(endpoint: Endpoint, { trace }: RequestOptions): Promise<ByteSource> {
      let source = sources.get(endpoint)
      if (source === undefined) {
        source = openVersion(endpoint.store, meta, { signal: controller.signal, trace })
        sources.set(endpoint, source)
        source.catch(() => sources.delete(endpoint))
      }
      return source
    }

    async function read(offset: number, into: Uint8Array, request: RequestOptions): Promise<void> {
      checkRange(uri, byteLength, offset, into.byteLength)
      if (closed !== undefined) throw closedError(uri, 'read', 'the source was closed')
      begin('read', uri, request.signal)
      if (lacks.size === endpoints.all.length) throw changed(meta) // found out by an earlier read
      await ask(request.signal, lacks, async endpoint => {
        const opening = sourceAt(endpoint, request)
        const source = await (request.signal === undefined ? opening : abortable(opening, request.signal))
        await source.read(offset, into, request)
      })
    }

    async function finish(): Promise<void> {
      await reads.ended()
      controller.abort(closedError(uri, 'read', 'the source was closed'))
      const results = await Promise.allSettled([...sources.values()].map(async source => {
        const open = await source.catch(() => undefined) // how opening failed was told to those who read
        await open?.close()
      }))
      for (const result of results) if (result.status === 'rejected') throw result.reason
    }

    return {
      uri,
      byteLength,
      version,
      read: (offset, into, request = {}) => reads.track(read(offset, into, request)),
      close: () => (closed ??= finish())
    }
  }

  /** Goes on at the next endpoint behind the last object that was listed. */
  async function* list(prefix: string, request: ListOptions = {}): AsyncGenerator<readonly ObjectMeta[], void, undefined> {
    let last: string | undefined
    yield* listPages('list', prefix, request, true, store => store.list(prefix, request), page => {
      const after = last
      const rest = after === undefined ? page : page.filter(({ uri }) => compareBytes(uri, after) > 0)
      last = rest.at(-1)?.uri ?? last
      return rest.length === 0 ? undefined : rest
    })
  }

  /** `next` returns what of a page is new, if anything is. */
  async function* listPages<Page>(
    operation: string, prefix: string, request: RequestOptions, resumes: boolean, pages: (store: Store) => AsyncIterable<Page>, next: (page: Page) => Page | undefined
  ): AsyncGenerator<Page, void, undefined> {
    begin(operation, prefix, request.signal)
    const excluded = new Set<Endpoint>()
    let failure: { readonly error: unknown } | undefined
    for (let endpoint = endpoints.choose(excluded); endpoint !== undefined; endpoint = endpoints.choose(excluded)) {
      const end = endpoints.begin(endpoint, request.signal)
      let result: { readonly error?: unknown } = {}
      let begun = false
      try {
        for await (const page of pages(endpoint.store)) {
          begun = true
          const fresh = next(page)
          if (fresh !== undefined) yield fresh
        }
        return
      } catch (error) {
        result = { error: error ?? new Error('nothing was thrown') }
        if (request.signal?.aborted === true || !canGoOn(error) || (begun && !resumes)) throw error
        excluded.add(endpoint)
        failure = { error }
      } finally {
        end(result.error)
      }
    }
    throw failure?.error
  }

  /** Objects and prefixes come in no common order: what is missing of a listing that broke cannot be told. So it may only fail over before its first page. */
  function listDirectory(prefix: string, request: RequestOptions = {}): AsyncIterable<DirectoryPage> {
    const pages = (store: Store): AsyncIterable<DirectoryPage> => store.listDirectory?.(prefix, request) ?? lost('listDirectory')
    return listPages('listDirectory', prefix, request, false, pages, page => page)
  }

  async function atFirst<T>(operation: string, uri: string, request: RequestOptions | undefined, run: () => Promise<T>): Promise<T> {
    begin(operation, uri, request?.signal)
    return endpoints.attempt(endpoints.all[0] as Endpoint, request?.signal, run)
  }

  const { copy, rename, deleteMany } = first
  const own = {
    open,
    async stat(uri, request) {
      begin('stat', uri, request?.signal)
      return ask(request?.signal, undefined, ({ store }) => store.stat(uri, request))
    },
    list,
    put: (uri, bytes, request) => atFirst('put', uri, request, () => first.put(uri, bytes, request)),
    createWriter: (uri, request) => atFirst('createWriter', uri, request, () => first.createWriter(uri, request)),
    delete: (uri, request) => atFirst('delete', uri, request, () => first.delete(uri, request)),
    ...copy && { copy: (from, to, request) => atFirst('copy', from, request, () => copy.call(first, from, to, request)) },
    ...rename && { rename: (from, to, request) => atFirst('rename', from, request, () => rename.call(first, from, to, request)) },
    ...deleteMany && { deleteMany: (uris, request) => atFirst('deleteMany', uris[0] ?? '', request, () => deleteMany.call(first, uris, request)) },
    ...stores.every(store => store.get !== undefined) && {
      async get(uri: string, request: GetOptions = {}) {
        begin('get', uri, request.signal)
        const lacks = request.known === undefined ? undefined : new Set<Endpoint>()
        return ask(request.signal, lacks, async ({ store }) => {
          return store.get?.(uri, request) ?? lost('get')
        })
      }
    },
    ...stores.every(store => store.listDirectory !== undefined) && { listDirectory },
    close: () => (closing ??= Promise.all(stores.map(async store => store.close?.())).then(() => undefined)),
    endpoints: endpoints.states,
    get capabilities() {
      const { write, idealRange } = first.capabilities
      const idealRequests = stores.reduce((sum, store) => sum + (store.capabilities.idealRequests ?? 1), 0)
      return { write, list: stores.every(store => store.capabilities.list), idealRange, idealRequests }
    }
  } satisfies Partial<Store> & Pick<MultiEndpointStore, 'endpoints' | 'close'>

  const { listDirectory: _, get: __, ...least } = first // these two only where all have them
  return forward(least, own)
}

function lost(method: string): never {
  throw new MillraceError('Internal', `multiEndpoint: a store has lost its ${method}`)
}

/** Opens that version of an object and no other: not every store looks at what is `known`. */
async function openVersion(store: Store, meta: ObjectMeta, options: RequestOptions): Promise<ByteSource> {
  const source = await store.open(meta.uri, { known: meta, ...options })
  if (source.version === meta.version && source.byteLength === meta.size) return source
  await source.close()
  throw changed(meta)
}

function changed({ uri, version }: ObjectMeta): MillraceError {
  return new MillraceError('Changed', `read ${uri}: no endpoint has the version ${version}, which was opened, any more; open it again`, { uri, operation: 'read' })
}

function checkStores(stores: readonly Store[]): Store {
  const [first] = stores
  if (first === undefined) throw new RangeError('multiEndpoint: there must be at least one store')
  const other = stores.find(store => store.scheme !== first.scheme)
  if (other !== undefined) {
    throw new TypeError(`multiEndpoint: the stores serve ${first.scheme}:// and ${other.scheme}://; they must have the same objects under the same URIs`)
  }
  return first
}

type Resolved = { readonly [Name in keyof MultiEndpointOptions]-?: NonNullable<MultiEndpointOptions[Name]> }

function resolveOptions(options: MultiEndpointOptions): Resolved {
  checkOptions('multiEndpoint', options, ['policy', 'failover', 'pause'] satisfies (keyof MultiEndpointOptions)[])
  const { policy = 'round-robin', failover = true, pause = 5000 } = options
  if (policy !== 'round-robin' && policy !== 'least-connections') {
    throw new TypeError(`multiEndpoint: policy must be 'round-robin' or 'least-connections', got ${String(policy)}`)
  }
  if (typeof failover !== 'boolean') throw new TypeError(`multiEndpoint: failover must be true or false, got ${String(failover)}`)
  return { policy, failover, pause: checkInteger('multiEndpoint', 'pause', pause, 0) }
}
