import { MillraceError, isMillraceError, messageOf } from '../../errors.js'
import type { RangeEngineConfig } from '../config.js'
import { WORDS_AT_MOST, checkReply, looksLikeError, type Bytes, type Words } from './check-reply.js'
import { lateErrorFault, lateFault, lie, networkFault, replyFault, type Fault } from './fault.js'
import { isTransportFailure, type BodyTarget, type Exchange, type HttpRequest, type ReplyHead } from './http.js'
import { PROGRESS, type Reading } from './reading.js'
import type { RangeAsk, ReadService } from './service.js'

/** Error documents are short, and begin with `<` or `{`. */
const SUSPECT_AT_MOST = 4096
const SUSPECT_BEGINNINGS: ReadonlySet<number | undefined> = new Set([0x3c, 0x7b])

/** One request of a read, and what became of it. */
export class Attempt implements Exchange {
  readonly request: HttpRequest
  received = 0
  queued = false
  /** When the head of the reply was there, or -1. */
  head = -1
  readonly #read: Reading
  readonly #range: RangeAsk | undefined
  readonly #service: ReadService
  readonly #now: () => number
  #reply: ReplyHead | undefined
  #verdict: Bytes | Words | undefined
  #body: Uint8Array | undefined
  #thrown: { readonly error: unknown } | undefined

  constructor(read: Reading, request: HttpRequest, range: RangeAsk | undefined, service: ReadService, now: () => number) {
    this.#read = read
    this.request = request
    this.#range = range
    this.#service = service
    this.#now = now
  }

  begin(reply: ReplyHead): BodyTarget {
    const read = this.#read
    this.head = this.#now()
    read.stage = 'body'
    if (read.trace !== undefined) read.trace.firstByte ??= this.head
    this.#reply = reply
    try {
      const checked = checkReply(this.#service, reply, read.expectation(this.#range))
      const verdict = this.#verdict = checked.is === 'bytes' && checked.length > 0 && read.saysEmpty ? { is: 'words', fault: this.#contradiction(checked.length), room: 0 } : checked
      if (verdict.is === 'bytes') {
        this.#body = read.place(verdict, () => this.#service.checksumsOf(reply))
        return { into: this.#body, beyond: 'refuse' }
      }
      if (verdict.room > 0 || reply.status >= 300) return { into: this.#body = new Uint8Array(verdict.room), beyond: 'drop' }
    } catch (error) {
      this.#thrown = { error }
      throw error
    }
    throw new Error('the reply is not wanted') // ends the attempt; `broken` knows why
  }

  /** The reply has ended as it should. Nothing when the read is complete. */
  finish(): Fault | undefined {
    const verdict = this.#verdict
    if (verdict === undefined) return lie('ShortRead', 'there was no reply', 0)
    if (verdict.is === 'words') return this.#said(verdict)
    const read = this.#read
    const { received } = this
    const reply = this.#reply as ReplyHead
    // Nothing but its words tells an error document without a length, or without range and version, from bytes of an object.
    if ((!verdict.announced || (verdict.whole && verdict.version === '')) && received <= WORDS_AT_MOST) {
      const text = this.#text()
      if (looksLikeError(text)) return lateErrorFault(reply, this.#service.faultOf(reply, text))
    }
    if (read.isDoubtful(verdict)) {
      const size = received
      if (size > 0 && read.saysEmpty) return this.#contradiction(size)
      if (verdict.length >= 0 && size !== verdict.length) return lie('ShortRead', `the reply ended after ${size} of ${verdict.length} bytes`, reply.status)
      read.begin({ size, version: verdict.version, whole: true }, () => this.#service.checksumsOf(reply))
      read.target?.set((this.#body as Uint8Array).subarray(0, size))
      read.done = size
      return undefined
    }
    // An error document may come under the headers of a good reply, and by chance be as long as the range. What comes twice is the object. Where
    // the size is that of this very reply, only a checksum can tell.
    if (read.first === undefined && received <= SUSPECT_AT_MOST && SUSPECT_BEGINNINGS.has((this.#body as Uint8Array)[0])) {
      const text = this.#text()
      if (looksLikeError(text) && text !== read.suspected) {
        read.suspected = text
        return lie('WrongRange', 'there is an error document where bytes of the object should be', reply.status)
      }
    }
    const before = read.done
    if (verdict.announced || received === verdict.length) read.keep(verdict, received)
    if (read.done === read.length) return undefined
    const fault = lie('ShortRead', `the reply ended after ${received} of ${verdict.length} bytes`, reply.status)
    if (received < verdict.length) return fault
    // A server may send less of a range than was asked for, if it says so.
    return { ...fault, message: `the reply had ${received} bytes of the range`, fresh: false, again: read.done - before >= PROGRESS }
  }

  /** The attempt was ended by `error`. Nothing when all bytes had come. Throws what is not the fault of the service or the network. */
  broken(error: unknown, config: RangeEngineConfig): Fault | undefined {
    if (this.#thrown !== undefined) throw this.#thrown.error
    const read = this.#read
    if (read.stopped) throw read.reason
    const verdict = this.#verdict
    if (verdict?.is === 'words') return this.#said(verdict)
    const late = read.expiry
    read.expiry = undefined
    const fault = late === undefined ? networkFault(error) : lateFault(late, config, this.received)
    if (fault === undefined) {
      if (isMillraceError(error)) throw error
      throw new MillraceError('Internal', `${read.name.uri}: the request could not be sent: ${messageOf(error)}`, { uri: read.name.uri, operation: 'read', cause: error })
    }
    if (verdict === undefined) return fault
    if (verdict.length < 0 && isTransportFailure(error) && error.phase === 'overrun') {
      const most = this.#body?.length ?? 0
      return { ...fault, kind: 'RangeIgnored', message: `the server sends the object whole without saying how long it is, and it has more than ${most} bytes`, retry: false }
    }
    if (verdict.announced && fault.tainted !== true && !read.isDoubtful(verdict)) read.keep(verdict, this.received)
    return read.done === read.length ? undefined : fault
  }

  /** What the words of a reply mean. */
  #said({ fault }: Words): Fault {
    const reply = this.#reply as ReplyHead
    const text = this.#text()
    if (fault === undefined) return replyFault(reply, this.#service.faultOf(reply, text))
    if (reply.status < 300 && looksLikeError(text)) {
      return lateErrorFault(reply, this.#service.faultOf(reply, text))
    }
    const read = this.#read
    // Of an empty object there is no range. Without one its version is told as well.
    if (fault.kind === 'OutOfRange' && read.first !== undefined && read.length < 0 && !read.plain) {
      read.plain = true
      return { ...fault, again: true }
    }
    return fault
  }

  /** The server has said that the object is empty, and now it is not. One of the two is wrong, or there is another object: it is asked anew. */
  #contradiction(length: number): Fault {
    this.#read.plain = false
    return lie('WrongRange', `the server says that the object is empty, and sends ${length} bytes of it`, (this.#reply as ReplyHead).status)
  }

  #text(): string {
    return new TextDecoder().decode(this.#body?.slice(0, this.received)) // a copy, since shared memory is not decoded
  }
}
