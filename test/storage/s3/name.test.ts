import { describe, expect, test } from '@jest/globals'
import { locateS3 } from '../../../src/storage/s3/name.js'

const kindOf = (uri: string, what: 'object' | 'prefix' = 'object'): unknown => {
  try {
    return locateS3(uri, 'open', what)
  } catch (error) {
    return (error as { kind?: unknown }).kind
  }
}

describe('s3:// URIs', () => {
  test('are a bucket and a key, which is taken as it is', () => {
    for (const key of ['a', 'a/b', 'a%20b', 'a+b c', '../x', 'a/../b', '//', '/lead', 'trail/', 'q?x=1', 'h#f', '\\', '\u0001', 'é', 'é'.normalize('NFD'), '\u{1f600}', '{x}', '*']) {
      expect(locateS3(`s3://bucket/${key}`, 'open', 'object')).toEqual({ uri: `s3://bucket/${key}`, container: 'bucket', key })
    }
    expect(locateS3('S3://My.Bucket_1/k', 'open', 'object')).toEqual({ uri: 's3://My.Bucket_1/k', container: 'My.Bucket_1', key: 'k' })
  })

  test('may name an access point instead of a bucket', () => {
    for (const arn of ['arn:aws:s3:us-west-2:123456789012:accesspoint/name', 'arn:aws:s3::123456789012:accesspoint/alias.mrap',
      'arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/accesspoint/name']) {
      expect(locateS3(`s3://${arn}/dir/key`, 'open', 'object')).toEqual({ uri: `s3://${arn}/dir/key`, container: arn, key: 'dir/key' })
      expect(locateS3(`s3://${arn}`, 'list', 'prefix')).toEqual({ uri: `s3://${arn}/`, container: arn, key: '' })
    }
  })

  test('are prefixes without a key, but not objects', () => {
    expect(kindOf('s3://bucket')).toBe('InvalidUri')
    expect(kindOf('s3://bucket/')).toBe('InvalidUri')
    expect(kindOf('s3://bucket', 'prefix')).toEqual({ uri: 's3://bucket/', container: 'bucket', key: '' })
    expect(kindOf('s3://bucket/', 'prefix')).toEqual({ uri: 's3://bucket/', container: 'bucket', key: '' })
  })

  test('are refused when no object can have them', () => {
    for (const uri of ['s3://', 's3:///key', 's3://b/a\0b', 's3://b/\ud800', 's3://b/\udc00x', 's3://a b/k', 's3://b\\/k', 's3://b?x/k', 'gs://b/k', 'b/k', `s3://b/${'x'.repeat(1025)}`, `s3://b/${'é'.repeat(513)}`]) {
      expect([uri, kindOf(uri)]).toEqual([uri, 'InvalidUri'])
    }
    for (const key of ['x'.repeat(1024), 'é'.repeat(512), '\u{1f600}'.repeat(256)]) expect(kindOf(`s3://b/${key}`)).toMatchObject({ key })
  })

  test('do not give away what does not belong into them', () => {
    let error: unknown
    try {
      locateS3('s3://AKIAXXXX:topsecret@bucket/key', 'open', 'object')
    } catch (thrown) {
      error = thrown
    }
    expect(error).toMatchObject({ kind: 'InvalidUri' })
    expect(JSON.stringify(error) + (error as Error).message).not.toMatch(/topsecret/)
  })
})
