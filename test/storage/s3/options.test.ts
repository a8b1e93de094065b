import { describe, expect, test } from '@jest/globals'
import { checkS3Options, type S3StoreOptions } from '../../../src/storage/s3/options.js'
import { s3Store } from '../../../src/storage/s3/store.js'

const errorOf = (options: unknown): Error | undefined => {
  try {
    s3Store(options as S3StoreOptions)
    return undefined
  } catch (error) {
    return error as Error
  }
}

describe('options of an S3 store', () => {
  test('that are unknown or of another type are TypeErrors at the call', () => {
    const wrong: readonly (readonly [unknown, RegExp])[] = [
      [{ regoin: 'x' }, /did you mean 'region'/],
      [{ chunkSize: 1 }, /unknown option 'chunkSize'/],
      [{ region: 3 }, /region/], [{ region: '' }, /region/], [{ profile: '' }, /profile/],
      [{ endpoint: 'localhost:9000' }, /https:\/\/|URL/], [{ endpoint: 'nothing' }, /URL/], [{ endpoint: 'ftp://x' }, /https/],
      [{ forcePathStyle: 'yes' }, /true or false/], [{ anonymous: 1 }, /true or false/],
      [{ credentials: 'secret' }, /credentials/], [{ credentials: { accessKeyId: 'x' } }, /credentials/], [{ credentials: null }, /credentials/],
      [{ credentials: { accessKeyId: 'a', secretAccessKey: 'b' }, anonymous: true }, /not both/],
      [{ signing: 'maybe' }, /auto, own, sdk/], [{ checksum: 'md5' }, /crc32/],
      [{ ranges: { chunkSiez: 1 } }, /chunkSiez/], [null, /object/]
    ]
    for (const [options, message] of wrong) {
      const error = errorOf(options)
      expect([options, error?.name]).toEqual([options, 'TypeError'])
      expect(error?.message).toMatch(message)
    }
  })

  test('that are out of range are RangeErrors', () => {
    for (const options of [{ partSize: 1 << 20 }, { partSize: 6 * 2 ** 30 }, { partSize: 5.5e6 + 0.5 }, { uploadConcurrency: 0 }]) expect(errorOf(options)?.name).toBe('RangeError')
  })

  test('do not show secrets when they are wrong', () => {
    for (const options of [{ endpoint: 'https://user:topsecret@host' }, { endpoint: 'https://host/?sig=topsecret' }, { credentials: { accessKeyId: '', secretAccessKey: 'topsecret' } }, { credentials: 'topsecret' }]) {
      expect(errorOf(options)?.name).toBe('TypeError')
      expect(errorOf(options)?.message).not.toMatch(/topsecret/)
    }
  })

  test('have defaults that are told', () => {
    const { config, ...rest } = checkS3Options({}, {})
    expect(rest).toEqual({ anonymous: false, signing: 'auto', checksum: 'CRC32', requesterPays: false, partSize: 16 << 20, uploadConcurrency: 4 })
    expect(config).toMatchObject({ maxAttempts: 5, forcePathStyle: false, requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' })
    expect(config).not.toHaveProperty('region')
    expect(config).not.toHaveProperty('credentials')
  })

  test('reach the SDK', () => {
    const { config } = checkS3Options({ region: 'r', profile: 'p', dualstack: true, fips: false, accelerate: true, pool: { poolSize: 7 }, ranges: { connectTimeout: 123 } }, {})
    expect(config).toMatchObject({ region: 'r', profile: 'p', useDualstackEndpoint: true, useFipsEndpoint: false, useAccelerateEndpoint: true })
    expect(config['requestHandler']).toMatchObject({ connectionTimeout: 123, httpsAgent: { maxSockets: 7 } })
  })

  test('write buckets into the path where the server is not Amazon\'s', () => {
    const styles = (options: S3StoreOptions, env: Record<string, string> = {}): unknown => checkS3Options(options, env).config['forcePathStyle']
    expect(styles({ endpoint: 'http://localhost:9000' })).toBe(true)
    expect(styles({ endpoint: 'https://amazonaws.com.example.org' })).toBe(true)
    expect(styles({ endpoint: 'https://s3.us-east-2.amazonaws.com' })).toBe(false)
    expect(styles({ endpoint: 'https://s3.cn-north-1.amazonaws.com.cn:443/' })).toBe(false)
    expect(styles({ endpoint: 'http://localhost:9000', forcePathStyle: false })).toBe(false)
    expect(styles({}, { AWS_ENDPOINT_URL: 'http://localhost:9000' })).toBe(true)
    expect(styles({}, { AWS_ENDPOINT_URL: 'http://localhost:9000', AWS_ENDPOINT_URL_S3: 'https://s3.amazonaws.com' })).toBe(false)
  })
})
