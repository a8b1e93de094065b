import type { ByteSource, RequestOptions } from '../../../src/store.js'

/** A clock that goes on only when everything waits for it. */
export interface VirtualTime {
  now(): number
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>
  random(): number
  /** Lets time pass until the promise is settled. Rejects when it waits for something that is not time. */
  until<T>(promise: Promise<T>): Promise<T>
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

export function virtualTime(): VirtualTime {
  let time = 0
  let serial = 0
  const timers: { at: number; order: number; fire: () => void }[] = []
  return {
    now: () => time,
    random: () => 0.5,
    sleep: (milliseconds, signal) => new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason as Error)
      const timer = { at: time + milliseconds, order: serial++, fire: () => { signal?.removeEventListener('abort', abort); resolve() } }
      const abort = (): void => {
        timers.splice(timers.indexOf(timer), 1)
        reject(signal?.reason as Error)
      }
      signal?.addEventListener('abort', abort, { once: true })
      timers.push(timer)
    }),
    async until(promise) {
      let settled = false
      const done = (): void => { settled = true }
      promise.then(done, done)
      for (let idle = 0; ;) {
        await turn()
        await turn()
        if (settled) return promise
        const first = timers.reduce((a, b) => (b.at < a.at || (b.at === a.at && b.order < a.order) ? b : a), timers[0] as (typeof timers)[number])
        if (first === undefined) {
          if (++idle > 100) throw new Error('nothing will ever happen here')
          continue
        }
        idle = 0
        timers.splice(timers.indexOf(first), 1)
        time = first.at
        first.fire()
      }
    }
  }
}

/** A source that takes its time, and counts. */
export interface SlowSource extends ByteSource {
  /** All reads that were begun: offset and length. */
  readonly requests: (readonly [number, number])[]
  inFlight: number
  maxInFlight: number
  closed: boolean
  /** Called before a read; what it throws is what the read rejects with, when its time has come. */
  fail: ((offset: number, length: number, ordinal: number) => void) | undefined
}

/** Each request takes `latency` milliseconds, and then one more for each `rate` bytes. */
export function slowSource(bytes: Uint8Array, time: Pick<VirtualTime, 'sleep'>, { latency = 20, rate = Infinity } = {}): SlowSource {
  const source: SlowSource = {
    uri: 'test://object',
    byteLength: bytes.length,
    version: '1',
    requests: [],
    inFlight: 0,
    maxInFlight: 0,
    closed: false,
    fail: undefined,
    async read(offset: number, into: Uint8Array, { signal }: RequestOptions = {}) {
      if (source.closed) throw new Error('read after close')
      signal?.throwIfAborted()
      if (offset + into.length > bytes.length) throw new Error('read beyond the end')
      const ordinal = source.requests.push([offset, into.length])
      source.maxInFlight = Math.max(source.maxInFlight, ++source.inFlight)
      try {
        await time.sleep(latency + into.length / rate, signal)
        source.fail?.(offset, into.length, ordinal)
        into.set(bytes.subarray(offset, offset + into.length))
      } finally {
        source.inFlight--
      }
    },
    async close() {
      if (source.inFlight > 0) throw new Error('closed with reads under way')
      source.closed = true
    }
  }
  return source
}
