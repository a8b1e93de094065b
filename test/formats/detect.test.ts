import { describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { detectFormat, formatsByMagic, HEAD_BYTES } from '../../formats/detect.js'
import { encodeRecord } from '../../formats/tfrecord/index.js'
import { isMillraceError } from '../../src/format.js'
import { concat, generator, pseudoRandom } from './tfrecord/support.js'

const fixture = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(`../fixtures/${path}`, import.meta.url)))
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

const HDF5 = new Uint8Array([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0])
const NPY = concat([new Uint8Array([0x93]), text('NUMPY'), new Uint8Array([1, 0, 0x76, 0])])
const NPZ = concat([text('PK\x03\x04'), new Uint8Array(22), new Uint8Array([5, 0, 20, 0]), text('x.npy'), new Uint8Array(40)])
const TFRECORD = encodeRecord(text('hello'))
const IDX = fixture('idx/int16-3.idx')
const FILES: readonly (readonly [string, Uint8Array])[] = [['hdf5', HDF5], ['npy', NPY], ['npz', NPZ], ['tfrecord', TFRECORD], ['idx', IDX]]

const detect = (bytes: Uint8Array, named?: string): string => detectFormat('mem://d/file', named, bytes.subarray(0, HEAD_BYTES), bytes.length)
function failure(bytes: Uint8Array, named?: string): unknown {
  try {
    return detect(bytes, named)
  } catch (error) {
    return error
  }
}

describe('the first bytes', () => {
  test.each(FILES)('of a file tell %s', (format, bytes) => {
    expect(formatsByMagic(bytes, bytes.length)).toEqual([format])
    expect(detect(bytes)).toBe(format)
    expect(detect(bytes, format)).toBe(format)
  })

  test('tell HDF5 behind a user block', () => {
    for (const at of [512, 1024, 2048, 4096]) {
      const file = new Uint8Array(at + 100)
      file.set(HDF5, at)
      expect(detect(file)).toBe('hdf5')
      expect(failure(file.subarray(3))).toMatchObject({ kind: 'Unsupported' })
    }
  })

  test('tell an NPZ without members', () => {
    expect(detect(concat([text('PK\x05\x06'), new Uint8Array(18)]))).toBe('npz')
  })

  test('of any prefix, or of anything, are looked at without an error', () => {
    const random = generator(1)
    for (const [, bytes] of FILES) for (let i = 0; i < bytes.length; i++) formatsByMagic(bytes.subarray(0, i), bytes.length)
    for (let i = 0; i < 5000; i++) expect(formatsByMagic(pseudoRandom(random(60), i & 255), random(100))).toEqual([])
  })
})

describe('the name', () => {
  test('decides when the bytes say nothing: compressed, empty or damaged files', () => {
    for (const bytes of [gzipSync(TFRECORD), new Uint8Array(0), pseudoRandom(100, 1)]) expect(detect(bytes, 'tfrecord')).toBe('tfrecord')
    expect(detect(gzipSync(IDX), 'idx')).toBe('idx')
  })

  test('that the bytes contradict is an error that names both, and the option', () => {
    expect(failure(NPY, 'tfrecord')).toMatchObject({
      kind: 'Mismatch', uri: 'mem://d/file', message: `mem://d/file: its name says tfrecord, and its first bytes say npy. Say which it is: { format: 'tfrecord' } or { format: 'npy' }.`
    })
    expect(failure(HDF5, 'npz')).toMatchObject({ kind: 'Mismatch', message: expect.stringMatching(/npz.*hdf5/) })
  })

  test('decides between several that the bytes say; without it they are an error', () => {
    const both = new Uint8Array(600)
    both.set(TFRECORD)
    both.set(HDF5, 512)
    expect(detect(both, 'hdf5')).toBe('hdf5')
    expect(detect(both, 'tfrecord')).toBe('tfrecord')
    expect(failure(both)).toMatchObject({ kind: 'Mismatch', message: expect.stringMatching(/those of tfrecord and of hdf5.*\{ format: 'tfrecord' \} or \{ format: 'hdf5' \}/) })
  })

  test('that says nothing, like the bytes, is an error that lists the formats', () => {
    for (const bytes of [new Uint8Array(0), text('col1,col2\n1,2\n'), gzipSync(TFRECORD)]) {
      const error = failure(bytes)
      expect(isMillraceError(error, 'Unsupported')).toBe(true)
      expect((error as Error).message).toMatch(/neither its name nor its first bytes.*'npz'.*'raw'/)
    }
  })
})
