import { MillraceError } from '../../errors.js'
import type { RequestTrace } from '../../store.js'
import type { RangeEngineConfig } from '../config.js'
import type { Host } from './backoff.js'
import { WORDS_AT_MOST, type Asked, type Bytes } from './check-reply.js'
import type { FirstReadOptions, ObjectHead, ReadOptions } from './reader.js'
import type { RangeAsk, RemoteName } from './service.js'
import { newClocks, type Expiry, type Stage, type Watched } from './watchdog.js'

/** Memory for a body that comes without a length. */
const UNSIZED_AT_MOST = 32 << 20

/** Progress after which a read has all its attempts again. */
export const PROGRESS = 256 << 10

/** What is read, and what is known of it. */
export type Place = Pick<Reading, 'offset' | 'length' | 'target' | 'size' | 'version' | 'first'>

type ReadingConfig = Pick<RangeEngineConfig, 'deadline' | 'chunkSize' | 'minRate'>

/** One read, over all its attempts: which bytes are there, and what is known of the object. */
export class Reading implements Watched {
  readonly name: RemoteName
  /** Where in the object the target begins. */
  readonly offset: number
  /** Bytes to read, or -1 while the size of the object is not known. */
  length: number
  /** Bytes that are there, from the beginning of the target. */
  done = 0
  target: Uint8Array | undefined
  /** Size of the object, or -1. */
  size: number
  /** The version that all bytes are of, or '' when it is not known. */
  version: string
  readonly first: FirstReadOptions | undefined
  head: ObjectHead | undefined
  /** The first request asks without a range. */
  plain = false

  readonly started: number
  deadlineAt: number
  readonly trace: RequestTrace | undefined
  readonly operation: string
  controller: AbortController
  /** Requests that were sent. */
  attempts = 0
  /** Attempts that have failed since there was progress, and how much was there then. */
  failures = 0
  mark = 0
  /** What may be done once. */
  refreshed = false
  renewed = false
  fresh = false
  host: Host | undefined

  stage: Stage = 'paused'
  asked = 0
  exchange: Watched['exchange']
  readonly clocks = newClocks()
  expiry: Expiry | undefined
  /** What looked like an error document in place of bytes. */
  suspected: string | undefined
  stopped = false
  reason: unknown

  readonly #config: ReadingConfig

  constructor(name: RemoteName, place: Place, options: ReadOptions, now: number, config: ReadingConfig, controller: AbortController) {
    this.name = name
    this.offset = place.offset
    this.length = place.length
    this.target = place.target
    this.size = place.size
    this.version = place.version
    this.first = place.first
    this.plain = place.first?.want === Infinity
    this.started = now
    this.#config = config
    this.deadlineAt = now + config.deadline + this.#allowance()
    this.trace = options.trace
    this.operation = options.operation ?? 'read'
    this.controller = controller
  }

  /** Ends it from outside, with that reason. */
  abort(reason: unknown): void {
    if (this.stopped) return
    this.stopped = true
    this.reason = reason
    this.controller.abort(reason)
  }

  /** Ends the request that is under way. */
  expire(why: Expiry): void {
    if (this.expiry !== undefined) return
    this.expiry = why
    this.controller.abort(new Error(why))
  }

  /** What to ask for next. */
  range(): RangeAsk | undefined {
    if (this.done === 0 && this.plain) return undefined
    if (this.length < 0) return { first: 0, last: (this.first?.want ?? 1) - 1 }
    return { first: this.offset + this.done, last: this.offset + this.length - 1 }
  }

  /** There is no first byte, the server has said: it is asked without a range only for the version. */
  get saysEmpty(): boolean {
    return this.plain && this.length < 0 && this.first?.want !== Infinity
  }

  /** What a reply to that has to be. */
  expectation(range: RangeAsk | undefined): Asked {
    const { first, length, size, version } = this
    const wholeUpTo = length < 0 && first !== undefined ? (first.whole ? Infinity : first.want) : this.offset === 0 && length === size ? size : -1
    return { range, version, size, wholeUpTo }
  }

  /** Where the body of a good reply goes. `checksums` are those of the reply. */
  place(bytes: Bytes, checksums: () => Readonly<Record<string, string>>): Uint8Array {
    if (this.isDoubtful(bytes)) return new Uint8Array(bytes.length < 0 ? Math.min(this.first?.want ?? 0, UNSIZED_AT_MOST) : bytes.length)
    if (this.length < 0) this.begin(bytes, checksums)
    this.size = bytes.size
    if (this.version === '') this.version = bytes.version
    if (bytes.whole) this.done = 0
    const target = this.target as Uint8Array
    const from = bytes.first - this.offset
    return from === 0 && bytes.length === target.length ? target : target.subarray(from, from + bytes.length)
  }

  /**
   * Whether the size is not told, or cannot be believed before the body has been seen: an error document with the status of success looks
   * like a small object, but for its version.
   */
  isDoubtful({ length, whole, version }: Bytes): boolean {
    return length < 0 || (this.length < 0 && whole && version === '' && length <= WORDS_AT_MOST)
  }

  /** The size is known now. */
  begin({ size, version, whole }: Pick<Bytes, 'size' | 'version' | 'whole'>, checksums: () => Readonly<Record<string, string>>): void {
    const { first } = this
    if (first === undefined) return
    const length = whole ? size : Math.min(first.want, size)
    const head = { size, version, checksums: checksums() }
    const memory = first.begin(head, whole)
    if (memory.length < length) throw new MillraceError('Internal', `${this.name.uri}: ${memory.length} bytes of memory were given for ${length}`, { uri: this.name.uri })
    this.head = head
    this.asked = this.length = length
    this.deadlineAt += this.#allowance()
    this.target = memory.length === length ? memory : memory.subarray(0, length)
  }

  /** The deadline is for reads of a chunk. What is read in one piece all the same has more time, at the least rate. */
  #allowance(): number {
    const { chunkSize, minRate } = this.#config
    return minRate > 0 && this.length > chunkSize ? (this.length - chunkSize) / minRate * 1000 : 0
  }

  /** Counts bytes of a reply that may be relied on. */
  keep(bytes: Bytes, received: number): void {
    // Without a version, what is there now and what comes next may be of different objects.
    if (this.version === '' && bytes.first - this.offset + received < this.length) this.done = 0
    else this.done = bytes.first - this.offset + received
  }
}
