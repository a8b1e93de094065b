import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isMillraceError } from '../../../src/errors.js'
import { DEFAULT_RANGES } from '../../../src/storage/config.js'
import { validatedReader } from '../../../src/storage/remote/validated-read.js'
import { NAME, bytesOf, scriptedTransport, serve, testService, testTime, type Scripted, type Sent } from './scripted.js'

const FACTOR = Number(process.env['MILLRACE_FUZZ'] ?? 1)
const SIZE = 5000
const OBJECTS = [bytesOf(SIZE, 1), bytesOf(SIZE, 2), bytesOf(SIZE - 7, 3)] as const
const NETWORK = ['connect', 'headers', 'body', 'overrun', 'protocol'] as const
const WORDS = new TextEncoder().encode('<?xml version="1.0"?><Error><Code>InternalError</Code><Message>Oh</Message></Error>')

/** What a server or the network does to one reply. */
type Twist =
  | { readonly kind: 'none' }
  | { readonly kind: 'break', readonly where: (typeof NETWORK)[number], readonly after: number, readonly reused: boolean }
  | { readonly kind: 'cut' | 'shorter' | 'shift' | 'longer', readonly by: number }
  | { readonly kind: 'status', readonly status: number }
  | { readonly kind: 'whole' | 'words' | 'wordsAs200' | 'noRange' | 'noLength' | 'noLengthCut' | 'noVersion' | 'multipart' | 'replace' | 'lieOfVersion' }

const twists: fc.Arbitrary<Twist> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ kind: 'none' as const }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('break' as const), where: fc.constantFrom(...NETWORK), after: fc.nat(SIZE), reused: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('cut' as const, 'shorter' as const, 'shift' as const, 'longer' as const), by: fc.integer({ min: 1, max: 3000 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('status' as const), status: fc.constantFrom(204, 301, 304, 403, 404, 408, 412, 416, 429, 500, 503) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constantFrom('whole' as const, 'words' as const, 'wordsAs200' as const, 'noRange' as const, 'noLength' as const, 'noLengthCut' as const, 'noVersion' as const, 'multipart' as const, 'replace' as const, 'lieOfVersion' as const) }) }
)

/** A server whose object may be replaced, and whose replies are twisted one after the other. */
function server(script: readonly Twist[], versions: boolean): (sent: Sent, n: number) => Scripted {
  let current = 0
  return (sent, n) => {
    const twist = script[n] ?? { kind: 'none' }
    if (twist.kind === 'replace') current = (current + 1) % OBJECTS.length
    const object = OBJECTS[current] as Uint8Array
    const version = versions ? `"v${current}"` : undefined
    // A server that lies of its version has another object, and ignores the condition.
    const asked = twist.kind === 'lieOfVersion' ? { ...sent, version: undefined } : sent
    const right = serve(twist.kind === 'lieOfVersion' ? OBJECTS[(current + 1) % OBJECTS.length] as Uint8Array : object, twist.kind === 'lieOfVersion' && versions ? '"lie"' : version, asked)
    const body = right.body ?? new Uint8Array(0)
    const headers = right.headers ?? {}
    const start = Number(/^bytes (\d+)-/.exec(headers['content-range'] ?? '')?.[1] ?? 0)
    switch (twist.kind) {
      case 'break': return { ...right, ends: twist.where, after: Math.min(twist.after, body.length), reused: twist.reused }
      case 'cut': return { ...right, after: Math.max(0, body.length - twist.by) }
      case 'shorter': {
        // Right bytes, but fewer; whether it says so depends. A whole object that is said to have fewer bytes cannot be told from one that has.
        if (right.status !== 206) return right
        const part = body.subarray(0, Math.max(1, body.length - twist.by))
        const range = twist.by % 2 === 0 ? headers['content-range'] : `bytes ${start}-${start + part.length - 1}/${object.length}`
        return { ...right, body: part, headers: { ...headers, 'content-range': range, 'content-length': String(part.length) } }
      }
      case 'shift': {
        if (right.status !== 206) return right
        const from = (start + twist.by) % object.length
        const part = object.subarray(from, from + body.length)
        return { ...right, body: part, headers: { ...headers, 'content-range': `bytes ${from}-${from + part.length - 1}/${object.length}`, 'content-length': String(part.length) } }
      }
      case 'longer': return { ...right, body: object.subarray(start, start + body.length + twist.by), headers: { ...headers, ...(twist.by % 2 === 0 ? { 'content-length': undefined } : {}) } }
      case 'status': return { status: twist.status, headers: twist.status === 416 ? { 'content-range': `bytes */${object.length}` } : {}, body: WORDS }
      case 'whole': return serve(object, version, { range: undefined, version: undefined })
      case 'words': return { ...right, body: WORDS, headers: { ...headers, 'content-length': undefined } }
      case 'wordsAs200': return { status: 200, body: WORDS, headers: { 'content-length': String(WORDS.length) } }
      case 'noRange': return { ...right, headers: { ...headers, 'content-range': undefined } }
      case 'noLength': return { ...right, headers: { ...headers, 'content-length': undefined } }
      case 'noLengthCut': return { ...right, after: body.length >> 1, headers: { ...headers, 'content-length': undefined } }
      case 'noVersion': return { ...right, headers: { ...headers, etag: undefined } }
      case 'multipart': return { ...right, headers: { ...headers, 'content-range': undefined, 'content-type': 'multipart/byteranges' } }
      case 'none': case 'replace': case 'lieOfVersion': return right
    }
  }
}

const KINDS = new Set(['NotFound', 'Denied', 'Changed', 'Throttled', 'Timeout', 'Unavailable', 'ShortRead', 'WrongRange', 'RangeIgnored', 'OutOfRange'])

function checkError(error: unknown): void {
  if (!isMillraceError(error)) throw error
  expect(KINDS).toContain(error.kind)
  expect(error).toMatchObject({ uri: NAME.uri, operation: 'read' })
  expect(typeof error.offset).toBe('number')
  expect(error.attempts).toBeGreaterThan(0)
  expect(error.message).toContain(NAME.uri)
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

test('a read of a range has the bytes of one version, the one that was asked for, or fails with a kind', async () => {
  await fc.assert(fc.asyncProperty(fc.array(twists, { maxLength: 8 }), fc.boolean(), fc.nat(SIZE - 1), fc.integer({ min: 1, max: SIZE }), async (script, versions, from, length) => {
    const count = Math.min(length, SIZE - from)
    const transport = scriptedTransport(server(script, versions))
    const reader = validatedReader(testService(), transport, { ...DEFAULT_RANGES, maxAttempts: 5, retryBudget: 1 }, { surroundings: testTime() })
    const memory = new Uint8Array(count + 20).fill(0xee)
    try {
      await reader.readRange(NAME, from, memory.subarray(10, 10 + count), { size: SIZE, version: versions ? '"v0"' : '' }, { signal: new AbortController().signal })
      const got = memory.subarray(10, 10 + count)
      const candidates = versions ? OBJECTS.slice(0, 1) : OBJECTS.filter(({ length }) => length === SIZE)
      expect(candidates.some(object => same(got, object.subarray(from, from + count)))).toBe(true)
    } catch (error) {
      checkError(error)
    }
    expect([...memory.subarray(0, 10), ...memory.subarray(10 + count)].every(byte => byte === 0xee)).toBe(true)
    expect(transport.open.size).toBe(0)
  }), { numRuns: 1500 * FACTOR })
})

test('a first read has the beginning of one version, and says which, or fails with a kind', async () => {
  await fc.assert(fc.asyncProperty(fc.array(twists, { maxLength: 8 }), fc.boolean(), fc.boolean(), fc.oneof(fc.integer({ min: 1, max: 2 * SIZE }), fc.constant(Infinity)), async (script, versions, whole, want) => {
    const transport = scriptedTransport(server(script, versions))
    const reader = validatedReader(testService(), transport, { ...DEFAULT_RANGES, maxAttempts: 5, retryBudget: 1 }, { surroundings: testTime() })
    let memory = new Uint8Array(0)
    let begun = 0
    try {
      const { head, length } = await reader.readFirst(NAME, {
        want, whole, signal: new AbortController().signal,
        begin(head, all) {
          begun++
          return memory = new Uint8Array(all ? head.size : Math.min(want, head.size))
        }
      })
      const candidates = OBJECTS.filter((object, i) => object.length === head.size && (head.version === '' || head.version === `"v${i}"` || head.version === '"lie"'))
      expect(length).toBe(memory.length)
      expect(length).toBeGreaterThanOrEqual(Math.min(want, head.size))
      expect(candidates.some(object => same(memory, object.subarray(0, length)))).toBe(true)
    } catch (error) {
      checkError(error)
    }
    expect(begun).toBeLessThanOrEqual(1)
    expect(transport.open.size).toBe(0)
  }), { numRuns: 1500 * FACTOR })
})

test('whatever breaks connections, at whatever points, the bytes are right in the end', async () => {
  const breaks = fc.array(fc.record({ where: fc.constantFrom('headers' as const, 'body' as const), after: fc.nat(1500), clean: fc.boolean() }), { maxLength: 6 })
  await fc.assert(fc.asyncProperty(breaks, fc.nat(SIZE - 1), async (points, from) => {
    const transport = scriptedTransport((sent, n) => {
      const right = serve(OBJECTS[0], '"v0"', sent)
      const point = points[n]
      if (point === undefined) return right
      return { ...right, after: Math.min(point.after, right.body?.length ?? 0), ...(point.clean && point.where === 'body' ? {} : { ends: point.where }) }
    })
    const reader = validatedReader(testService(), transport, { ...DEFAULT_RANGES, retryBudget: 1 }, { surroundings: testTime() })
    const into = new Uint8Array(SIZE - from)
    await reader.readRange(NAME, from, into, { size: SIZE, version: '"v0"' }, { signal: new AbortController().signal })
    expect(same(into, OBJECTS[0].subarray(from))).toBe(true)
    expect(transport.sent.length).toBeLessThanOrEqual(points.length + 1)
  }), { numRuns: 500 * FACTOR })
})
