import { MillraceError } from '../../errors.js'
import type { ByteSource, GetOptions, ObjectBytes, OpenOptions, Store } from '../../store.js'
import { sharedController } from '../../util/abort.js'
import { closedError } from '../checks.js'
import { resolveTuning, type ConfigLine, type StoreTuning } from '../config.js'
import { coalescing } from '../layers/coalesce.js'
import { hedged } from '../layers/hedge.js'
import { limits } from '../layers/limits.js'
import { rangeEngine } from '../layers/range-engine.js'
import { memoryBudget, readAhead } from '../layers/read-ahead.js'
import { forward } from '../layers/forward.js'
import { observed } from '../layers/observe.js'
import { createStatistics, type StoreStats } from '../layers/statistics.js'
import { matchesChecksums } from './checksums.js'
import { controlMethods } from './control-methods.js'
import type { Transport } from './http.js'
import type { ObjectHead, ValidatedReader } from './reader.js'
import { knownRemoteSource, openRemoteSource, type ReadObject } from './remote-source.js'
import type { RemoteName, RemoteService } from './service.js'
import { systemSurroundings } from './surroundings.js'
import { socketTransport } from './socket-transport.js'
import { validatedReader } from './validated-read.js'
import { environment } from '../../util/environment.js'

/** A store that is reached over a network. */
export interface RemoteStore extends Store {
  get(uri: string, options?: GetOptions): Promise<ObjectBytes>
  close(): Promise<void>
  /** What it has done so far, and how long that took. */
  stats(): StoreStats
  /** Every setting with its value, and where that comes from. */
  explainConfig(): readonly ConfigLine[]
}

/**
 * Makes a store of a service. Reads go, from outside to inside: read-ahead, coalescing, range engine, validated read (checks, resume,
 * retries, deadlines) with limits around each request, hedging, transport. Everything else goes to the service's own SDK.
 */
export function remoteStore(service: RemoteService, options: StoreTuning = {}): RemoteStore {
  const { scheme, capabilities } = service
  const tuning = resolveTuning(options, environment())
  const gate = limits(tuning.pool, systemSurroundings)
  const statistics = createStatistics({ requestsInFlight: () => gate.inFlight() })
  const memory = memoryBudget(tuning.pool.maxInflightBytes) // of what is fetched ahead, over all objects
  const closing = sharedController()
  let reading: Promise<ValidatedReader> | undefined
  let transport: Transport | undefined
  let closed: Promise<void> | undefined

  function locate(uri: string, operation: string, signal: AbortSignal | undefined, what: 'object' | 'prefix' = 'object'): RemoteName {
    const name = service.locate(uri, operation, what)
    if (closed !== undefined) throw closedError(name.uri, operation, 'the store was closed')
    signal?.throwIfAborted()
    return name
  }

  const others = controlMethods(service, locate, transportOf)

  /** Loaded once; a failure to load is not kept. */
  function readingOf(): Promise<ValidatedReader> {
    return reading ??= makeReading().catch((error: unknown) => {
      reading = undefined
      throw error
    })
  }

  function transportOf(): Transport {
    return transport ??= socketTransport({ connections: tuning.pool.poolSize, connectTimeout: tuning.ranges.connectTimeout })
  }

  async function makeReading(): Promise<ValidatedReader> {
    const own = transportOf()
    const read = await service.reader(own)
    const plain = read.transport ?? own
    const sending = tuning.pool.hedge ? hedged(plain, tuning.pool, systemSurroundings) : plain
    const reader = validatedReader(read, sending, { ...tuning.ranges, retryBudget: tuning.pool.retryBudget }, { limits: gate, record: statistics.record })
    return reader
  }

  /** How the bytes of one object are read, in as many ranges as it takes. */
  function readObject(reader: ValidatedReader, name: RemoteName): ReadObject {
    return (meta, offset, into, signal, trace) => rangeEngine(
      (at, part, { signal: ofPart }) => reader.readRange(name, at, part, meta, { signal: ofPart, trace }),
      tuning.ranges,
      { inFlight: gate.inFlight, watchTime: false } // the reader watches the time of each attempt
    ).read(offset, into, { signal })
  }

  async function open(uri: string, { known, signal, trace }: OpenOptions = {}): Promise<ByteSource> {
    const name = locate(uri, 'open', signal)
    const reader = await readingOf()
    const read = readObject(reader, name)
    const source = known === undefined
      ? await openRemoteSource(reader, name, read, { firstRange: tuning.ranges.firstRange, signal, trace })
      : knownRemoteSource({ ...known, uri: name.uri }, read, tuning.ranges.firstRange)
    tuning.adaptive?.observe(source.byteLength)
    return readAhead(coalescing(source, tuning.ranges), tuning.ranges, { memory })
  }

  async function get(uri: string, request: GetOptions = {}): Promise<ObjectBytes> {
    const { signal = closing.signal, verify, known } = request
    const name = locate(uri, 'get', signal)
    const reader = await readingOf()
    // Without a range services tell checksums; but then all of it comes through one connection.
    const inOnePiece = verify ?? (known !== undefined && known.size < tuning.ranges.minSplitSize)
    for (let attempt = 1; ; attempt++) {
      const { bytes, head } = await getOnce(reader, name, { ...request, signal }, inOnePiece)
      tuning.adaptive?.observe(head.size)
      const matches = matchesChecksums(bytes, head.checksums, verify === true)
      statistics.verified(bytes.byteLength, matches === true)
      if (matches !== false) return { bytes, meta: { uri: name.uri, size: head.size, version: head.version }, verified: matches === true }
      if (attempt === 2) {
        throw new MillraceError('Corrupt', `get ${name.uri}: the bytes that came, twice, do not have the checksum that the store keeps of the object; `
          + 'write the object again', { uri: name.uri, operation: 'get' })
      }
    }
  }

  async function getOnce(reader: ValidatedReader, name: RemoteName, request: GetOptions & { readonly signal: AbortSignal }, inOnePiece: boolean): Promise<{ bytes: Uint8Array; head: ObjectHead }> {
    const { signal, trace, known, maxBytes = Infinity, allocate = (length: number) => new Uint8Array(length) } = request
    const read = readObject(reader, name)
    const tooLarge = (size: number): MillraceError => new MillraceError('Limit',
      `get ${name.uri}: the object has ${size} bytes, more than maxBytes, ${maxBytes}; read it in ranges`, { uri: name.uri, operation: 'get' })
    const memory = (size: number): Uint8Array => {
      if (size > maxBytes) throw tooLarge(size)
      return exactly(allocate(size), size)
    }
    if (known !== undefined && known.size > maxBytes) throw tooLarge(known.size)
    if (known !== undefined && !inOnePiece) {
      const bytes = memory(known.size)
      await read({ ...known, uri: name.uri }, 0, bytes, signal, trace)
      return { bytes, head: { ...known, checksums: {} } }
    }

    const want = inOnePiece ? Infinity : tuning.ranges.chunkSize
    let bytes: Uint8Array | undefined
    let rest: Promise<void> | undefined
    const stop = new AbortController()
    const first = reader.readFirst(name, {
      want, whole: true, version: known?.version, size: known?.size, signal, trace, operation: 'get',
      begin(head, all) {
        if (bytes !== undefined) return bytes
        bytes = memory(head.size)
        // The rest is asked for now, while the first part is still coming.
        if (!all && head.size > want) {
          rest = read({ uri: name.uri, ...head }, want, bytes.subarray(want), AbortSignal.any([signal, stop.signal]), trace)
          rest.catch(() => undefined) // thrown below
        }
        return bytes
      }
    })
    try {
      const { head } = await first
      await rest
      return { bytes: bytes ?? memory(0), head }
    } catch (error) {
      stop.abort(error)
      await rest?.catch(() => undefined) // nothing may write into the memory any more
      throw error
    }
  }

  async function finish(): Promise<void> {
    const [read, rest] = await Promise.all([reading?.catch(() => undefined), others.loaded()])
    read?.close()
    await Promise.all([transport?.close(), rest?.close()])
  }

  const close = (): Promise<void> => (closed ??= finish())
  const store = observed({ scheme, capabilities, open, get, ...others.methods, knobs: () => tuning.knobs, close }, statistics)
  return forward(store, { get: store.get as RemoteStore['get'], stats: statistics.snapshot, explainConfig: tuning.explain, close })
}

/** The first bytes of what `allocate` gave. */
function exactly(bytes: Uint8Array, size: number): Uint8Array {
  if (bytes.byteLength < size) throw new RangeError(`get: allocate gave ${bytes.byteLength} bytes where ${size} are needed`)
  return bytes.byteLength === size ? bytes : bytes.subarray(0, size)
}
