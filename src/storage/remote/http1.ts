/** HTTP/1.1 as far as a client that gets objects needs it (RFC 9112): writing requests, reading heads and chunked bodies. Pure. */
import { transportFailure, type HttpRequest, type ReplyHead } from './http.js'

/** How the end of a body is told. */
export type Framing =
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' }
  /** It ends with the connection. */
  | { readonly kind: 'close' }

/** The head of a reply, parsed. */
export interface ParsedHead extends ReplyHead {
  readonly framing: Framing
  /** Whether the connection can be used again after the body. */
  readonly keepAlive: boolean
  /** How long the peer keeps an idle connection, in milliseconds, where it says so. */
  readonly idleMs: number | undefined
}

const VISIBLE = /^[\x21-\x7e]+$/
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/**
 * The bytes of a request, as latin1 text.
 * @throws TypeError for what cannot be written without meaning something else: it is a mistake of the program, never of the network
 */
export function requestText({ method, origin, path, headers }: HttpRequest): string {
  if (!path.startsWith('/') || !VISIBLE.test(path)) throw new TypeError('a request path must begin with / and be percent-encoded')
  let text = `${method} ${path} HTTP/1.1\r\n`
  if (headers['host'] === undefined) text += `host: ${origin.slice(origin.indexOf('//') + 2)}\r\n`
  for (const name in headers) {
    const value = headers[name] as string
    if (!TOKEN.test(name) || !VALUE.test(value)) throw new TypeError(`the header ${JSON.stringify(name)} cannot be written`)
    text += `${name}: ${value}\r\n`
  }
  return `${text}\r\n`
}

/** Where the head ends that begins at `start`: behind the empty line. −1 while it is not there. `from` is where to go on looking. */
export function endOfHead(bytes: Uint8Array, from: number, end: number): number {
  for (let at = bytes.indexOf(LF, from); at >= 0 && at < end; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at - 1] === LF || (bytes[at - 1] === CR && bytes[at - 2] === LF)) return at + 1
  }
  return -1
}

const CR = 13
const LF = 10

class Head implements ParsedHead {
  readonly status: number
  readonly framing: Framing
  readonly keepAlive: boolean
  readonly #fields: Map<string, string>

  constructor(text: string, method: string, reused: boolean) {
    const [, minor, status] = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?\r?\n/.exec(text) ?? []
    if (status === undefined) throw transportFailure('protocol', 'what came is no reply of HTTP/1.1', reused)
    const fields = fieldsOf(text)
    if (fields === undefined) throw transportFailure('protocol', 'the headers of the reply are damaged', reused)
    this.#fields = fields
    this.status = Number(status)
    this.framing = this.#framing(method, reused)
    const connection = this.header('connection')?.toLowerCase()
    this.keepAlive = this.framing.kind !== 'close' && (connection === undefined ? minor === '1' : !/(^|[\s,])close($|[\s,])/.test(connection) && (minor === '1' || connection.includes('keep-alive')))
  }

  header(name: string): string | undefined {
    return this.#fields.get(name)
  }

  get idleMs(): number | undefined {
    const [, seconds] = /timeout=(\d+)/i.exec(this.header('keep-alive') ?? '') ?? []
    return seconds === undefined ? undefined : Number(seconds) * 1000
  }

  /** RFC 9112, 6.3. A reply that says its length twice is refused: somebody between us and the peer may read it differently. */
  #framing(method: string, reused: boolean): Framing {
    if (method === 'HEAD' || this.status === 204 || this.status === 304) return NOTHING
    const coding = this.header('transfer-encoding')?.toLowerCase()
    const length = this.header('content-length')
    if (coding !== undefined) {
      if (coding !== 'chunked' || length !== undefined) throw transportFailure('protocol', 'the reply does not say clearly how long it is', reused)
      return CHUNKED
    }
    if (length === undefined) return CLOSE
    const lengths = length.split(',').map(text => text.trim())
    if (lengths.some(text => text !== lengths[0] || !/^\d{1,16}$/.test(text))) throw transportFailure('protocol', 'the reply does not say clearly how long it is', reused)
    return { kind: 'length', length: Number(lengths[0]) }
  }
}

const NOTHING: Framing = { kind: 'length', length: 0 }
const CHUNKED: Framing = { kind: 'chunked' }
const CLOSE: Framing = { kind: 'close' }

/** @throws TransportFailure `protocol` */
export function parseHead(text: string, method: string, reused: boolean): ParsedHead {
  return new Head(text, method, reused)
}

/** One header: no space before the colon, nothing folded, and no character that somebody else could take for the end of a line. */
const FIELD = /([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\0\r\n]*)(\r?\n)/y

/** Nothing when they cannot be read, or could be read in two ways. */
function fieldsOf(text: string): Map<string, string> | undefined {
  const fields = new Map<string, string>()
  let at = text.indexOf('\n') + 1
  const end = text[at - 2] === '\r' ? '\r\n' : '\n' // of all lines
  while (!text.startsWith(end, at)) {
    FIELD.lastIndex = at
    const [, written, around, ended] = FIELD.exec(text) ?? []
    if (written === undefined || around === undefined || ended !== end) return undefined
    const name = written.toLowerCase()
    const value = trimmed(around)
    const before = fields.get(name)
    fields.set(name, before === undefined ? value : `${before}, ${value}`)
    at = FIELD.lastIndex
  }
  return at + end.length === text.length ? fields : undefined
}

/** Without spaces and tabs at its ends: only those, and in one pass, however many there are. */
function trimmed(text: string): string {
  let [from, to] = [0, text.length]
  while (from < to && (text[from] === ' ' || text[from] === '\t')) from++
  while (from < to && (text[to - 1] === ' ' || text[to - 1] === '\t')) to--
  return text.slice(from, to)
}

/** Takes chunked framing off a body, piece by piece as it comes. */
export interface Unchunker {
  /** Calls `data` with the bytes of the body in it, views; returns the number of bytes that belong to the body's framing. Fewer than all only at its end. */
  push(bytes: Uint8Array, data: (part: Uint8Array) => void): number
  /** Whether the last chunk and the trailers have been read. */
  readonly ended: boolean
}

const LONGEST_LINE = 4096

/** @throws TransportFailure `protocol` from `push` for what is not chunked */
export function unchunker(reused: boolean): Unchunker {
  let state: 'size' | 'data' | 'after' | 'trailer' | 'ended' = 'size'
  let line = ''
  let left = 0

  const bad = (): Error => transportFailure('protocol', 'the chunks of the reply are damaged', reused)

  /** A line has been read. */
  function take(): void {
    if (line.endsWith('\r')) line = line.slice(0, -1)
    if (line.includes('\r')) throw bad()
    if (state === 'size') {
      const [, digits] = /^([0-9a-f]{1,12})[ \t]*(;.*)?$/i.exec(line) ?? []
      if (digits === undefined) throw bad()
      left = parseInt(digits, 16)
      state = left === 0 ? 'trailer' : 'data'
    } else if (state === 'after') {
      if (line !== '') throw bad()
      state = 'size'
    } else if (line === '') state = 'ended'
    line = ''
  }

  return {
    get ended() {
      return state === 'ended'
    },
    push(bytes, data) {
      let at = 0
      while (at < bytes.length && state !== 'ended') {
        if (state === 'data') {
          const count = Math.min(left, bytes.length - at)
          data(bytes.subarray(at, at + count))
          at += count
          left -= count
          if (left === 0) state = 'after'
          continue
        }
        const end = bytes.indexOf(LF, at)
        for (const byte of bytes.subarray(at, end < 0 ? bytes.length : end)) line += String.fromCharCode(byte)
        if (line.length > LONGEST_LINE) throw bad()
        if (end < 0) return bytes.length
        at = end + 1
        take()
      }
      return at
    }
  }
}
