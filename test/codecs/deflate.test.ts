import { deflateRawSync, deflateSync, gzipSync, inflateSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { decompressor, deflate, inflate, type DeflateKind } from '../../src/codecs/deflate.js'

const data = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7919) >>> 5 & 255)
const packed: Record<DeflateKind, Uint8Array> = { gzip: gzipSync(data), zlib: deflateSync(data), raw: deflateRawSync(data) }
const kinds = Object.keys(packed) as DeflateKind[]

/** With Node's zlib, and with the platform's streams alone. */
describe.each([['Node’s zlib', true], ['the streams of the platform', false]])('with %s', (_, node) => {
  const original = Object.getOwnPropertyDescriptor(process, 'getBuiltinModule') as PropertyDescriptor
  beforeEach(() => {
    if (!node) Object.defineProperty(process, 'getBuiltinModule', { value: undefined, configurable: true, writable: true })
  })
  afterEach(() => {
    Object.defineProperty(process, 'getBuiltinModule', original)
  })

  test.each(kinds)('inflates %s data of a known size', async kind => {
    expect(Buffer.compare(await inflate(kind, packed[kind], data.length), data)).toBe(0)
  })
  test.each(kinds)('tells more and fewer bytes than expected of %s data', async kind => {
    expect((await inflate(kind, packed[kind], data.length - 1)).length).toBe(data.length)
    expect((await inflate(kind, packed[kind], 10)).length).toBe(11)
    expect((await inflate(kind, packed[kind], data.length + 1)).length).toBe(data.length)
  })
  test.each(kinds)('rejects %s data that are damaged or cut off', async kind => {
    await expect(inflate(kind, packed[kind].subarray(0, packed[kind].length >> 1), data.length)).rejects.toBeDefined()
    const damaged = Uint8Array.from(packed[kind])
    damaged.fill(0xff, 20, 60)
    await expect(inflate(kind, damaged, data.length)).rejects.toBeDefined()
  })
  test('inflates nothing to nothing', async () => {
    expect((await inflate('zlib', deflateSync(new Uint8Array(0)), 0)).length).toBe(0)
  })
  test('deflates what zlib inflates', async () => {
    expect(Buffer.compare(inflateSync(await deflate(data, 6)), data)).toBe(0)
    if (node) expect((await deflate(data, 0)).length).toBeGreaterThan(data.length)
  })
  test.each(kinds)('inflates a stream of %s data', async kind => {
    const codec = decompressor(kind)
    const feeding = (async () => {
      for (let at = 0; at < packed[kind].length; at += 1000) await codec.write(packed[kind].subarray(at, at + 1000))
      await codec.end()
    })()
    const pieces: Uint8Array[] = []
    for (let piece = await codec.read(); piece !== null; piece = await codec.read()) pieces.push(piece.slice())
    await feeding
    await codec.close()
    expect(Buffer.compare(Buffer.concat(pieces), data)).toBe(0)
  })
})
