import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { defaultMemoryStore, memoryStore } from '../../src/storage/memory.js'
import { compareBytes, nameCodec, parseFileName, schemeOf, withoutSecrets } from '../../src/storage/uri.js'

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

describe('memory stores', () => {
  test('are isolated from each other and from the default one, and can be emptied', async () => {
    const [a, b] = [memoryStore(), memoryStore()]
    await a.put('mem://x', new Uint8Array(3))
    await expect(b.stat('mem://x')).rejects.toMatchObject({ kind: 'NotFound' })
    await expect(defaultMemoryStore.stat('mem://x')).rejects.toMatchObject({ kind: 'NotFound' })
    expect(a.byteLength).toBe(3)
    const source = await a.open('MEM://x')
    expect(source.uri).toBe('mem://x')
    a.clear()
    expect(a.byteLength).toBe(0)
    await source.read(0, new Uint8Array(3))
    await source.close()
  })

  test('take every name as it is, but none, or one of another scheme, is an InvalidUri', async () => {
    const store = memoryStore()
    for (const key of ['a/../b', '/lead', 'x//y', '.', 'x/', '%']) {
      expect((await store.put(`mem://${key}`, new Uint8Array(1))).uri).toBe(`mem://${key}`)
    }
    for (const uri of ['mem://', 'x', 'file:///x', 's3://a/b']) {
      await expect(store.open(uri)).rejects.toMatchObject({ kind: 'InvalidUri' })
    }
  })

  test('copy what they are given, also from a Buffer', async () => {
    const store = memoryStore()
    const buffer = Buffer.from('abc')
    const writer = await store.createWriter('mem://x')
    await writer.write(buffer)
    buffer.fill(0)
    await writer.finalize()
    const into = new Uint8Array(3)
    const source = await store.open('mem://x')
    await source.read(0, into)
    expect([...into]).toEqual([97, 98, 99])
    await source.close()
  })

  test('list more than a page', async () => {
    const store = memoryStore()
    for (let i = 0; i < 2100; i++) await store.put(`mem://${i}`, new Uint8Array(0))
    const sizes: number[] = []
    for await (const page of store.list('mem://')) sizes.push(page.length)
    expect(sizes).toEqual([1000, 1000, 100])
  })
})
