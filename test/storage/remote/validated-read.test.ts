import { describe, expect, test } from '@jest/globals'
import { MillraceError, isMillraceError } from '../../../src/errors.js'
import { DEFAULT_RANGES } from '../../../src/storage/config.js'
import type { AttemptRecord, Limits, ValidatedReader } from '../../../src/storage/remote/reader.js'
import type { ReadService, ServiceFault } from '../../../src/storage/remote/service.js'
import { validatedReader } from '../../../src/storage/remote/validated-read.js'
import { NAME, bytesOf, scriptedTransport, serve, testService, testTime, turn, type Scripted, type ScriptedTransport, type Sent, type TestTime } from './scripted.js'

const SIZE = 1 << 20
const OBJECT = bytesOf(SIZE)
const V1 = '"v1"'
const text = (words: string): Uint8Array => new TextEncoder().encode(words)
const never = new AbortController().signal

interface Setup {
  readonly reader: ValidatedReader
  readonly transport: ScriptedTransport
  readonly time: TestTime
  readonly records: AttemptRecord[]
}

interface Setting {
  readonly service?: Partial<ReadService>
  readonly limits?: Limits
  readonly config?: Partial<typeof DEFAULT_RANGES> & { readonly retryBudget?: number }
  readonly time?: TestTime
}

/** A reader over replies: those of the script, then right ones. */
function setUp(script: (right: Scripted, n: number, sent: Sent) => Scripted | undefined, { service, limits, config, time = testTime() }: Setting = {}): Setup {
  const transport = scriptedTransport((sent, n) => {
    const right = serve(OBJECT, V1, sent)
    return script(right, n, sent) ?? right
  })
  const records: AttemptRecord[] = []
  const reader = validatedReader(testService(service), transport, { ...DEFAULT_RANGES, retryBudget: 0.1, ...config }, { limits, surroundings: time, record: one => records.push(one) })
  return { reader, transport, time, records }
}

/** A script whose first replies are changed. */
const first = (...changes: ((right: Scripted) => Scripted)[]) => (right: Scripted, n: number): Scripted | undefined => changes[n]?.(right)
const always = (change: (right: Scripted) => Scripted) => (right: Scripted): Scripted => change(right)

async function read({ reader }: Setup, offset = 1000, length = 5000, version = V1, signal = never): Promise<Uint8Array> {
  const into = new Uint8Array(length).fill(0xee)
  await reader.readRange(NAME, offset, into, { size: SIZE, version }, { signal })
  return into
}

async function failure(promise: Promise<unknown>): Promise<MillraceError> {
  try {
    await promise
  } catch (error) {
    if (isMillraceError(error)) return error
    throw error
  }
  throw new Error('it did not fail')
}

/** Comparing megabytes with `toEqual` takes seconds. */
async function expectRead(reading: Promise<Uint8Array>, bytes = expected()): Promise<void> {
  expect(Buffer.compare(await reading, bytes)).toBe(0)
}

const expected = (offset = 1000, length = 5000): Uint8Array => OBJECT.slice(offset, offset + length)
const ranges = ({ transport }: Setup): (string | undefined)[] => transport.sent.map(({ range }) => range)

describe('a good reply', () => {
  test('fills the target with one request for exactly these bytes of that version', async () => {
    const setup = setUp(() => undefined)
    await expectRead(read(setup))
    expect(setup.transport.sent).toEqual([{ origin: 'http://box:80', range: 'bytes=1000-5999', version: V1, fresh: false }])
    expect(setup.time.waits).toEqual([])
  })

  test('of an object whose version nobody knows is taken without one', async () => {
    const setup = setUp(right => ({ ...right, headers: { ...right.headers, etag: undefined } }))
    await expectRead(read(setup, 1000, 5000, ''))
    expect(setup.transport.sent[0]?.version).toBeUndefined()
  })

  test('may come without a length, if it has one', async () => {
    const setup = setUp(right => ({ ...right, headers: { ...right.headers, 'content-length': undefined } }))
    await expectRead(read(setup))
    expect(setup.transport.sent).toHaveLength(1)
  })

  test('is not asked for when nothing is wanted', async () => {
    const setup = setUp(() => undefined)
    await read(setup, SIZE, 0)
    expect(setup.transport.sent).toEqual([])
  })

  test('is not asked for beyond the end of the object', async () => {
    const setup = setUp(() => undefined)
    expect(await failure(read(setup, SIZE - 10, 11))).toMatchObject({ kind: 'OutOfRange', uri: NAME.uri, offset: SIZE - 10 })
    expect(setup.transport.sent).toEqual([])
  })
})

describe('a reply that breaks off', () => {
  for (const ends of ['body', undefined] as const) {
    test(`${ends === undefined ? 'as if it were complete' : 'with its connection'} goes on at the next byte, of the same version, over another connection`, async () => {
      const setup = setUp(first(right => ({ ...right, after: 1234, ...(ends === undefined ? {} : { ends }) })))
      await expectRead(read(setup))
      expect(ranges(setup)).toEqual(['bytes=1000-5999', 'bytes=2234-5999'])
      expect(setup.transport.sent[1]).toMatchObject({ version: V1, fresh: true })
    })
  }

  test('begins anew when the version of the object is not known', async () => {
    const setup = setUp((right, n) => ({ ...right, headers: { ...right.headers, etag: undefined }, ...(n === 0 ? { after: 1234, ends: 'body' as const } : {}) }))
    await expectRead(read(setup, 1000, 5000, ''))
    expect(ranges(setup)).toEqual(['bytes=1000-5999', 'bytes=1000-5999'])
  })

  test('pins the version that its own reply told', async () => {
    const setup = setUp(first(right => ({ ...right, after: 1234, ends: 'body' })))
    await expectRead(read(setup, 1000, 5000, ''))
    expect(setup.transport.sent[1]).toMatchObject({ range: 'bytes=2234-5999', version: V1 })
  })

  test('does not go on with bytes of another version, even from a server that ignores the condition', async () => {
    const setup = setUp((right, n) => (n === 0 ? { ...right, after: 1234, ends: 'body' } : { ...right, headers: { ...right.headers, etag: '"v2"' } }))
    const error = await failure(read(setup))
    expect(error).toMatchObject({ kind: 'Changed', uri: NAME.uri, offset: 2234, attempts: 2, status: 206 })
    expect(error.message).toContain('version "v2"')
    expect(error.message).toContain('it was version "v1"')
  })

  test('keeps nothing of a body whose length was not announced', async () => {
    const setup = setUp(first(right => ({ ...right, headers: { ...right.headers, 'content-length': undefined }, after: 1234 })))
    await expectRead(read(setup))
    expect(ranges(setup)).toEqual(['bytes=1000-5999', 'bytes=1000-5999'])
  })

  test('keeps nothing of a body after which there was no HTTP', async () => {
    const setup = setUp(first(right => ({ ...right, after: 1234, ends: 'protocol' })))
    await expectRead(read(setup))
    expect(ranges(setup)).toEqual(['bytes=1000-5999', 'bytes=1000-5999'])
  })

  test('has all its attempts again after 256 KiB of progress', async () => {
    const config = { maxAttempts: 2 }
    const far = setUp(right => ({ ...right, after: 256 << 10, ends: 'body' }), { config })
    await expectRead(read(far, 0, SIZE), OBJECT)
    expect(far.transport.sent).toHaveLength(4)

    const near = setUp(right => ({ ...right, after: (256 << 10) - 1, ends: 'body' }), { config })
    expect(await failure(read(near, 0, SIZE))).toMatchObject({ kind: 'Unavailable', attempts: 3, offset: 3 * ((256 << 10) - 1) })
  })

  test('of a part of the range, which it says, goes on without waiting', async () => {
    const part = 300_000
    const setup = setUp((right, _, { range }) => {
      const start = Number(/\d+/.exec(range ?? '')?.[0])
      const body = OBJECT.subarray(start, Math.min(start + part, SIZE))
      return { ...right, body, headers: { ...right.headers, 'content-range': `bytes ${start}-${start + body.length - 1}/${SIZE}`, 'content-length': String(body.length) } }
    })
    await expectRead(read(setup, 0, SIZE), OBJECT)
    expect(ranges(setup).slice(0, 2)).toEqual(['bytes=0-1048575', 'bytes=300000-1048575'])
    expect(setup.time.waits).toEqual([])
  })
})

describe('a reply that is not what was asked for', () => {
  const lies: readonly (readonly [what: string, kind: string, lie: (right: Scripted) => Scripted])[] = [
    ['other bytes', 'WrongRange', right => ({ ...right, headers: { ...right.headers, 'content-range': `bytes 1007-6006/${SIZE}` } })],
    ['fewer bytes at the beginning', 'WrongRange', right => ({ ...right, headers: { ...right.headers, 'content-range': `bytes 1001-5999/${SIZE}`, 'content-length': '4999' } })],
    ['more bytes at the end', 'WrongRange', right => ({ ...right, headers: { ...right.headers, 'content-range': `bytes 1000-6000/${SIZE}`, 'content-length': '5001' } })],
    ['a range that ends before it begins', 'WrongRange', right => ({ ...right, headers: { ...right.headers, 'content-range': `bytes 1000-999/${SIZE}`, 'content-length': '0' } })],
    ['no Content-Range', 'WrongRange', right => ({ ...right, headers: { ...right.headers, 'content-range': undefined } })],
    ['a Content-Range that is none', 'WrongRange', right => ({ ...right, headers: { ...right.headers, 'content-range': 'bytes 1000-5999/1048576, bytes 1000-5999/1048576' } })],
    ['several ranges', 'WrongRange', right => ({ ...right, headers: { ...right.headers, 'content-range': undefined, 'content-type': 'multipart/byteranges; boundary=x' } })],
    ['another size under the same version', 'WrongRange', right => ({ ...right, headers: { ...right.headers, 'content-range': 'bytes 1000-5999/9999' } })],
    ['no version', 'WrongRange', right => ({ ...right, headers: { ...right.headers, etag: undefined } })],
    ['no content', 'WrongRange', right => ({ ...right, status: 204 })],
    ['a shorter length than its range', 'ShortRead', right => ({ ...right, headers: { ...right.headers, 'content-length': '2500' }, after: 2500 })],
    ['a longer length than its range', 'ShortRead', right => ({ ...right, headers: { ...right.headers, 'content-length': '5010' } })],
    ['more bytes than its length', 'WrongRange', right => ({ ...right, headers: { ...right.headers, 'content-length': undefined }, body: OBJECT.slice(1000, 6010) })],
    ['the whole object', 'RangeIgnored', right => ({ ...right, status: 200, headers: { etag: V1, 'content-length': String(SIZE) }, body: OBJECT })],
    ['the whole object without its length', 'RangeIgnored', right => ({ ...right, status: 200, headers: { etag: V1 }, body: OBJECT })],
    ['a range that it cannot send, of an object that has it', 'WrongRange', () => ({ status: 416, headers: { 'content-range': `bytes */${SIZE}` } })]
  ]
  for (const [what, kind, lie] of lies) {
    test(`(${what}) is asked for again over another connection, whole`, async () => {
      const setup = setUp(first(lie))
      await expectRead(read(setup))
      expect(ranges(setup)).toEqual(['bytes=1000-5999', 'bytes=1000-5999'])
      expect(setup.transport.sent.map(({ fresh }) => fresh)).toEqual([false, true])
      expect(setup.records.map(({ fault }) => fault)).toEqual([kind, undefined])
    })

    test(`(${what}) ends with ${kind} when it comes again and again`, async () => {
      const setup = setUp(always(lie), { config: { maxAttempts: 3 } })
      expect(await failure(read(setup))).toMatchObject({ kind, uri: NAME.uri, offset: 1000, attempts: 3, operation: 'read', retryable: true })
    })
  }

  for (const status of [200, 206]) {
    test(`is what the service says in it when there is an error document in a ${status}`, async () => {
      const body = text('<?xml version="1.0"?>\n<Error><Code>InternalError</Code><Message>We are sorry.</Message></Error>')
      const setup = setUp(right => ({ status, headers: { ...right.headers, 'content-length': String(body.length) }, body }), { config: { maxAttempts: 2 }, service: { faultOf: (reply, said) => ({ ...testService().faultOf(reply, said), kind: 'Unsupported' }) } })
      const error = await failure(read(setup))
      expect(error).toMatchObject({ kind: 'Unavailable', attempts: 2, status })
      expect(error.message).toContain('We are sorry (InternalError')
    })
  }

  test('is not spliced in when it is an error document of the length that was asked for', async () => {
    const document = text('<Error><Code>SlowDown</Code></Error>')
    const setup = setUp(first(right => ({ ...right, headers: { ...right.headers, 'content-length': undefined }, body: document })))
    await expectRead(read(setup))
  })

  test('is refused when the service says that its bytes are encoded', async () => {
    const setup = setUp(() => undefined, { service: { refuse: () => 'the bytes are encoded' } })
    const error = await failure(read(setup))
    expect(error).toMatchObject({ kind: 'Unsupported', attempts: 1 })
    expect(error.message).toContain('the bytes are encoded')
  })

  test('may be the whole object when the whole object is wanted, and begins anew then', async () => {
    const whole = (right: Scripted): Scripted => ({ ...right, status: 200, headers: { etag: V1, 'content-length': String(SIZE) }, body: OBJECT })
    const setup = setUp(first(right => ({ ...right, after: 5000, ends: 'body' }), whole))
    await expectRead(read(setup, 0, SIZE), OBJECT)
    expect(ranges(setup)).toEqual(['bytes=0-1048575', 'bytes=5000-1048575'])
  })

  test('leaves nothing behind when it was the whole object and not to be trusted', async () => {
    const garbage = new Uint8Array(SIZE).fill(0xaa)
    const setup = setUp(first(
      right => ({ ...right, after: 5000, ends: 'body' }),
      () => ({ status: 200, headers: { etag: V1, 'content-length': String(SIZE) }, body: garbage, after: 4000, ends: 'protocol' })
    ))
    await expectRead(read(setup, 0, SIZE), OBJECT)
    expect(ranges(setup)).toEqual(['bytes=0-1048575', 'bytes=5000-1048575', 'bytes=0-1048575'])
  })

  test('is not the whole object when it has another length', async () => {
    const setup = setUp(always(right => ({ ...right, status: 200, headers: { etag: '"v2"', 'content-length': String(SIZE - 1) }, body: OBJECT.subarray(1) })))
    expect(await failure(read(setup, 0, SIZE))).toMatchObject({ kind: 'Changed', attempts: 1 })
  })
})

describe('an object that is another one', () => {
  test('is told by 412, with both versions where they are known', async () => {
    const setup = setUp(always(() => ({ status: 412, headers: { etag: '"v2"' } })))
    const error = await failure(read(setup))
    expect(error).toMatchObject({ kind: 'Changed', uri: NAME.uri, status: 412, attempts: 1, retryable: false })
    expect(error.message).toBe('read test://box/key: bytes 1000 to 5999 could not be read: the object is another one now, version "v2" (it was version "v1"); open the object again, or write new data under new names')
  })

  test('is told by 304', async () => {
    expect(await failure(read(setUp(always(() => ({ status: 304 })))))).toMatchObject({ kind: 'Changed', status: 304 })
  })

  test('is told by its size, where there are no versions', async () => {
    const setup = setUp(always(right => ({ ...right, headers: { 'content-range': 'bytes 1000-5999/7000', 'content-length': '5000' } })))
    const error = await failure(read(setup, 1000, 5000, ''))
    expect(error).toMatchObject({ kind: 'Changed', attempts: 1 })
    expect(error.message).toContain(`the object has 7000 bytes now, and had ${SIZE}`)
  })

  test('is told by 416 with its size', async () => {
    expect(await failure(read(setUp(always(() => ({ status: 416, headers: { 'content-range': 'bytes */500' } })))))).toMatchObject({ kind: 'Changed', status: 416 })
  })

  test('is OutOfRange by 416 without its size', async () => {
    expect(await failure(read(setUp(always(() => ({ status: 416 })))))).toMatchObject({ kind: 'OutOfRange', status: 416, attempts: 1 })
  })

  test('is gone by 404', async () => {
    const setup = setUp(first(right => ({ ...right, after: 10, ends: 'body' }), () => ({ status: 404, body: text('<Error><Code>NoSuchKey</Code><Message>There is no such key.</Message></Error>') })))
    const error = await failure(read(setup))
    expect(error).toMatchObject({ kind: 'NotFound', status: 404, attempts: 2, offset: 1010 })
    expect(error.message).toMatch(/^read test:\/\/box\/key: bytes 1000 to 5999 could not be read: There is no such key \(NoSuchKey, status 404\); after 2 attempts in \d+\.\d s; check the URI/)
  })
})

describe('a service that refuses', () => {
  test('is not asked again', async () => {
    const setup = setUp(always(() => ({ status: 403 })))
    expect(await failure(read(setup))).toMatchObject({ kind: 'Denied', status: 403, attempts: 1 })
  })

  test('is asked once more, at once, with new credentials', async () => {
    const refreshed: ServiceFault[] = []
    const setup = setUp(first(() => ({ status: 401 })), { service: { refresh: async fault => { refreshed.push(fault) } }, config: { maxAttempts: 1 } })
    await expectRead(read(setup))
    expect(refreshed).toHaveLength(1)
    expect(setup.time.waits).toEqual([])
  })

  test('is told when new credentials do not help', async () => {
    let refreshed = 0
    const setup = setUp(always(() => ({ status: 401 })), { service: { refresh: async () => { refreshed++ } } })
    expect(await failure(read(setup))).toMatchObject({ kind: 'Denied', status: 401, attempts: 2 })
    expect(refreshed).toBe(1)
  })

  test('is told as the reason when there are no new credentials', async () => {
    const reason = new Error('no credentials')
    const setup = setUp(always(() => ({ status: 401 })), { service: { refresh: () => Promise.reject(reason) } })
    await expect(read(setup)).rejects.toBe(reason)
  })

  test('by a redirect is told with the origin that it leads to, and no secrets', async () => {
    const setup = setUp(always(() => ({ status: 307, headers: { location: 'https://me:secret@other.example/box/key?X-Amz-Signature=secret' } })))
    const error = await failure(read(setup))
    expect(error).toMatchObject({ status: 307, attempts: 1 })
    expect(error.message).toContain('redirects to https://other.example,')
    expect(error.message).not.toContain('secret')
  })

  test('by a redirect is told with the region', async () => {
    const error = await failure(read(setUp(always(() => ({ status: 301, headers: { 'x-amz-bucket-region': 'eu-west-3' } })))))
    expect(error.message).toContain('the bucket is in the region eu-west-3')
  })
})

describe('waits between attempts', () => {
  test('grow from backoffBase to backoffCap', async () => {
    const setup = setUp(always(() => ({ status: 500 })), { config: { maxAttempts: 6, backoffCap: 1000 } })
    const error = await failure(read(setup))
    expect(error).toMatchObject({ kind: 'Unavailable', attempts: 6, status: 500 })
    expect(setup.time.waits).toEqual([100, 200, 400, 800, 1000])
    expect(error.message).toContain('given up, after 6 attempts in 2.5 s')
  })

  test('grow from throttleBase when the service asks to slow down', async () => {
    const setup = setUp(always(() => ({ status: 503 })), { config: { maxAttempts: 4 } })
    expect(await failure(read(setup))).toMatchObject({ kind: 'Throttled', attempts: 4 })
    expect(setup.time.waits).toEqual([500, 1000, 2000])
  })

  test('are a random part of that', async () => {
    const time = testTime()
    const chances = [0.25, 0.5, 0]
    time.random = () => chances.shift() ?? 1
    await read(setUp(first(() => ({ status: 500 }), () => ({ status: 500 }), () => ({ status: 500 })), { time }))
    expect(time.waits).toEqual([25, 100, 0])
  })

  test('are at least what Retry-After says', async () => {
    const setup = setUp(first(
      () => ({ status: 503, headers: { 'retry-after': '7' } }),
      () => ({ status: 429, headers: { 'retry-after': 'Fri, 20 Nov 2026 10:00:09 GMT', date: 'Fri, 20 Nov 2026 10:00:00 GMT' } }),
      () => ({ status: 503, headers: { 'retry-after': '0' } })
    ))
    await expectRead(read(setup))
    expect(setup.time.waits).toEqual([7000, 9000, 2000])
  })

  test('end with the deadline', async () => {
    const setup = setUp(always(() => ({ status: 503 })), { config: { deadline: 10_000, maxAttempts: 100 } })
    const error = await failure(read(setup))
    expect(error).toMatchObject({ kind: 'Throttled', attempts: 5 })
    expect(error.message).toContain('no time for another attempt before the deadline of 10000 ms, after 5 attempts in 7.5 s')
  })

  test('are not begun when the service asks for more time than there is', async () => {
    const setup = setUp(always(() => ({ status: 503, headers: { 'retry-after': '3600' } })))
    expect(await failure(read(setup))).toMatchObject({ kind: 'Throttled', attempts: 1 })
    expect(setup.time.waits).toEqual([])
  })

  test('end with the budget of the host, and good replies fill it again', async () => {
    let broken = true
    const setup = setUp(() => (broken ? { status: 500 } : undefined), { config: { maxAttempts: 3, retryBudget: 0.004 } })
    const errors = [await failure(read(setup)), await failure(read(setup)), await failure(read(setup))]
    expect(errors.map(({ attempts }) => attempts)).toEqual([3, 3, 1]) // four retries
    expect(errors[2]?.message).toContain('because box:80 has used up its budget of retries (retryBudget)')
    broken = false
    for (let i = 0; i < 250; i++) await read(setup)
    broken = true
    expect(await failure(read(setup))).toMatchObject({ attempts: 2 })
    const other = { ...NAME, container: 'other' }
    expect(await failure(setup.reader.readRange(other, 0, new Uint8Array(10), { size: SIZE, version: V1 }, { signal: never }))).toMatchObject({ attempts: 3 })
  })
})

describe('a network that fails', () => {
  test('to connect is tried again, and told with its reason', async () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    const setup = setUp(always(() => ({ ends: 'connect', cause })), { config: { maxAttempts: 3 } })
    const error = await failure(read(setup))
    expect(error).toMatchObject({ kind: 'Unavailable', attempts: 3, offset: 1000 })
    expect(error.message).toContain('no connection (it ended in connect)')
    expect((error.cause as { cause: unknown }).cause).toBe(cause)
  })

  test('to connect in time is a Timeout', async () => {
    const cause = Object.assign(new Error('late'), { code: 'ETIMEDOUT' })
    const setup = setUp(always(() => ({ ends: 'connect', cause })), { config: { maxAttempts: 2 } })
    expect(await failure(read(setup))).toMatchObject({ kind: 'Timeout', attempts: 2 })
  })

  test('because of a certificate is not tried again', async () => {
    const cause = Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
    expect(await failure(read(setUp(always(() => ({ ends: 'connect', cause })))))).toMatchObject({ kind: 'Unavailable', attempts: 1 })
  })

  test('on a connection that was idle is tried again at once, once, without counting', async () => {
    const setup = setUp(first(() => ({ ends: 'headers', reused: true })), { config: { maxAttempts: 1, retryBudget: 0 } })
    await expectRead(read(setup))
    expect(setup.time.waits).toEqual([])
    expect(setup.transport.sent[1]).toMatchObject({ fresh: true })

    const twice = setUp(always(() => ({ ends: 'headers', reused: true })), { config: { maxAttempts: 2 } })
    expect(await failure(read(twice))).toMatchObject({ kind: 'Unavailable', attempts: 3 })
    expect(twice.time.waits).toEqual([100])
  })

  test('on a new connection is tried again after a wait', async () => {
    const setup = setUp(first(() => ({ ends: 'headers', reused: false })))
    await expectRead(read(setup))
    expect(setup.time.waits).toEqual([100])
  })

  test('because the transport was closed ends with Closed', async () => {
    expect(await failure(read(setUp(always(() => ({ ends: 'closed' })))))).toMatchObject({ kind: 'Closed', attempts: 1 })
  })

  test('in the middle of words is told by the words that are there', async () => {
    const setup = setUp(always(() => ({ status: 404, body: text('<Error><Code>NoSuchKey</Code>'), ends: 'body' })))
    expect(await failure(read(setup))).toMatchObject({ kind: 'NotFound', status: 404 })
  })

  test('to bring any reply at all is a ShortRead, though the transport says that all is well', async () => {
    const transport = { send: () => Promise.resolve(), close: () => Promise.resolve() }
    const reader = validatedReader(testService(), transport, { ...DEFAULT_RANGES, maxAttempts: 2, retryBudget: 1 }, { surroundings: testTime() })
    const error = await failure(reader.readRange(NAME, 0, new Uint8Array(1), { size: 1, version: V1 }, { signal: never }))
    expect(error).toMatchObject({ kind: 'ShortRead', attempts: 2 })
  })

  test('is told by a transport that makes the error itself', async () => {
    const made = new MillraceError('Unsupported', 'not over this transport')
    const transport = { send: () => Promise.reject(made), close: () => Promise.resolve() }
    const reader = validatedReader(testService(), transport, { ...DEFAULT_RANGES, retryBudget: 1 })
    await expect(reader.readRange(NAME, 0, new Uint8Array(1), { size: 1, version: V1 }, { signal: never })).rejects.toBe(made)
  })

  test('is told from a program that fails', async () => {
    const bug = new TypeError('a mistake')
    const transport = { send: () => Promise.reject(bug), close: () => Promise.resolve() }
    const reader = validatedReader(testService(), transport, { ...DEFAULT_RANGES, retryBudget: 1 })
    const error = await failure(reader.readRange(NAME, 0, new Uint8Array(1), { size: 1, version: V1 }, { signal: never }))
    expect(error).toMatchObject({ kind: 'Internal', cause: bug })
  })
})

describe('a reply that is late', () => {
  const hangs = (after: number, status = 206) => (right: Scripted): Scripted => ({ ...right, after, status, ends: 'never' })
  const silent = hangs(0, 0)

  test('is given up after ttfbTimeout, and asked for again over another connection', async () => {
    const setup = setUp(first(silent), { config: { ttfbTimeout: 1000 } })
    const reading = read(setup)
    await setup.time.advance(1250)
    await expectRead(reading)
    expect(setup.transport.sent[1]).toMatchObject({ fresh: true })
    expect(setup.records[0]).toMatchObject({ fault: 'Timeout', firstByte: undefined })
  })

  test('is given up when no byte comes for idleTimeout, and goes on where it stopped', async () => {
    const setup = setUp(first(hangs(1234)), { config: { idleTimeout: 1000 } })
    const reading = read(setup)
    await turn()
    await setup.time.advance(1250)
    await expectRead(reading)
    expect(ranges(setup)).toEqual(['bytes=1000-5999', 'bytes=2234-5999'])
  })

  test('again and again ends with Timeout, which says what to raise', async () => {
    const setup = setUp(always(silent), { config: { ttfbTimeout: 1000, maxAttempts: 2 } })
    const reading = failure(read(setup))
    await setup.time.advance(4000)
    const error = await reading
    expect(error).toMatchObject({ kind: 'Timeout', attempts: 2, offset: 1000 })
    expect(error.message).toMatch(/no reply came within 1000 ms; given up, after 2 attempts in \d\.\d s; check the network, or raise ttfbTimeout$/)
  })

  test('ends with the deadline', async () => {
    const setup = setUp(always(silent), { config: { ttfbTimeout: 60_000, deadline: 2000 } })
    const reading = failure(read(setup))
    await setup.time.advance(3000)
    expect(await reading).toMatchObject({ kind: 'Timeout', attempts: 1 })
    expect((await reading).message).toContain('it took longer than its deadline of 2000 ms')
  })

  test('of more than a chunk has longer, by what the rest takes at minRate', async () => {
    const setup = setUp(always(silent), { config: { ttfbTimeout: 60_000, rangeTimeout: 60_000, minRateWindow: 60_000, deadline: 2000, chunkSize: 1000, minRate: 1000 } })
    let over = false
    const reading = failure(read(setup, 0, 9000)).finally(() => { over = true })
    await setup.time.advance(9500)
    expect(over).toBe(false)
    await setup.time.advance(1000)
    expect(await reading).toMatchObject({ kind: 'Timeout', attempts: 1 })
  })

  test('because credentials are late ends with the deadline', async () => {
    const setup = setUp(() => undefined, { service: { request: () => new Promise(() => undefined) }, config: { deadline: 2000 } })
    const reading = failure(read(setup))
    await setup.time.advance(3000)
    expect(await reading).toMatchObject({ kind: 'Timeout' })
  })

  test('leaves the store with no timer once all reads are over', async () => {
    const setup = setUp(() => undefined)
    await read(setup)
    expect(setup.time.ticking).toBe(true)
    await setup.time.advance(1000)
    expect(setup.time.ticking).toBe(false)
  })
})

describe('an abort', () => {
  const reason = new Error('enough')
  const hang = (): Scripted => ({ status: 0, after: 0, ends: 'never' })

  test('before the read is thrown as it is, and nothing is sent', async () => {
    const setup = setUp(() => undefined)
    await expect(read(setup, 0, 10, V1, AbortSignal.abort(reason))).rejects.toBe(reason)
    expect(setup.transport.sent).toEqual([])
  })

  test('during a request frees it and is thrown as it is', async () => {
    const setup = setUp(hang)
    const controller = new AbortController()
    const reading = read(setup, 0, 10, V1, controller.signal)
    await turn()
    expect(setup.transport.open.size).toBe(1)
    controller.abort(reason)
    await expect(reading).rejects.toBe(reason)
    expect(setup.transport.open.size).toBe(0)
  })

  test('during a wait is thrown as it is', async () => {
    const setup = setUp(always(() => ({ status: 500 })), { time: testTime(true) })
    const controller = new AbortController()
    const reading = read(setup, 0, 10, V1, controller.signal)
    await turn()
    expect(setup.time.waits).toHaveLength(1)
    controller.abort(reason)
    await expect(reading).rejects.toBe(reason)
  })

  test('while credentials are awaited is thrown as it is', async () => {
    const setup = setUp(() => undefined, { service: { request: () => new Promise(() => undefined) } })
    const controller = new AbortController()
    const reading = read(setup, 0, 10, V1, controller.signal)
    controller.abort(reason)
    await expect(reading).rejects.toBe(reason)
  })

  test('of one read leaves the others alone, and those that come after', async () => {
    const setup = setUp((right, n) => (n === 0 ? hang() : right))
    const one = new AbortController()
    const reading = read(setup, 0, 10, V1, one.signal)
    await turn()
    const other = read(setup)
    one.abort(reason)
    await expect(reading).rejects.toBe(reason)
    await expectRead(other)
    await expectRead(read(setup))
  })

  test('of a signal that many reads share ends them all, and Node is not warned of a leak', async () => {
    const warnings: Error[] = []
    const listen = (warning: Error): void => { warnings.push(warning) }
    process.on('warning', listen)
    const setup = setUp(hang)
    const controller = new AbortController()
    const readings = Array.from({ length: 50 }, () => read(setup, 0, 10, V1, controller.signal))
    await turn()
    controller.abort(reason)
    for (const reading of readings) await expect(reading).rejects.toBe(reason)
    await turn()
    process.off('warning', listen)
    expect(warnings).toEqual([])
  })
})

describe('limits', () => {
  interface Seen { readonly host: string, readonly bytes: number, outcome: string | undefined }

  function seeing(seen: Seen[]): Limits {
    return {
      enter(host, bytes) {
        const one: Seen = { host, bytes, outcome: undefined }
        seen.push(one)
        return { leave: outcome => { one.outcome = one.outcome === undefined ? outcome : 'twice' } }
      }
    }
  }

  test('are entered for each attempt, for what is missing, and left with what came of it', async () => {
    const seen: Seen[] = []
    const setup = setUp(first(right => ({ ...right, after: 2000, ends: 'body' }), () => ({ status: 503 }), () => ({ status: 500 })), { limits: seeing(seen) })
    await read(setup)
    expect(seen).toEqual([
      { host: 'box:80', bytes: 5000, outcome: 'failed' }, { host: 'box:80', bytes: 3000, outcome: 'throttled' },
      { host: 'box:80', bytes: 3000, outcome: 'failed' }, { host: 'box:80', bytes: 3000, outcome: 'ok' }
    ])
  })

  test('hear that a service works when it says that there is no such object', async () => {
    const seen: Seen[] = []
    await failure(read(setUp(always(() => ({ status: 404 })), { limits: seeing(seen) })))
    expect(seen[0]?.outcome).toBe('ok')
  })

  test('hear of connections that were late', async () => {
    const seen: Seen[] = []
    const cause = Object.assign(new Error('late'), { code: 'ETIMEDOUT' })
    await read(setUp(first(() => ({ ends: 'connect', cause })), { limits: seeing(seen) }))
    expect(seen.map(({ outcome }) => outcome)).toEqual(['throttled', 'ok'])
  })

  test('make room for what objects of unknown size have had of late, and not for all that is asked for', async () => {
    const seen: Seen[] = []
    const setup = setUp(right => ({ ...right, status: 206, headers: { 'etag': V1, 'content-range': 'bytes 0-99999/100000', 'content-length': '100000' }, body: OBJECT.slice(0, 100_000) }), { limits: seeing(seen) })
    for (let i = 0; i < 2; i++) await setup.reader.readFirst(NAME, { want: 8 << 20, whole: false, signal: never, begin: ({ size }) => new Uint8Array(size) })
    await setup.reader.readFirst(NAME, { want: 100_000, whole: false, signal: never, begin: ({ size }) => new Uint8Array(size) })
    expect(seen.map(({ bytes }) => bytes)).toEqual([8 << 20, 200_000, 100_000])
  })

  test('have their place back while a read waits to try again', async () => {
    const seen: Seen[] = []
    const time = testTime()
    const outcomes: (string | undefined)[] = []
    const { sleep } = time
    time.sleep = (milliseconds, signal) => {
      outcomes.push(seen.at(-1)?.outcome)
      return sleep(milliseconds, signal)
    }
    await read(setUp(first(() => ({ status: 500 })), { limits: seeing(seen), time }))
    expect(outcomes).toEqual(['failed'])
  })

  test('may make a read wait for longer than its deadline', async () => {
    const time = testTime()
    const limits: Limits = {
      async enter() {
        time.block(100_000)
        return { leave: () => undefined }
      }
    }
    const setup = setUp(first(() => ({ status: 500 })), { limits, time, config: { deadline: 5000 } })
    await expectRead(read(setup))
  })
})

describe('what is told of attempts', () => {
  test('are bytes, times and faults of each', async () => {
    const setup = setUp(first(right => ({ ...right, after: 2000, ends: 'body' })))
    await read(setup)
    expect(setup.records).toEqual([
      { endpoint: 'box:80', bytes: 2000, firstByte: 0, milliseconds: 0, fault: 'Unavailable' },
      { endpoint: 'box:80', bytes: 3000, firstByte: 0, milliseconds: 0, fault: undefined }
    ])
  })

  test('say when nobody wanted them any more', async () => {
    const setup = setUp(() => ({ status: 0, after: 0, ends: 'never' }))
    const controller = new AbortController()
    const reading = read(setup, 0, 10, V1, controller.signal)
    await turn()
    controller.abort()
    await expect(reading).rejects.toBe(controller.signal.reason)
    expect(setup.records.map(({ fault }) => fault)).toEqual(['Aborted'])
  })

  test('stands in the trace of a read', async () => {
    const { reader } = setUp(first(() => ({ status: 500 }), () => ({ status: 500 })))
    const trace = { requests: 0, retries: 0 }
    await reader.readRange(NAME, 0, new Uint8Array(10), { size: SIZE, version: V1 }, { signal: never, trace })
    expect(trace).toEqual({ requests: 3, retries: 2, firstByte: 1000, endpoint: 'box:80' })
  })
})

describe('closing', () => {
  test('ends reads under way with Closed, and refuses later ones', async () => {
    const setup = setUp(() => ({ status: 0, after: 0, ends: 'never' }))
    const reading = failure(read(setup))
    await turn()
    setup.reader.close()
    expect(await reading).toMatchObject({ kind: 'Closed', uri: NAME.uri })
    expect(await failure(read(setup))).toMatchObject({ kind: 'Closed' })
    expect(setup.transport.sent).toHaveLength(1)
  })

  test('ends reads that wait to try again', async () => {
    const setup = setUp(always(() => ({ status: 500 })), { time: testTime(true) })
    const reading = failure(read(setup))
    await turn()
    setup.reader.close()
    expect(await reading).toMatchObject({ kind: 'Closed' })
  })
})

describe('an error document under the headers of a good reply, just as long as the range', () => {
  const words = text('<?xml version="1.0"?><Error><Code>InternalError</Code></Error>')
  const hidden = (right: Scripted): Scripted => ({ ...right, body: words })

  test('is not believed, and the bytes are asked for again', async () => {
    const setup = setUp(first(hidden))
    expect(await read(setup, 1000, words.length)).toEqual(OBJECT.slice(1000, 1000 + words.length))
    expect(setup.records.map(({ fault }) => fault)).toEqual(['WrongRange', undefined])
  })

  test('is the object itself when it comes twice', async () => {
    const setup = setUp(always(hidden))
    expect(await read(setup, 1000, words.length)).toEqual(words)
    expect(setup.records.length).toBe(2)
  })
})
