import { lie, type Fault } from './fault.js'
import type { ReplyHead } from './http.js'
import type { RangeAsk, ReadService } from './service.js'

/** What was asked for, and what is known already. */
export interface Asked {
  /** Absent: the object without a range. */
  readonly range: RangeAsk | undefined
  /** The version that it has to be, or '' for any. */
  readonly version: string
  /** Size of the object, or -1. */
  readonly size: number
  /** A reply with all of the object will do if it has so many bytes at most; -1: it will not. */
  readonly wholeUpTo: number
}

/** A reply whose body can be taken. */
export interface Bytes {
  readonly is: 'bytes'
  /** Where in the object the body begins. */
  readonly first: number
  /** Bytes that have to come, or -1 when the head does not say. */
  readonly length: number
  /** Whether the head announces exactly that length, so that a part of the body may be kept. */
  readonly announced: boolean
  /** Size of the object, or -1. */
  readonly size: number
  /** '' when the service does not tell. */
  readonly version: string
  /** All of the object was sent. */
  readonly whole: boolean
}

/** A reply that says something else. Its body, if it is short, tells what; without that it is `fault`. */
export interface Words {
  readonly is: 'words'
  /** Absent: the service knows. */
  readonly fault: Fault | undefined
  /** Bytes of the body that are worth reading. */
  readonly room: number
}

/** Bytes of a body that are read to learn what went wrong. */
export const WORDS_AT_MOST = 64 << 10

/**
 * Judges the head of a reply. Nothing is believed: the status, the range that the reply says it has, the length that it announces, the
 * size of the object and its version have to fit what was asked for and what is known.
 */
export function checkReply(service: ReadService, reply: ReplyHead, asked: Asked): Bytes | Words {
  switch (reply.status) {
    case 206: return checkPart(service, reply, asked)
    case 200: return checkWhole(service, reply, asked)
    case 304: case 412: return words(reply, changed(asked, service.versionOf(reply), reply.status))
    case 416: return words(reply, beyondEnd(reply, asked))
    default:
      if (reply.status < 300) return words(reply, lie('WrongRange', `a reply with status ${reply.status} has no bytes of an object`, reply.status))
      return { is: 'words', fault: undefined, room: roomFor(reply) }
  }
}

const CONTENT_RANGE = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/

function checkPart(service: ReadService, reply: ReplyHead, asked: Asked): Bytes | Words {
  const { range, version: pinned } = asked
  const text = reply.header('content-range')
  const match = text === undefined ? null : CONTENT_RANGE.exec(text)
  if (match === null) {
    const type = reply.header('content-type')
    return words(reply, lie('WrongRange', type?.startsWith('multipart/') === true
      ? 'the reply has several ranges, where one was asked for'
      : text === undefined ? 'the reply does not say which bytes it has' : `the reply says that it has '${text}', which is no range`, 206))
  }
  const first = Number(match[1])
  const last = Number(match[2])
  const size = match[3] === '*' ? asked.size : Number(match[3])
  const version = service.versionOf(reply) ?? ''
  if (pinned !== '' && version !== '' && version !== pinned) return words(reply, changed(asked, version, 206))
  if (asked.size >= 0 && size !== asked.size) return words(reply, resized(asked, size, version, 206))
  if (size < 0) return words(reply, lie('WrongRange', `the reply does not tell the size of the object ('${text}')`, 206))
  const wanted = Math.min(range?.last ?? size - 1, size - 1)
  if (first !== (range?.first ?? 0) || last < first || last > wanted) {
    return words(reply, lie('WrongRange', `bytes ${range?.first ?? 0} to ${wanted} were asked for, and the reply has '${text}'`, 206))
  }
  return checkRest(service, reply, asked, { first, length: last - first + 1, size, version, whole: false })
}

function checkWhole(service: ReadService, reply: ReplyHead, asked: Asked): Bytes | Words {
  const { range, wholeUpTo } = asked
  const announced = lengthOf(reply)
  if (wholeUpTo < 0 || announced > wholeUpTo) {
    const sent = `the whole object${announced < 0 ? '' : ` of ${announced} bytes`}`
    return words(reply, lie('RangeIgnored', `bytes ${range?.first ?? 0} to ${range?.last ?? 'the end'} were asked for, and the server sends ${sent}`, 200))
  }
  const version = service.versionOf(reply) ?? ''
  if (asked.version !== '' && version !== '' && version !== asked.version) return words(reply, changed(asked, version, 200))
  if (asked.size >= 0 && announced >= 0 && announced !== asked.size) return words(reply, resized(asked, announced, version, 200))
  // Without a length, only the end of the last chunk tells a whole body from one that was cut off.
  if (announced < 0 && asked.size < 0 && reply.header('transfer-encoding')?.toLowerCase() !== 'chunked') {
    return words(reply, lie('ShortRead', 'the server does not say how long the object is, and its end cannot be told from a connection that breaks', 200))
  }
  return checkRest(service, reply, asked, { first: 0, length: announced >= 0 ? announced : asked.size, size: announced >= 0 ? announced : asked.size, version, whole: true })
}

function checkRest(service: ReadService, reply: ReplyHead, asked: Asked, found: Pick<Bytes, 'first' | 'length' | 'size' | 'version' | 'whole'>): Bytes | Words {
  const { first, length, size, version, whole } = found
  const { status } = reply
  if (asked.version !== '' && version === '') {
    return words(reply, lie('WrongRange', `the reply does not say which version of the object it has; version ${asked.version} was asked for`, status))
  }
  if (service.versionHeader !== undefined && reply.header(service.versionHeader) === undefined) {
    return words(reply, lie('WrongRange', 'the reply does not say which version of the object it has, as this service always does', status))
  }
  const refused = service.refuse?.(reply)
  if (refused !== undefined) return { is: 'words', room: 0, fault: { kind: 'Unsupported', message: refused, retry: false, status } }
  const announced = lengthOf(reply)
  if (announced >= 0 && announced !== length) {
    return words(reply, lie('ShortRead', `the reply says that it has ${length} bytes, and announces ${announced}`, status))
  }
  return { is: 'bytes', first, length, announced: announced >= 0, size, version, whole }
}

/** Of a long body nothing is read: those are bytes of an object, though not the right ones. */
function words(reply: ReplyHead, fault: Fault): Words {
  return { is: 'words', fault, room: lengthOf(reply) <= WORDS_AT_MOST ? roomFor(reply) : 0 }
}

function roomFor(reply: ReplyHead): number {
  const announced = lengthOf(reply)
  return announced < 0 ? WORDS_AT_MOST : Math.min(announced, WORDS_AT_MOST)
}

function changed({ version }: Asked, now: string | undefined, status: number): Fault {
  const old = version === '' ? '' : ` (it was version ${version})`
  return { kind: 'Changed', message: `the object is another one now${now === undefined || now === '' ? '' : `, version ${now}`}${old}`, retry: false, status }
}

function resized(asked: Asked, size: number, version: string, status: number): Fault {
  // The same version cannot have two sizes: then somebody else has answered.
  if (asked.version !== '' && version === asked.version) return lie('WrongRange', `the reply says that the object has ${size} bytes; it has ${asked.size}`, status)
  return { kind: 'Changed', message: `the object has ${size} bytes now, and had ${asked.size}`, retry: false, status }
}

function beyondEnd(reply: ReplyHead, asked: Asked): Fault {
  const text = /^bytes \*\/(\d{1,16})$/.exec(reply.header('content-range') ?? '')?.[1]
  const size = text === undefined ? -1 : Number(text)
  if (size >= 0 && asked.size >= 0 && size !== asked.size) return resized(asked, size, '', 416)
  const first = asked.range?.first ?? 0
  if (size > first) return lie('WrongRange', `the server says that it cannot send byte ${first} of an object of ${size} bytes`, 416)
  return {
    kind: 'OutOfRange', message: `the object has no byte ${first}${size < 0 ? '' : `: it has ${size} bytes`}`, retry: false, status: 416
  }
}

/** What `Content-Length` says, or -1. */
function lengthOf(reply: ReplyHead): number {
  const text = reply.header('content-length')
  return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : -1
}

/** Whether a body is an error document of a service, where bytes of an object should be. */
export function looksLikeError(text: string): boolean {
  return /^\s*(?:<\?xml[^>]*\?>\s*)?<Error[\s>]|^\s*\{\s*"error"\s*:/.test(text)
}
