import { createHash, createHmac } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { SignatureV4 } from '@smithy/signature-v4'
import fc from 'fast-check'
import { encodeKey, encodeQuery } from '../../../src/storage/s3/name.js'
import { createSigner } from '../../../src/storage/s3/sigv4.js'

/** What @smithy/signature-v4 wants for hashing. */
class Sha256 {
  readonly #hash
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret as string)
  }
  update(data: string | Uint8Array): void { this.#hash.update(data) }
  async digest(): Promise<Uint8Array> { return this.#hash.digest() }
  reset(): void { throw new Error('not used') }
}

/** The text of any characters but lone surrogates, with many that have a meaning somewhere. */
const odd = fc.string({
  unit: fc.oneof(fc.constantFrom(...'/.%+ &=?#:@!$\'()*,;~-_\\"<>[]{}|^`'), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })), minLength: 1, maxLength: 60
})

describe('signatures', () => {
  test('are those of @smithy/signature-v4, for random requests', async () => {
    await fc.assert(fc.asyncProperty(
      fc.record({
        key: odd.filter(key => !key.includes('\0')),
        method: fc.constantFrom('GET', 'HEAD'),
        access: fc.stringMatching(/^[A-Z0-9]{4,20}$/),
        secret: fc.stringMatching(/^[\x21-\x7e]{1,40}$/),
        token: fc.option(fc.stringMatching(/^[A-Za-z0-9+/=]{1,300}$/), { nil: undefined }),
        region: fc.constantFrom('us-east-1', 'eu-central-1', 'auto', 'cn-north-1'),
        service: fc.constantFrom('s3', 's3-object-lambda', 's3express'),
        host: fc.constantFrom('bucket.s3.us-east-1.amazonaws.com', '127.0.0.1:9000', '[::1]:80'),
        base: fc.constantFrom('', '/bucket'),
        time: fc.date({ min: new Date('2000-01-01'), max: new Date('2099-12-31'), noInvalidDate: true }),
        checksums: fc.boolean(),
        query: fc.dictionary(fc.stringMatching(/^[a-zA-Z][\w .~+-]{0,8}$/), odd, { maxKeys: 3 })
      }),
      async ({ key, method, access, secret, token, region, service, host, base, time, checksums, query }) => {
        const credentials = { accessKeyId: access, secretAccessKey: secret, ...(token === undefined ? {} : { sessionToken: token }) }
        const headers: Record<string, string> = checksums ? { 'x-amz-checksum-mode': 'ENABLED' } : {}
        const path = `${base}/${encodeKey(key)}`
        const text = Object.entries(query).map(([name, value]) => `${encodeQuery(name)}=${encodeQuery(value)}`).sort().join('&')
        const own = createSigner({ credentials, region, service, host, headers }).sign(method, path, text, time.getTime())

        const theirs = await new SignatureV4({ service, region, credentials, sha256: Sha256, uriEscapePath: false }).sign({
          method, protocol: 'https:', hostname: host, path, query: { ...query },
          headers: { ...headers, host, range: 'bytes=0-1', 'if-match': '"x"', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }
        }, { signingDate: time, unsignableHeaders: new Set(['range', 'if-match']) })
        const { range: _, 'if-match': __, ...wanted } = theirs.headers
        expect(own).toEqual(wanted)
      }
    ), { numRuns: 500, seed: 4 })
  })

  test('follow the clock: another second, another day', () => {
    const scope = { credentials: { accessKeyId: 'A', secretAccessKey: 'B' }, region: 'r', service: 's3', host: 'h' }
    const signer = createSigner(scope)
    const midnight = Date.UTC(2030, 0, 2)
    for (const time of [midnight - 1000, midnight - 1, midnight, midnight + 999, midnight + 1000, midnight - 1]) {
      const headers = signer.sign('GET', '/k', '', time)
      expect(headers).toEqual(createSigner(scope).sign('GET', '/k', '', time))
      expect(headers['authorization']).toContain(time < midnight ? '/20300101/' : '/20300102/')
    }
    expect(signer.sign('GET', '/k', '', midnight)['x-amz-date']).toBe('20300102T000000Z')
  })

  test('take microseconds', () => {
    const signer = createSigner({ credentials: { accessKeyId: 'A', secretAccessKey: 'B', sessionToken: 'T'.repeat(500) }, region: 'r', service: 's3', host: 'h' })
    const many = 5000
    for (let i = 0; i < many; i++) signer.sign('GET', `/some/key/${i}`, '', i)
    const begin = performance.now()
    for (let i = 0; i < many; i++) signer.sign('GET', `/some/key/${i}`, '', i)
    const each = (performance.now() - begin) * 1000 / many
    expect(each).toBeLessThan(200) // about 6 on a quiet machine
  })
})

describe('paths', () => {
  test('are encoded once, and nothing in them is normalised', () => {
    expect(encodeKey('a/../b//./c')).toBe('a/../b//./c')
    expect(encodeKey('a%20b c+d')).toBe('a%2520b%20c%2Bd')
    expect(encodeKey('!\'()*~-_.')).toBe('%21%27%28%29%2A~-_.')
    expect(encodeKey('é\u{1f600}')).toBe('%C3%A9%F0%9F%98%80')
    expect(encodeQuery('a/b')).toBe('a%2Fb')
  })

  test('come back from their encoding', () => {
    fc.assert(fc.property(odd, key => {
      expect(decodeURIComponent(encodeKey(key))).toBe(key)
      expect(encodeKey(key)).toMatch(/^(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})*$/)
    }), { numRuns: 500, seed: 5 })
  })
})
