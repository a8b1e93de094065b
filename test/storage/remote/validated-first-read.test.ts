import { describe, expect, test } from '@jest/globals'
import { isMillraceError, type MillraceError } from '../../../src/errors.js'
import { DEFAULT_RANGES } from '../../../src/storage/config.js'
import type { FirstRead, FirstReadOptions, ObjectHead } from '../../../src/storage/remote/reader.js'
import { validatedReader } from '../../../src/storage/remote/validated-read.js'
import { NAME, bytesOf, scriptedTransport, serve, testService, testTime, type Scripted, type ScriptedTransport, type Sent } from './scripted.js'

const OBJECT = bytesOf(10_000)
const V1 = '"v1"'

interface Outcome {
  readonly result: FirstRead | undefined
  readonly error: MillraceError | undefined
  readonly memory: Uint8Array
  readonly begun: (readonly [head: ObjectHead, all: boolean])[]
  readonly transport: ScriptedTransport
}

/** Reads the beginning of an object, over replies that the script has changed. */
async function readFirst(options: Partial<FirstReadOptions>, script: (right: Scripted, n: number, sent: Sent) => Scripted | undefined = () => undefined, object = OBJECT, version = V1): Promise<Outcome> {
  const transport = scriptedTransport((sent, n) => {
    const right = serve(object, version === '' ? undefined : version, sent)
    return script(right, n, sent) ?? right
  })
  const reader = validatedReader(testService(), transport, { ...DEFAULT_RANGES, maxAttempts: 3, retryBudget: 0.1 }, { surroundings: testTime() })
  const begun: Outcome['begun'] = []
  let memory = new Uint8Array(0)
  const signal = new AbortController().signal
  const begin = (head: ObjectHead, all: boolean): Uint8Array => {
    begun.push([head, all])
    return memory = new Uint8Array(all ? head.size : Math.min(options.want ?? 4000, head.size))
  }
  try {
    return { result: await reader.readFirst(NAME, { want: 4000, whole: false, signal, begin, ...options }), error: undefined, memory, begun, transport }
  } catch (error) {
    if (!isMillraceError(error)) throw error
    return { result: undefined, error, memory, begun, transport }
  }
}

const whole = (more: Partial<Scripted> = {}): Scripted => ({ ...serve(OBJECT, V1, { range: undefined, version: undefined }), ...more })

describe('the beginning of an object', () => {
  test('tells its size, its version and its checksums before the bytes are there', async () => {
    const { result, memory, begun, transport } = await readFirst({}, right => ({ ...right, headers: { ...right.headers, 'x-md5': 'abc' } }))
    expect(result).toEqual({ head: { size: 10_000, version: V1, checksums: { md5: 'abc' } }, length: 4000 })
    expect(begun).toEqual([[result?.head, false]])
    expect(memory).toEqual(OBJECT.slice(0, 4000))
    expect(transport.sent).toEqual([{ origin: 'http://box:80', range: 'bytes=0-3999', version: undefined, fresh: false }])
  })

  test('is all of a smaller object', async () => {
    const { result, memory } = await readFirst({ want: 20_000 })
    expect(result?.length).toBe(10_000)
    expect(memory).toEqual(OBJECT)
  })

  test('may be asked for in a version', async () => {
    expect((await readFirst({ version: V1 })).result?.length).toBe(4000)
    expect((await readFirst({ version: '"v0"' })).error).toMatchObject({ kind: 'Changed', status: 412 })
  })

  test('may be more memory than is needed', async () => {
    const memory = new Uint8Array(5000)
    const { result } = await readFirst({ begin: () => memory })
    expect(result?.length).toBe(4000)
    expect(memory.slice(0, 4000)).toEqual(OBJECT.slice(0, 4000))
    expect(memory.slice(4000).every(byte => byte === 0)).toBe(true)
  })

  test('must not be less memory than is needed', async () => {
    expect((await readFirst({ begin: () => new Uint8Array(3999) })).error).toMatchObject({ kind: 'Internal' })
  })

  test('is refused by what `begin` throws, which nothing is tried against', async () => {
    const refused = new Error('too large')
    await expect(readFirst({ begin: () => { throw refused } })).rejects.toBe(refused)
  })

  test('goes on where it broke, and `begin` is called once', async () => {
    const { memory, begun, transport } = await readFirst({}, (right, n) => (n === 0 ? { ...right, after: 1500, ends: 'body' } : undefined))
    expect(memory).toEqual(OBJECT.slice(0, 4000))
    expect(begun).toHaveLength(1)
    expect(transport.sent[1]).toMatchObject({ range: 'bytes=1500-3999', version: V1 })
  })

  test('begins anew where there are no versions, in the same memory', async () => {
    const { memory, begun, transport } = await readFirst({}, (right, n) => (n === 0 ? { ...right, after: 1500, ends: 'body' } : undefined), OBJECT, '')
    expect(memory).toEqual(OBJECT.slice(0, 4000))
    expect(begun).toHaveLength(1)
    expect(transport.sent[1]).toMatchObject({ range: 'bytes=0-3999', version: undefined })
  })

  test('of an object that has another size when it begins anew is Changed', async () => {
    const { error } = await readFirst({}, (right, n) => (n === 0
      ? { ...right, after: 1500, ends: 'body' }
      : { ...right, headers: { ...right.headers, 'content-range': 'bytes 0-3999/9000' } }), OBJECT, '')
    expect(error).toMatchObject({ kind: 'Changed', attempts: 2 })
  })

  test('is not an error document, which says neither a range nor a version', async () => {
    const body = new TextEncoder().encode('<Error><Code>InternalError</Code><Message>Oh</Message></Error>')
    const words = { status: 200, headers: { 'content-length': String(body.length) }, body }
    expect((await readFirst({}, () => words)).error).toMatchObject({ kind: 'Unavailable', attempts: 3, status: 200 })
    // It may be one that was stored.
    expect((await readFirst({}, () => ({ ...words, headers: { ...words.headers, etag: V1 } }))).result?.length).toBe(body.length)
  })

  test('whose size is not told is not taken', async () => {
    const { error } = await readFirst({}, right => ({ ...right, headers: { ...right.headers, 'content-range': 'bytes 0-3999/*' } }))
    expect(error).toMatchObject({ kind: 'WrongRange', attempts: 3 })
    expect(error?.message).toContain('does not tell the size')
  })
})

describe('an empty object', () => {
  const empty = new Uint8Array(0)

  for (const [what, headers] of [['with its size', { 'content-range': 'bytes */0' }], ['without its size', {}]] as const) {
    test(`that is told by 416 ${what} is asked for once more, without a range, for its version`, async () => {
      const { result, begun, transport } = await readFirst({}, right => (right.status === 416 ? { status: 416, headers } : undefined), empty)
      expect(result).toEqual({ head: { size: 0, version: V1, checksums: {} }, length: 0 })
      expect(begun).toHaveLength(1)
      expect(transport.sent.map(({ range }) => range)).toEqual(['bytes=0-3999', undefined])
    })
  }

  test('that the server sends as a whole is one request', async () => {
    const { result, transport } = await readFirst({}, () => ({ status: 200, headers: { etag: V1, 'content-length': '0' } }), empty)
    expect(result?.head.size).toBe(0)
    expect(transport.sent).toHaveLength(1)
  })

  for (const [what, headers] of [['a length', { 'content-length': '10' }], ['chunks', { 'transfer-encoding': 'chunked' }]] as const) {
    test(`has no bytes, whatever the server then sends with ${what}`, async () => {
      const ten = { status: 200, headers: { etag: V1, ...headers }, body: new Uint8Array(10) }
      const { result, begun, transport } = await readFirst({}, (right, n) => (n === 1 ? ten : right), empty)
      expect(result).toEqual({ head: { size: 0, version: V1, checksums: {} }, length: 0 })
      expect(begun).toHaveLength(1)
      // The server has contradicted itself: it is asked anew, from the first question on.
      expect(transport.sent.map(({ range }) => range)).toEqual(['bytes=0-3999', undefined, 'bytes=0-3999', undefined])
    })
  }

  test('is not an object that has bytes after all', async () => {
    const { error } = await readFirst({}, () => ({ status: 416, headers: { 'content-range': 'bytes */10000' } }))
    expect(error).toMatchObject({ kind: 'WrongRange', attempts: 3 })
  })

  test('is not one that cannot be had without a range either', async () => {
    const { error } = await readFirst({}, () => ({ status: 416 }))
    expect(error).toMatchObject({ kind: 'OutOfRange', attempts: 2 })
  })
})

describe('a server that sends all of the object', () => {
  test('is right when that is no more than was wanted', async () => {
    const { result, memory, begun } = await readFirst({ want: 10_000 }, () => whole())
    expect(result?.length).toBe(10_000)
    expect(begun[0]?.[1]).toBe(true)
    expect(memory).toEqual(OBJECT)
  })

  test('is RangeIgnored when it is more', async () => {
    const { error, begun } = await readFirst({ want: 9999 }, () => whole())
    expect(error).toMatchObject({ kind: 'RangeIgnored', status: 200, attempts: 3 })
    expect(error?.message).toContain('the server sends the whole object of 10000 bytes')
    expect(begun).toEqual([])
  })

  test('is right when all of it may come', async () => {
    const { result, memory, begun } = await readFirst({ want: 10, whole: true }, () => whole())
    expect(result?.length).toBe(10_000)
    expect(begun[0]?.[1]).toBe(true)
    expect(memory).toEqual(OBJECT)
  })

  test('is asked for the rest when it breaks off, and may send all of it again', async () => {
    const { memory, begun, transport } = await readFirst({ want: 10, whole: true }, (_, n) => (n === 0 ? whole({ after: 7000, ends: 'body' }) : whole()))
    expect(transport.sent[1]).toMatchObject({ range: 'bytes=7000-9999', version: V1 })
    expect(begun).toHaveLength(1)
    expect(memory).toEqual(OBJECT)
  })

  test('is asked without a range for all of it', async () => {
    const { result, memory, transport } = await readFirst({ want: Infinity }, (right, n) => (n === 0 ? { ...right, after: 7000, ends: 'body' } : undefined))
    expect(result?.length).toBe(10_000)
    expect(memory).toEqual(OBJECT)
    expect(transport.sent.map(({ range }) => range)).toEqual([undefined, 'bytes=7000-9999'])
  })

  describe('without saying how long it is', () => {
    const chunked = (object = OBJECT): Scripted => ({ status: 200, headers: { etag: V1, 'transfer-encoding': 'chunked' }, body: object })

    test('is right when its chunks end', async () => {
      const { result, memory, begun } = await readFirst({ want: Infinity }, () => chunked())
      expect(result).toEqual({ head: { size: 10_000, version: V1, checksums: {} }, length: 10_000 })
      expect(begun).toHaveLength(1)
      expect(memory).toEqual(OBJECT)
    })

    test('begins anew when its chunks break off', async () => {
      const { memory, transport } = await readFirst({ want: Infinity }, (_, n) => ({ ...chunked(), ...(n === 0 ? { after: 7000, ends: 'body' } : {}) }))
      expect(memory).toEqual(OBJECT)
      expect(transport.sent.map(({ range }) => range)).toEqual([undefined, undefined])
    })

    test('is RangeIgnored, at once, when it is more than may come', async () => {
      const { error } = await readFirst({ want: 9999 }, () => chunked())
      expect(error).toMatchObject({ kind: 'RangeIgnored', attempts: 1 })
      expect(error?.message).toContain('without saying how long it is, and it has more than 9999 bytes')
    })

    test('is not believed when only the end of the connection shows the end of the object', async () => {
      const { error } = await readFirst({ want: Infinity }, () => ({ ...chunked(), headers: { etag: V1 } }))
      expect(error).toMatchObject({ kind: 'ShortRead', attempts: 3 })
    })
  })
})

test('at least one byte has to be wanted', async () => {
  await expect(readFirst({ want: 0 })).rejects.toThrow(RangeError)
})
