import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { compareBytes, isPercentEncoded, nameCodec, parseFileName, schemeOf, withoutSecrets } from '../../src/storage/uri.js'

describe('URIs', () => {
  test('a scheme has two letters at least, so that drive letters are paths', () => {
    const schemes = { 's3://b/k': 's3', 'FILE:///x': 'file', 'C:\\data': '',
      'C:/data': '', 'c://data': '', '/abs': '', 'rel/a:b': '',
      '': '', './mem://x': '', 'a+b.c-d://': 'a+b.c-d' }
    for (const [uri, scheme] of Object.entries(schemes)) expect([uri, schemeOf(uri)]).toEqual([uri, scheme])
  })

  test('any path survives being written as a file URI, and the form is canonical', () => {
    const { encode } = nameCodec('file:///')
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 10 })
      .filter((text) => !/[/\0]|^\.{1,2}$|\p{Surrogate}/u.test(text))
    fc.assert(fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), (names) => {
      const uri = `file:///${names.map(encode).join('/')}`
      expect(parseFileName(uri, 'open')).toEqual({ uri, path: `/${names.join('/')}` })
      expect(uri).not.toMatch(/[*?[\]{}\\#\s]/)
    }), { seed: 3, numRuns: 500 })
  })

  test('direct URIs are written like file URIs, and neither store takes those of the other', () => {
    expect(parseFileName('DIRECT://localhost/a//./b%20%2a', 'open', 'direct')).toEqual({ uri: 'direct:///a/b%20%2A', path: '/a/b *' })
    expect(parseFileName('/a/b', 'open', 'direct')).toEqual({ uri: '/a/b', path: '/a/b' })
    for (const [uri, scheme] of [['file:///a', 'direct'], ['direct:///a', 'file'], ['direct:/a', 'direct'], ['direct://host/a', 'direct'], ['direct:///a/../b', 'direct']] as const) {
      expect(() => parseFileName(uri, 'open', scheme)).toThrow(expect.objectContaining({ kind: 'InvalidUri', operation: 'open' }))
    }
    expect(['file:///x', 'direct:///x', '/x', 's3://b/x'].map(isPercentEncoded)).toEqual([true, true, false, false])
    expect(nameCodec('direct:///').encode('a b')).toBe('a%20b')
    expect(withoutSecrets('direct:///a%3Fb?')).toBe('direct:///a%3Fb?')
  })

  test('the order is that of UTF-8 bytes', () => {
    const unit = fc.constantFrom('a', '\u007f', '\u0080', 'é', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}')
    fc.assert(fc.property(fc.array(unit), fc.array(unit), (x, y) => {
      const [a, b] = [x.join(''), y.join('')]
      expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }), { seed: 4, numRuns: 1000 })
  })

  test('user names, passwords, queries and fragments are not shown', () => {
    expect(withoutSecrets('https://user:pass@host/a/b?sig=secret#x')).toBe('https://host/a/b')
    expect(withoutSecrets('az://account/c/b?sv=1&sig=secret')).toBe('az://account/c/b')
    expect(withoutSecrets('/data/what?#.bin')).toBe('/data/what?#.bin')
  })
})
