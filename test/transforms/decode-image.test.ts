import { describe, expect, test } from '@jest/globals'
import sharp from 'sharp'
import { Dataset } from '../../src/dataset.js'
import { decodeImage, type DecodeImageOptions } from '../../src/transforms.js'
import { loadSharp } from '../../src/transforms/sharp.js'
import type { NdArray } from '../../src/types.js'
import { bytesOf, call, fixture, golden, type GoldenArray } from './support.js'

interface Picture {
  readonly name: string
  readonly bytes: string
  readonly size: readonly [height: number, width: number]
  readonly expected: GoldenArray
}

const pictures = fixture<readonly Picture[]>('images.json')
const picture = (name: string): Uint8Array => bytesOf(pictures.find(one => one.name === name)?.bytes ?? '')
const decode = (options: DecodeImageOptions, bytes: unknown): Promise<NdArray> => call(decodeImage(options), bytes) as Promise<NdArray>

describe('decodeImage', () => {
  /** Greatest and mean difference from TensorFlow. Decoders of JPEG may differ by rounding; where colours are stored at half the resolution, in how they interpolate. */
  const tolerance: Readonly<Record<string, readonly [greatest: number, mean: number]>> = {
    'jpeg 4:4:4': [2, 0.5], 'jpeg 4:2:0': [4, 1], 'jpeg progressive': [2, 0.5], 'jpeg grey': [1, 0.2], 'jpeg turned': [2, 0.5], 'webp lossy': [4, 1]
  }

  test.each(pictures.map(one => [one.name, one] as const))('gives the pixels that TensorFlow gives, of %s', async (name, { bytes, size, expected }) => {
    const { dtype, shape, data } = await decode({}, bytesOf(bytes)) as NdArray<'uint8'>
    expect([dtype, shape, data.constructor.name]).toEqual(['uint8', [...size, 3], 'Uint8Array'])
    const wanted = golden(expected) as NdArray<'uint8'>
    const differences = [...data].map((value, i) => Math.abs(value - (wanted.data[i] as number)))
    const [greatest, mean] = tolerance[name] ?? [0, 0]
    expect(Math.max(...differences)).toBeLessThanOrEqual(greatest)
    expect(differences.reduce((sum, difference) => sum + difference, 0) / differences.length).toBeLessThanOrEqual(mean)
  })

  test('gives the very pixels that sharp gives', async () => {
    for (const { bytes } of pictures) {
      const direct = await sharp(bytesOf(bytes)).resize({ width: 9, height: 7, fit: 'cover' }).toColourspace('srgb').removeAlpha().raw().toBuffer()
      const ours = await decode({ width: 9, height: 7 }, bytesOf(bytes))
      expect(ours).toEqual({ dtype: 'uint8', shape: [7, 9, 3], data: new Uint8Array(direct) })
    }
  })

  test('makes the channels that are asked for, whatever the image has', async () => {
    for (const channels of [1, 3, 4] as const) {
      for (const { bytes, size, name } of pictures) {
        const { shape, data } = await decode({ channels }, bytesOf(bytes))
        expect([name, shape, data.length]).toEqual([name, [...size, channels], size[0] * size[1] * channels])
      }
    }
    const cmyk = new Uint8Array(await sharp(picture('png rgb')).toColourspace('cmyk').jpeg().toBuffer())
    for (const channels of [1, 3, 4] as const) expect((await decode({ channels }, cmyk)).shape).toEqual([12, 20, channels])
    const opaque = await decode({ channels: 4 }, picture('png rgb')) as NdArray<'uint8'>
    expect([...opaque.data].filter((_, i) => i % 4 === 3).every(alpha => alpha === 255)).toBe(true)
  })

  test('makes the size that is asked for', async () => {
    const shape = async (options: DecodeImageOptions): Promise<readonly number[]> => (await decode(options, picture('jpeg 4:4:4'))).shape // 20 x 12
    expect(await shape({ width: 10 })).toEqual([6, 10, 3])
    expect(await shape({ height: 6 })).toEqual([6, 10, 3])
    for (const fit of ['cover', 'contain', 'fill'] as const) expect(await shape({ width: 8, height: 8, fit })).toEqual([8, 8, 3])
    expect(await shape({ width: 8, height: 8, fit: 'inside' })).toEqual([5, 8, 3])
    expect(await shape({ width: 8, height: 8, fit: 'outside' })).toEqual([8, 13, 3])
  })

  test('turns an image as EXIF says when that is asked for', async () => {
    expect((await decode({}, picture('jpeg turned'))).shape).toEqual([12, 20, 3])
    expect((await decode({ autoOrient: true }, picture('jpeg turned'))).shape).toEqual([20, 12, 3])
    expect((await decode({ autoOrient: true, width: 6 }, picture('jpeg turned'))).shape).toEqual([10, 6, 3])
    expect(await decode({ autoOrient: true }, picture('jpeg 4:4:4'))).toEqual(await decode({}, picture('jpeg 4:4:4')))
  })

  test('makes float32 from 0 to 1 as convert_image_dtype does', async () => {
    const bytes = await decode({}, picture('png rgb')) as NdArray<'uint8'>
    const floats = await decode({ dtype: 'float32' }, picture('png rgb')) as NdArray<'float32'>
    expect(floats.dtype).toBe('float32')
    expect(floats.data).toEqual(Float32Array.from(bytes.data, value => Math.fround(value) * Math.fround(1 / 255)))
    expect([Math.min(...floats.data) >= 0, Math.max(...floats.data) <= 1]).toEqual([true, true])
  })

  test('decodes several images of one element, and several elements at once', async () => {
    const elements = pictures.slice(0, 4).map(({ bytes }, i) => ({ left: bytesOf(bytes), pair: { right: picture('png grey') }, label: i }))
    const transform = decodeImage({ left: { width: 4, height: 4 }, pair: { right: { width: 3, height: 2, channels: 1 } } })
    const batches = await Dataset.from(elements).map(transform, { parallel: 4 }).batch(4).toArray()
    expect(batches.map(({ left, pair, label }) => [left.shape, pair.right.shape, [...label.data]])).toEqual([[[4, 4, 4, 3], [4, 2, 3, 1], [0, 1, 2, 3]]])
  })
})

describe('what is no image', () => {
  const kindOf = async (options: DecodeImageOptions, bytes: unknown): Promise<unknown> => decode(options, bytes).then(() => 'decoded', (error: { kind: unknown }) => error.kind ?? error)

  test('is refused by what it is', async () => {
    expect(await kindOf({}, new Uint8Array(0))).toBe('Corrupt')
    expect(await kindOf({}, new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'))).toBe('Unsupported')
    expect(await kindOf({}, new TextEncoder().encode('GIF89a'))).toBe('Unsupported')
    expect(await kindOf({}, new Float32Array(3))).toBe('Mismatch')
    expect(await kindOf({}, 'text')).toBe('Mismatch')
    await expect(decode({}, new TextEncoder().encode('GIF89a..'))).rejects.toThrow('8 bytes that begin with 47 49 46 38 39 61 2e 2e are no JPEG, PNG or WebP image')
  })

  test.each(['jpeg 4:2:0', 'jpeg progressive', 'png rgb', 'webp lossless', 'webp lossy'])('because %s ends too early is Corrupt', async name => {
    const bytes = picture(name)
    for (const length of [4, 12, bytes.length >> 1, bytes.length - 20]) {
      const kind = await kindOf({}, bytes.subarray(0, length))
      expect([length, kind]).toEqual([length, length === 4 && name !== 'jpeg 4:2:0' && name !== 'jpeg progressive' ? 'Unsupported' : 'Corrupt'])
    }
    await expect(decode({}, bytes.subarray(0, bytes.length >> 1))).rejects.toMatchObject({ kind: 'Corrupt', keyPath: '' })
  })

  test('comes as far as it can be decoded when that is asked for', async () => {
    const bytes = picture('jpeg 4:4:4')
    expect((await decode({ failOn: 'none' }, bytes.subarray(0, bytes.length - 30))).shape).toEqual([12, 20, 3])
  })

  test('of too many pixels is a Limit, before anything is decoded', async () => {
    expect(await kindOf({ maxPixels: 239 }, picture('png rgb'))).toBe('Limit')
    expect(await kindOf({ maxPixels: 239 }, picture('jpeg 4:4:4'))).toBe('Limit')
    expect(await kindOf({ maxPixels: 240 }, picture('webp lossy'))).toBe('decoded')
    const bomb = Uint8Array.from(picture('png rgb'))
    new DataView(bomb.buffer).setUint32(16, 60_000)
    new DataView(bomb.buffer).setUint32(20, 60_000)
    expect(['Limit', 'Corrupt']).toContain(await kindOf({}, bomb))
  })

  test('with bits flipped is decoded or Corrupt, never anything else', async () => {
    const outcomes = new Set<unknown>()
    for (const name of ['jpeg 4:4:4', 'png rgb', 'webp lossless']) {
      const bytes = picture(name)
      const bits = Array.from({ length: 60 }, (_, i) => Math.floor((i * 8 * bytes.length) / 60))
      await Promise.all(bits.map(async bit => {
        const damaged = Uint8Array.from(bytes)
        damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7))
        outcomes.add(await kindOf({ maxPixels: 2 ** 20 }, damaged))
      }))
    }
    for (const outcome of outcomes) expect(['decoded', 'Corrupt', 'Unsupported', 'Limit']).toContain(outcome)
  }, 30_000)

  test('says the key, the element and what sharp said', async () => {
    const dataset = Dataset.of({ image: picture('png rgb') }, { image: picture('png rgb').subarray(0, 100) }).map(decodeImage({ image: {} }))
    await expect(dataset.toArray()).rejects.toMatchObject({ kind: 'Corrupt', keyPath: 'image', index: 1, message: expect.stringContaining('the PNG image of 100 bytes at image cannot be decoded') })
  })
})

describe('sharp', () => {
  test('is asked for by name when it is not installed', async () => {
    await expect(loadSharp(() => Promise.reject(new Error('Cannot find package')))).rejects.toMatchObject({ kind: 'MissingPackage', message: expect.stringContaining('npm install "sharp@>=0.33.0"') })
    await expect(loadSharp(async () => ({ default: {} }))).rejects.toMatchObject({ kind: 'MissingPackage' })
  })
})
