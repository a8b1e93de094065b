import { describe, expect, test } from '@jest/globals'
import { deflateSync, gzipSync } from 'node:zlib'
import { detectCompression } from '../../../formats/tfrecord/detect.js'
import { encodeRecord } from '../../../formats/tfrecord/index.js'
import { fixture, pseudoRandom } from './support.js'

const head = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, 12)

describe('the compression of a file', () => {
  test('is none when the first length has the right checksum, whatever it looks like', () => {
    // 376, 30876 and 55928 begin like zlib; 559903 like gzip.
    for (const length of [0, 1, 376, 30876, 55928, 559903]) {
      expect(detectCompression(head(encodeRecord(new Uint8Array(length))))).toBe('none')
    }
    expect(detectCompression(head(fixture('like-zlib.tfrecord')))).toBe('none')
  })

  test('is gzip or zlib by their headers, at every level', () => {
    for (let level = 0; level <= 9; level++) {
      for (const data of [new Uint8Array(0), pseudoRandom(100, level)]) {
        expect(detectCompression(head(gzipSync(data, { level })))).toBe('gzip')
        expect(detectCompression(head(deflateSync(data, { level })))).toBe('zlib')
      }
    }
  })

  test('is told from the beginning of a file that was cut off', () => {
    for (let length = 2; length < 12; length++) {
      expect(detectCompression(gzipSync('abc').subarray(0, length))).toBe('gzip')
      expect(detectCompression(deflateSync('abc').subarray(0, length))).toBe('zlib')
      expect(detectCompression(encodeRecord(new Uint8Array(5)).subarray(0, length))).toBe('none')
    }
    expect(detectCompression(new Uint8Array(0))).toBe('none')
    expect(detectCompression(new Uint8Array([0x1f]))).toBe('none')
  })

  test('is none for a plain file whose first checksum is damaged, even if it begins like zlib', () => {
    const bytes = fixture('like-zlib.tfrecord')
    bytes[9] = (bytes[9] ?? 0) ^ 4
    expect(detectCompression(head(bytes))).toBe('none')
  })

  test('is none for what is neither', () => {
    expect(detectCompression(new TextEncoder().encode('{"json": true}'))).toBe('none')
    expect(detectCompression(new Uint8Array([0x1f, 0x8b, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0]))).toBe('none')
    // zlib with a preset dictionary
    expect(detectCompression(new Uint8Array([0x78, 0xbb, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]))).toBe('none')
  })
})
