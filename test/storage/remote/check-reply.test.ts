import { describe, expect, test } from '@jest/globals'
import { checkReply, looksLikeError, type Asked, type Bytes, type Words } from '../../../src/storage/remote/check-reply.js'
import { replyHead, testService } from './scripted.js'

const PART: Asked = { range: { first: 100, last: 199 }, version: '"v1"', size: 1000, wholeUpTo: -1 }
const FIRST: Asked = { range: { first: 0, last: 99 }, version: '', size: -1, wholeUpTo: 100 }
const GOOD = { 'etag': '"v1"', 'content-range': 'bytes 100-199/1000', 'content-length': '100' }
const GOOD_FIRST = { 'etag': '"v1"', 'content-range': 'bytes 0-99/1000', 'content-length': '100' }

type Headers = Record<string, string | undefined>

const check = (status: number, headers: Headers, asked: Asked): Bytes | Words => checkReply(testService(), replyHead(status, headers), asked)

/** The kind of the fault, or the bytes. */
function verdict(status: number, headers: Headers, asked: Asked): unknown {
  const found = check(status, headers, asked)
  return found.is === 'bytes' ? found : found.fault?.kind ?? 'the service knows'
}

describe('a reply with a part', () => {
  test('is taken when everything fits', () => {
    expect(verdict(206, GOOD, PART)).toEqual({ is: 'bytes', first: 100, length: 100, announced: true, size: 1000, version: '"v1"', whole: false })
    expect(verdict(206, { ...GOOD, 'content-length': undefined }, PART)).toMatchObject({ length: 100, announced: false })
    expect(verdict(206, { ...GOOD, 'content-range': 'bytes 100-199/*' }, PART)).toMatchObject({ size: 1000 })
    expect(verdict(206, { ...GOOD, 'content-range': 'bytes 100-149/1000', 'content-length': '50' }, PART)).toMatchObject({ length: 50 })
    expect(verdict(206, GOOD_FIRST, FIRST)).toMatchObject({ first: 0, length: 100, size: 1000, version: '"v1"' })
    expect(verdict(206, { ...GOOD_FIRST, 'content-range': 'bytes 0-29/30', 'content-length': '30' }, FIRST)).toMatchObject({ length: 30, size: 30 })
    expect(verdict(206, { ...GOOD_FIRST, 'content-range': 'bytes 0-29/30', 'content-length': '30' }, { ...FIRST, range: undefined })).toMatchObject({ length: 30 })
  })

  const REFUSED: readonly (readonly [what: string, kind: string, headers: Headers, asked?: Asked])[] = [
    ['no range', 'WrongRange', { ...GOOD, 'content-range': undefined }],
    ['a range in another unit', 'WrongRange', { ...GOOD, 'content-range': 'items 100-199/1000' }],
    ['a range that is none', 'WrongRange', { ...GOOD, 'content-range': 'bytes 100-/1000' }],
    ['two ranges', 'WrongRange', { ...GOOD, 'content-range': 'bytes 100-199/1000, bytes 100-199/1000' }],
    ['another beginning', 'WrongRange', { ...GOOD, 'content-range': 'bytes 99-198/1000' }],
    ['an end before its beginning', 'WrongRange', { ...GOOD, 'content-range': 'bytes 100-99/1000', 'content-length': '0' }],
    ['an end behind the one that was asked for', 'WrongRange', { ...GOOD, 'content-range': 'bytes 100-200/1000', 'content-length': '101' }],
    ['an end behind the object', 'WrongRange', { ...GOOD_FIRST, 'content-range': 'bytes 0-30/30', 'content-length': '31' }, FIRST],
    ['a beginning that nobody asked for', 'WrongRange', { ...GOOD_FIRST, 'content-range': 'bytes 1-29/30', 'content-length': '29' }, { ...FIRST, range: undefined }],
    ['no size', 'WrongRange', { ...GOOD_FIRST, 'content-range': 'bytes 0-99/*' }, FIRST],
    ['another size under the same version', 'WrongRange', { ...GOOD, 'content-range': 'bytes 100-199/1001' }],
    ['another size', 'Changed', { ...GOOD, 'etag': undefined, 'content-range': 'bytes 100-199/1001' }, { ...PART, version: '' }],
    ['another version', 'Changed', { ...GOOD, etag: '"v2"' }],
    ['another version and size', 'Changed', { ...GOOD, 'etag': '"v2"', 'content-range': 'bytes 100-119/120', 'content-length': '20' }],
    ['no version', 'WrongRange', { ...GOOD, etag: undefined }],
    ['a shorter length', 'ShortRead', { ...GOOD, 'content-length': '99' }],
    ['a longer length', 'ShortRead', { ...GOOD, 'content-length': '101' }]
  ]
  for (const [what, kind, headers, asked = PART] of REFUSED) {
    test(`and ${what} is ${kind}`, () => {
      expect(verdict(206, headers, asked)).toBe(kind)
    })
  }
})

describe('a reply with the whole object', () => {
  const WHOLE = { 'etag': '"v1"', 'content-length': '1000' }
  const ALL: Asked = { range: { first: 0, last: 999 }, version: '"v1"', size: 1000, wholeUpTo: 1000 }

  test('is taken where it will do', () => {
    expect(verdict(200, WHOLE, ALL)).toEqual({ is: 'bytes', first: 0, length: 1000, announced: true, size: 1000, version: '"v1"', whole: true })
    expect(verdict(200, { etag: '"v1"' }, ALL)).toMatchObject({ length: 1000, announced: false })
    expect(verdict(200, { 'content-length': '100' }, FIRST)).toMatchObject({ length: 100, size: 100, version: '' })
    expect(verdict(200, { 'content-length': '0' }, FIRST)).toMatchObject({ length: 0, size: 0 })
    expect(verdict(200, { 'transfer-encoding': 'Chunked' }, FIRST)).toMatchObject({ length: -1, size: -1, announced: false })
  })

  const REFUSED: readonly (readonly [what: string, kind: string, headers: Headers, asked: Asked])[] = [
    ['a part was asked for', 'RangeIgnored', WHOLE, PART],
    ['a part was asked for and its length is not told', 'RangeIgnored', { etag: '"v1"' }, PART],
    ['it has more bytes than may come', 'RangeIgnored', { 'content-length': '101' }, FIRST],
    ['it is of another version', 'Changed', { ...WHOLE, etag: '"v2"' }, ALL],
    ['it has no version', 'WrongRange', { ...WHOLE, etag: undefined }, ALL],
    ['it has another size', 'Changed', { 'content-length': '999' }, { ...ALL, version: '' }],
    ['it has another size under the same version', 'WrongRange', { ...WHOLE, 'content-length': '999' }, ALL],
    ['its end is that of the connection', 'ShortRead', {}, FIRST]
  ]
  for (const [what, kind, headers, asked] of REFUSED) {
    test(`is ${kind} when ${what}`, () => {
      expect(verdict(200, headers, asked)).toBe(kind)
    })
  }
})

describe('another reply', () => {
  test('is judged by its status', () => {
    expect([204, 202, 203].map(status => verdict(status, GOOD, PART))).toEqual(['WrongRange', 'WrongRange', 'WrongRange'])
    expect([304, 412].map(status => verdict(status, {}, PART))).toEqual(['Changed', 'Changed'])
    expect([300, 301, 400, 401, 403, 404, 408, 429, 500, 503].map(status => verdict(status, {}, PART)).every(kind => kind === 'the service knows')).toBe(true)
  })

  test('is read for what it says when it is short, or may be', () => {
    const room = (status: number, length: string | undefined): unknown => (check(status, { 'content-length': length }, PART) as Words).room
    expect([undefined, '0', '10', '65536', '65537'].map(length => room(206, length))).toEqual([65536, 0, 10, 65536, 0])
    expect([undefined, '0', '10', '65536', '65537'].map(length => room(503, length))).toEqual([65536, 0, 10, 65536, 65536])
  })

  test('says of a range that it is not there', () => {
    const beyond = (range: string | undefined, asked: Asked): unknown => verdict(416, { 'content-range': range }, asked)
    expect(beyond(undefined, PART)).toBe('OutOfRange')
    expect(beyond('bytes */50', PART)).toBe('Changed')
    expect(beyond('bytes */1000', PART)).toBe('WrongRange')
    expect(beyond('bytes */0', FIRST)).toBe('OutOfRange')
    expect(beyond('bytes */5', FIRST)).toBe('WrongRange')
    expect(beyond('bytes */100', { ...PART, version: '', size: -1 })).toBe('OutOfRange')
  })
})

test('a service that always tells a version is not believed when it does not', () => {
  const service = testService({ versionHeader: 'etag' })
  expect(checkReply(service, replyHead(206, GOOD_FIRST), FIRST)).toMatchObject({ is: 'bytes' })
  expect(checkReply(service, replyHead(206, { ...GOOD_FIRST, etag: undefined }), FIRST)).toMatchObject({ is: 'words', fault: { kind: 'WrongRange', retry: true } })
})

test('error documents are told from other bytes', () => {
  const errors = [
    '<Error><Code>InternalError</Code></Error>', '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SlowDown</Code></Error>',
    '\n <Error xmlns="x"><Code>SlowDown</Code></Error>', '{"error": {"code": 503}}', ' {\n "error" : 1}'
  ]
  for (const text of errors) expect([text, looksLikeError(text)]).toEqual([text, true])
  for (const text of ['', 'Error', '<Errors>', '<html><Error>', '{"errors": 1}', '{"a": {"error": 1}}', '\0<Error>']) expect([text, looksLikeError(text)]).toEqual([text, false])
})
