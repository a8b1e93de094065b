/** Replies that are cut into pieces, cut off, damaged or followed by something: what comes is right, or fails, and the next request is answered. */
import { request as nodeRequest } from 'node:http'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { isTransportFailure, type Exchange, type ReplyHead } from '../../../src/storage/remote/http.js'
import { socketTransport } from '../../../src/storage/remote/socket-transport.js'
import { seededBytes, seededRandom } from '../../servers/seeded.js'

const FACTOR = Number(process.env['MILLRACE_FUZZ'] ?? 1)
const SEED = Number(process.env['MILLRACE_SEED'] ?? 20_261_122)

/** What a peer does with one request. */
interface Script {
  readonly pieces: readonly Uint8Array[]
  readonly then: 'keep' | 'end' | 'reset'
}

let server: Server
let origin = ''
const sockets = new Set<Socket>()
const scripts = new Map<string, Script>()

const turn = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })

async function play(socket: Socket, { pieces, then }: Script): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed) return
    socket.write(piece)
    await turn()
  }
  if (then === 'end') socket.end()
  if (then === 'reset') socket.resetAndDestroy()
}

beforeAll(async () => {
  server = createServer({ noDelay: true }, socket => {
    sockets.add(socket)
    let pending = ''
    socket.on('data', data => {
      pending += data.toString('latin1')
      for (let end = pending.indexOf('\r\n\r\n'); end >= 0; end = pending.indexOf('\r\n\r\n')) {
        const script = scripts.get(pending.split(' ')[1] ?? '')
        pending = pending.slice(end + 4)
        if (script === undefined) socket.destroy()
        else play(socket, script).catch(() => socket.destroy())
      }
    })
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => new Promise(resolve => {
  server.close(resolve)
  for (const socket of sockets) socket.destroy()
}))

interface Made {
  readonly method: 'GET' | 'HEAD'
  readonly status: number
  readonly framing: 'length' | 'chunked' | 'close' | 'none'
  readonly body: Uint8Array
  readonly bytes: Uint8Array
  /** Where the head of the reply proper ends. */
  readonly headEnd: number
  readonly keeps: boolean
}

type Random = () => number
const upTo = (random: Random, most: number): number => Math.floor(random() * (most + 1))
const pick = <T>(random: Random, ...of: readonly T[]): T => of[Math.floor(random() * of.length)] as T
const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1')

/** A reply that is right, with what it says. */
function reply(random: Random, seed: number): Made {
  const method = random() < 0.1 ? 'HEAD' : 'GET'
  const status = random() < 0.1 ? pick(random, 204, 304) : pick(random, 200, 206, 404, 500)
  const none = method === 'HEAD' || status === 204 || status === 304
  const framing = none ? 'none' : pick(random, 'length', 'length', 'length', 'chunked', 'chunked', 'close')
  const content = seededBytes(seed, pick(random, 0, 1, 2, upTo(random, 300), upTo(random, 5000), random() < 0.1 ? upTo(random, 300_000) : 9))
  const eol = random() < 0.9 ? '\r\n' : '\n'
  const informed = random() < 0.15 ? pick(random, 'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n', 'HTTP/1.1 100 \r\n\r\nHTTP/1.1 102 P\r\n\r\n') : ''
  const keeps = framing !== 'close' && random() < 0.9
  const fields = ['ETag: "v\u00e9\u0080\u009f"', `X-Much: ${'y'.repeat(random() < 0.1 ? upTo(random, 9000) : 5)}`, 'X-Empty:', 'X-Colons: a:b: c', `X-Around:${' '.repeat(5)}\t a \t b\t${' '.repeat(random() < 0.1 ? upTo(random, 5000) : 1)}`]
  if (framing === 'length' || (none && status !== 204 && random() < 0.5)) fields.push(`${pick(random, 'Content-Length', 'content-length', 'CONTENT-LENGTH')}: ${pick(random, '', ' ', '\t')}${content.length}${pick(random, '', ' ')}`)
  if (framing === 'chunked') fields.push(`Transfer-Encoding: ${pick(random, 'chunked', 'Chunked')}`)
  if (!keeps) fields.push(`Connection: ${pick(random, 'close', 'Close')}`)
  fields.sort(() => random() - 0.5)
  const head = latin1(`${informed}HTTP/1.1 ${status}${pick(random, ' OK', ' ', ' Not \u00dcber', '')}${eol}${fields.join(eol)}${eol}${eol}`)
  const parts = [head]
  if (framing === 'chunked') {
    for (let at = 0; at < content.length;) {
      const size = Math.min(content.length - at, 1 + upTo(random, pick(random, 10, 1000, 100_000)))
      parts.push(latin1(`${pick(random, '', '0', '000')}${size.toString(16)}${pick(random, '', ';a=b', ' ', ';x="a;b"')}\r\n`), content.subarray(at, at + size), latin1('\r\n'))
      at += size
    }
    parts.push(latin1(`${pick(random, '0', '00')}\r\n${pick(random, '', 'X-Trailer: 1\r\n', 'A: b\r\nContent-Length: 7\r\n')}\r\n`))
  } else if (!none) parts.push(content)
  return { method, status, framing, body: none ? new Uint8Array() : content, bytes: Buffer.concat(parts), headEnd: head.length, keeps }
}

/** The same bytes in pieces: all at once, a few, or one by one around a place. */
function cut(random: Random, bytes: Uint8Array): Uint8Array[] {
  const cuts = new Set<number>()
  if (random() < 0.2) for (let i = 0, from = upTo(random, bytes.length); i < 40; i++) cuts.add(Math.min(bytes.length, from + i))
  else for (let i = upTo(random, 5); i > 0; i--) cuts.add(upTo(random, bytes.length))
  const pieces: Uint8Array[] = []
  let from = 0
  for (const to of [...cuts, bytes.length].sort((a, b) => a - b)) {
    if (to > from) pieces.push(bytes.subarray(from, to))
    from = to
  }
  return pieces
}

const GUARD = 16
interface Outcome {
  readonly head: ReplyHead | undefined
  readonly body: Uint8Array
  readonly error: unknown
  /** The memory around the target and behind what was received is as it was. */
  readonly isClean: () => boolean
}

const transport = socketTransport({ connections: 4 })
afterAll(() => transport.close())

async function ask(path: string, method: 'GET' | 'HEAD', room: number, beyond: 'refuse' | 'drop'): Promise<Outcome> {
  const memory = new Uint8Array(room + 2 * GUARD).fill(0xa5)
  const into = memory.subarray(GUARD, GUARD + room)
  let head: ReplyHead | undefined
  const exchange: Exchange = {
    request: { method, origin, path, headers: {} }, received: 0,
    begin(reply) {
      if (head !== undefined) throw new Error('begun twice')
      head = reply
      return { into, beyond }
    }
  }
  let error: unknown
  await transport.send(exchange, { signal: AbortSignal.timeout(5000) }).catch((reason: unknown) => { error = reason })
  const { received } = exchange
  const settled = memory.slice()
  return {
    head, body: into.slice(0, received), error,
    isClean: () => exchange.received === received && Buffer.compare(memory, settled) === 0
      && [...memory.subarray(0, GUARD), ...memory.subarray(GUARD + room)].every(byte => byte === 0xa5)
  }
}

function failed(error: unknown): string | undefined {
  if (error === undefined) return undefined
  return isTransportFailure(error) ? error.phase : `not a failure of the transport: ${String(error)}`
}

const CASES = 400 * FACTOR

test(`${CASES} replies in pieces are read as they were written`, async () => {
  const random = seededRandom(SEED)
  const outcomes: Promise<string | undefined>[] = []
  for (let n = 0; n < CASES; n++) {
    const made = reply(random, n)
    const path = `/right/${n}`
    const room = Math.max(0, made.body.length + pick(random, 0, 0, 10, -1, -upTo(random, 50)))
    const beyond = pick(random, 'refuse', 'drop')
    scripts.set(path, { pieces: cut(random, made.bytes), then: made.keeps ? 'keep' : 'end' })
    const one = ask(path, made.method, room, beyond).then(async ({ head, body, error, isClean }) => {
      await turn()
      const what = `${n}: ${made.method} ${made.status} ${made.framing} ${made.body.length} into ${room} (${beyond})`
      if (!isClean()) return `${what}: memory that is not the target's was written`
      if (head?.status !== made.status || head.header('etag') !== '"v\u00e9\u0080\u009f"' || head.header('x-empty') !== '' || head.header('x-colons') !== 'a:b: c' || head.header('x-around') !== 'a \t b') return `${what}: another head`
      if (room < made.body.length && beyond === 'refuse') return failed(error) === 'overrun' ? undefined : `${what}: ${failed(error)}`
      if (error !== undefined) return `${what}: ${failed(error)} ${String(error)}`
      return Buffer.compare(body, made.body.subarray(0, room)) === 0 ? undefined : `${what}: other bytes, ${body.length}`
    })
    outcomes.push(one)
    if (n % 8 === 7) await Promise.all(outcomes.slice(-8))
  }
  expect((await Promise.all(outcomes)).filter(outcome => outcome !== undefined)).toEqual([])
}, 120_000 * FACTOR)

test(`${CASES} replies that are cut off fail, or are those that end with the connection`, async () => {
  const random = seededRandom(SEED + 1)
  const wrong: string[] = []
  for (let n = 0; n < CASES; n += 8) {
    await Promise.all(Array.from({ length: 8 }, async (_, i) => {
      const made = reply(random, n + i)
      const path = `/cut/${n + i}`
      const end = upTo(random, random() < 0.5 ? Math.min(made.bytes.length - 1, made.headEnd + 30) : made.bytes.length - 1)
      const then = pick(random, 'end', 'reset')
      scripts.set(path, { pieces: cut(random, made.bytes.subarray(0, end)), then })
      const { body, error, isClean } = await ask(path, made.method, made.body.length, 'refuse')
      await turn()
      const phase = failed(error)
      const what = `${n + i}: ${made.method} ${made.status} ${made.framing} ${made.body.length}, cut after ${end} of ${made.bytes.length}, ${then}: ${phase} ${String(error)}`
      if (!isClean()) wrong.push(`${what}: memory that is not the target's was written`)
      if (phase === undefined && made.framing === 'close' && end >= made.headEnd) { // a server that resets may say goodbye before

        if (Buffer.compare(body, made.body.subarray(0, end - made.headEnd)) !== 0) wrong.push(`${what}: other bytes`)
      } else if (phase !== 'body' && phase !== 'headers') wrong.push(what)
      else if (Buffer.compare(body, made.body.subarray(0, body.length)) !== 0) wrong.push(`${what}: what was received is not the beginning`)
    }))
  }
  expect(wrong).toEqual([])
}, 120_000 * FACTOR)

/** What Node's own client makes of it. */
function asNode(path: string, method: string): Promise<{ readonly status: number, readonly body: Uint8Array } | undefined> {
  return new Promise(resolve => {
    const request = nodeRequest(`${origin}${path}`, { method, agent: false, timeout: 2000 }, response => {
      const parts: Uint8Array[] = []
      response.on('data', (part: Uint8Array) => parts.push(part))
      response.on('end', () => resolve(response.complete ? { status: response.statusCode ?? 0, body: Buffer.concat(parts) } : undefined))
      response.on('error', () => resolve(undefined))
    })
    request.on('error', () => resolve(undefined))
    request.on('upgrade', (_, socket) => { socket.destroy(); resolve(undefined) })
    request.end()
  })
}

/** Node refuses more, such as bytes behind the end. What is read all the same has the length that its head says, and came behind an empty line; or it is the right body. */
function isSaid({ head, body }: Outcome, made: Made, bytes: Uint8Array): boolean {
  if (made.framing === 'none') return body.length === 0
  const length = head?.header('content-length')
  if (length === undefined) return Buffer.compare(made.body.subarray(0, body.length), body) === 0
  return Number(length) === body.length && Buffer.from(bytes).includes(Buffer.concat([latin1('\n'), body]))
}

test(`${CASES} replies that are damaged are read as Node reads them, or fail`, async () => {
  const random = seededRandom(SEED + 2)
  const wrong: string[] = []
  let agreed = 0
  for (let n = 0; n < CASES; n += 8) {
    await Promise.all(Array.from({ length: 8 }, async (_, i) => {
      const made = reply(random, n + i)
      const path = `/damaged/${n + i}`
      let bytes = Uint8Array.from(made.bytes)
      for (let k = 1 + upTo(random, 2); k > 0; k--) {
        const at = upTo(random, made.headEnd - 1)
        const insert = pick(random, '', '\r', '\n', ' ', '\t', ':', '\0', '0', '5', ',', '\r\n ', '\r\n', '\r\nContent-Length: 3', '\r\nTransfer-Encoding: chunked')
        bytes = Buffer.concat([bytes.subarray(0, at), latin1(insert), bytes.subarray(at + upTo(random, 1))])
      }
      scripts.set(path, { pieces: cut(random, bytes), then: 'end' })
      const [ours, nodes] = await Promise.all([ask(path, made.method, 400_000, 'refuse'), asNode(path, made.method)])
      if (ours.error !== undefined) {
        if (!isTransportFailure(ours.error)) wrong.push(`${n + i}: ${String(ours.error)}`)
      } else if (nodes === undefined ? !isSaid(ours, made, bytes) : nodes.status !== ours.head?.status || Buffer.compare(nodes.body, ours.body) !== 0) {
        wrong.push(`${n + i}: ${made.method} ${JSON.stringify(Buffer.from(bytes.subarray(0, 200)).toString('latin1').replace(/y{9,}/, 'yy'))} was ${made.framing} ${made.body.length} ours ${ours.head?.status} ${ours.body.length}, Node's ${nodes?.status} ${nodes?.body.length}`)
      } else agreed++
    }))
  }
  expect(wrong).toEqual([])
  expect(agreed).toBeGreaterThan(CASES / 10)
}, 120_000 * FACTOR)

test(`${CASES} requests over few connections, given up, kept waiting and wanting fresh ones, all end, and the transport closes`, async () => {
  const random = seededRandom(SEED + 3)
  const wrong: string[] = []
  const made = Array.from({ length: 40 }, (_, n) => reply(random, n)).filter(one => one.method === 'GET')
  for (const [n, one] of made.entries()) scripts.set(`/some/${n}`, { pieces: cut(random, one.bytes), then: one.framing === 'close' ? 'end' : pick(random, 'keep', 'keep', 'end') })
  for (const [n, one] of made.entries()) scripts.set(`/broken/${n}`, { pieces: cut(random, one.bytes.subarray(0, one.bytes.length >> 1)), then: pick(random, 'end', 'reset', 'keep') })
  for (let round = 0; round < CASES / 80; round++) {
    const few = socketTransport({ connections: 1 + upTo(random, 2), keepAlive: pick(random, 1, 4000) })
    const closes = round % 3 === 2
    const all = Array.from({ length: 80 }, async () => {
      const n = upTo(random, made.length - 1)
      const { body } = made[n] as Made
      const broken = random() < 0.3
      const controller = new AbortController()
      const inBegin = random() < 0.1
      const memory = new Uint8Array(body.length)
      const after: { settled?: Uint8Array } = {}
      if (broken || random() < 0.3) setTimeout(() => controller.abort(new Error('gave up')), random() * 30)
      for (let k = upTo(random, 20); k > 0; k--) await turn()
      const exchange: Exchange = {
        request: { method: 'GET', origin, path: `/${broken ? 'broken' : 'some'}/${n}`, headers: {} }, received: 0,
        begin() {
          if (after.settled !== undefined) wrong.push(`${round}: begun after the end`)
          if (inBegin) controller.abort(new Error('gave up'))
          return { into: memory, beyond: 'refuse' }
        }
      }
      const error = await few.send(exchange, { signal: controller.signal, fresh: random() < 0.3 }).then(() => undefined, (reason: unknown) => reason as Error)
      const settled = after.settled = memory.slice()
      if (error === undefined && !broken && Buffer.compare(memory, body) !== 0) wrong.push(`${round}: other bytes`)
      if (error !== undefined && error.message !== 'gave up' && !isTransportFailure(error)) wrong.push(`${round}: ${String(error)}`)
      if (error !== undefined && !broken && isTransportFailure(error) && !closes && error.phase !== 'headers') wrong.push(`${round}: ${error.phase} ${error.message}`)
      return () => Buffer.compare(memory, settled) === 0
    })
    if (closes) {
      for (let k = upTo(random, 30); k > 0; k--) await turn()
      await few.close()
    }
    const checks = await Promise.all(all)
    await few.close()
    for (const isSame of checks) if (!isSame()) wrong.push(`${round}: written after the end`)
  }
  expect(wrong).toEqual([])
}, 120_000 * FACTOR)

test('no connection is left', async () => {
  await transport.close()
  for (let i = 0; i < 500 && sockets.size > 0; i++) await turn()
  expect(sockets.size).toBe(0)
}, 30_000)
