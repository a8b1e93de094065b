/**
 * Reads that are right or fail: see {@link ValidatedReader}. One attempt is a request, a judgement of its reply (`check-reply.ts`) and a count
 * of its bytes; what failed is a fault (`fault.ts`), and this file decides what comes next.
 *
 * 1. Bytes count when a reply announced exactly their range and length. They are kept when the connection breaks, if the version of the
 *    object is known: the next request asks for what is missing, of that version. Otherwise the read begins anew.
 * 2. After a reply that was wrong and a connection that broke, the next request takes a new connection.
 * 3. Waits between attempts grow and are random. They end with the deadline, with `maxAttempts` attempts that brought no progress, or with the
 *    budget of the host.
 */
import { MillraceError } from '../../errors.js'
import { abortable } from '../../util/abort.js'
import { isPromise } from '../../util/promise.js'
import { closedError } from '../checks.js'
import type { ConnectionPoolConfig, RangeEngineConfig } from '../config.js'
import { Attempt } from './attempt.js'
import { backoff, retryBudget } from './backoff.js'
import { lateFault, readError, type Fault } from './fault.js'
import type { Transport } from './http.js'
import type { AttemptRecord, Limits, Permit, ReadOptions, Surroundings, ValidatedReader } from './reader.js'
import { PROGRESS, Reading, type Place } from './reading.js'
import type { RangeAsk, ReadService, RemoteName } from './service.js'
import { signalWatch } from './signals.js'
import { systemSurroundings } from './surroundings.js'
import { watchdog } from './watchdog.js'

export interface ValidatedReaderOptions {
  /** Who may send now. @default everybody */
  readonly limits?: Limits | undefined
  /** Is told of every attempt. */
  readonly record?: ((attempt: AttemptRecord) => void) | undefined
  readonly surroundings?: Surroundings | undefined
}

/** The least that a read of unknown size is taken to bring. */
const UNKNOWN_AT_LEAST = 64 << 10

/** Controllers that are kept for later reads. */
const CONTROLLERS = 256

export function validatedReader(
  service: ReadService, transport: Transport, config: RangeEngineConfig & Pick<ConnectionPoolConfig, 'retryBudget'>, options: ValidatedReaderOptions = {}
): ValidatedReader {
  const { limits, record, surroundings = systemSurroundings } = options
  const now = (): number => surroundings.now()
  const budget = retryBudget(config)
  const dog = watchdog<Reading>(config, surroundings)
  const signals = signalWatch()
  /** Never aborted, and nobody listens to them: making one costs more than all checks of a reply. */
  const controllers: AbortController[] = []
  const newController = (): AbortController => controllers.pop() ?? new AbortController()
  /** Bytes that first reads have brought of late, about. */
  let typical = Infinity
  let closed = false

  function reading(name: RemoteName, place: Place, given: ReadOptions): Reading {
    given.signal.throwIfAborted()
    if (closed) throw closedError(name.uri, 'read', 'the store was closed')
    return new Reading(name, place, given, now(), config, newController())
  }

  async function perform(read: Reading, signal: AbortSignal): Promise<void> {
    signals.add(signal, read)
    dog.add(read)
    try {
      for (;;) {
        const fault = await attempt(read)
        if (fault === undefined) return
        await recover(read, fault)
      }
    } catch (error) {
      if (read.stopped) throw read.reason
      if (read.expiry !== undefined) throw readError(read, lateFault(read.expiry, config, 0), now() - read.started)
      throw error
    } finally {
      read.stage = 'paused'
      dog.remove(read)
      signals.remove(signal, read)
      if (!read.controller.signal.aborted && controllers.length < CONTROLLERS) controllers.push(read.controller)
    }
  }

  /** One request and its reply. Nothing when all bytes are there. */
  async function attempt(read: Reading): Promise<Fault | undefined> {
    const { signal } = read.controller
    const range = read.range()
    read.stage = 'asking'
    const asking = service.request(read.name, range, read.version === '' ? undefined : read.version, signal)
    const request = isPromise(asking) ? await abortable(asking, signal) : asking
    const host = read.host = budget.host(request.origin)
    read.asked = bytesOf(read, range)
    read.stage = 'paused'
    let permit: Permit | undefined
    if (limits !== undefined) {
      const from = now()
      const entering = limits.enter(host.name, read.asked, signal)
      if (isPromise(entering)) {
        permit = await entering
        read.deadlineAt += now() - from // waiting for others is no fault of the service
      } else permit = entering
    }
    const { trace } = read
    if (trace !== undefined) {
      trace.requests++
      if (read.attempts > 0) trace.retries++
      trace.endpoint = host.name
    }
    read.attempts++
    const sent = now()
    const exchange = new Attempt(read, request, range, service, now)
    read.exchange = exchange
    read.clocks.since = -1
    read.stage = 'head'
    let fault: Fault | undefined
    let outcome: Parameters<Permit['leave']>[0] = 'failed'
    let kind: string | undefined = 'Aborted'
    try {
      try {
        await transport.send(exchange, { signal, fresh: read.fresh })
        fault = exchange.finish()
      } catch (error) {
        fault = exchange.broken(error, config)
      }
      outcome = fault === undefined || fault.answered === true ? 'ok' : fault.throttled === true ? 'throttled' : 'failed'
      kind = fault?.kind
    } finally {
      read.stage = 'paused'
      read.exchange = undefined
      permit?.leave(outcome)
      record?.({
        endpoint: host.name, bytes: exchange.received, firstByte: exchange.head < 0 ? undefined : exchange.head - sent,
        milliseconds: now() - sent, fault: kind
      })
    }
    if (fault === undefined) budget.succeeded(host)
    return fault
  }

  /** Bytes to make room for. Of an object whose size is not known, so many as such objects have had: most are smaller than what is asked for. */
  function bytesOf(read: Reading, range: RangeAsk | undefined): number {
    const most = range?.last === undefined ? config.chunkSize : range.last - range.first + 1
    return read.length < 0 ? Math.min(most, Math.max(UNKNOWN_AT_LEAST, 2 * typical)) : most
  }

  /** Does what has to be done before the next attempt, or throws. */
  async function recover(read: Reading, fault: Fault): Promise<void> {
    if (read.stopped) throw read.reason
    if (read.controller.signal.aborted) read.controller = newController()
    read.expiry = undefined
    const { host, controller: { signal } } = read
    if (read.done - read.mark >= PROGRESS) {
      read.failures = 0
      read.mark = read.done
    } else if (read.done < read.mark) read.mark = read.done
    if (fault.again === true) return
    if (fault.stale === true && !read.renewed) {
      read.renewed = read.fresh = true
      return
    }
    if (fault.refresh !== undefined && !read.refreshed && service.refresh !== undefined) {
      read.refreshed = true
      read.stage = 'asking'
      await abortable(service.refresh(fault.refresh.fault, fault.refresh.reply, read.name, signal), signal)
      return
    }
    const fail = (why?: string): MillraceError => readError(read, fault, now() - read.started, why)
    if (!fault.retry) throw fail()
    if (++read.failures >= config.maxAttempts) throw fail('given up')
    const wait = backoff(config, read.failures - 1, fault.throttled === true, surroundings.random(), fault.wait)
    if (now() + wait >= read.deadlineAt) throw fail(`no time for another attempt before the deadline of ${config.deadline} ms`)
    if (host !== undefined && !budget.take(host)) throw fail(`not tried again because ${host.name} has used up its budget of retries (retryBudget)`)
    read.fresh = fault.fresh === true
    await surroundings.sleep(wait, signal)
  }

  return {
    async readRange(name, offset, into, { size, version }, given) {
      if (!(offset >= 0) || offset + into.length > size) {
        throw new MillraceError('OutOfRange', `${name.uri}: bytes ${offset} to ${offset + into.length - 1} of an object of ${size} bytes`, { uri: name.uri, offset, operation: 'read' })
      }
      const read = reading(name, { offset, length: into.length, target: into, size, version, first: undefined }, given)
      if (into.length > 0) await perform(read, given.signal)
    },

    async readFirst(name, first) {
      if (!(first.want >= 1)) throw new RangeError(`readFirst: want must be at least 1, got ${first.want}`)
      const read = reading(name, { offset: 0, length: -1, target: undefined, size: first.size ?? -1, version: first.version ?? '', first }, first)
      await perform(read, first.signal)
      typical = typical === Infinity ? read.length : typical + (read.length - typical) / 8
      if (read.head === undefined) throw new MillraceError('Internal', `${name.uri}: read without a size`, { uri: name.uri })
      return { head: read.head, length: read.length }
    },

    close() {
      closed = true
      for (const read of dog.reads) read.abort(closedError(read.name.uri, 'read', 'the store was closed'))
    }
  }
}
