import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { parseListPage } from '../../../src/storage/s3/list-page.js'

const escape = (text: string): string => text.replace(/[&<>"]/g, each => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[each] ?? each)

const PAGE = `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Name>b</Name><Prefix>Key</Prefix><EncodingType>url</EncodingType><MaxKeys>1000</MaxKeys>
  <IsTruncated>true</IsTruncated>
  <Contents>
    <Key>a%20b</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified>
    <ETag>&quot;0123&quot;</ETag><Size>17</Size><StorageClass>STANDARD</StorageClass>
    <Owner><ID>o</ID><DisplayName>someone</DisplayName></Owner>
  </Contents>
  <Contents><ETag>&#34;4&#x22;</ETag><Key>c&lt;d</Key><Size>0</Size></Contents>
  <CommonPrefixes><Prefix>dir/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>e&amp;f/</Prefix></CommonPrefixes>
  <NextContinuationToken>1a&amp;b==</NextContinuationToken>
</ListBucketResult>
`

describe('a page of a listing', () => {
  test('is taken out of its XML', () => {
    expect(parseListPage(PAGE)).toEqual({
      objects: [
        { key: 'a%20b', size: 17, tag: '"0123"', modified: Date.UTC(2026, 0, 2, 3, 4, 5, 678) },
        { key: 'c<d', size: 0, tag: '"4"', modified: undefined }
      ],
      prefixes: ['dir/', 'e&f/'], encoded: true, truncated: true, next: '1a&b=='
    })
  })

  test('with anything in its names comes back', () => {
    fc.assert(fc.property(fc.array(fc.string({ unit: 'binary', minLength: 1 })), fc.array(fc.string({ unit: 'grapheme' })), (keys, prefixes) => {
      const xml = `<ListBucketResult><IsTruncated>false</IsTruncated>${keys.map(key => `<Contents><Key>${escape(key)}</Key><Size>1</Size></Contents>`).join('')}`
        + `${prefixes.map(prefix => `<CommonPrefixes><Prefix>${escape(prefix)}</Prefix></CommonPrefixes>`).join('')}</ListBucketResult>`
      const page = parseListPage(xml)
      expect(page?.objects.map(({ key }) => key)).toEqual(keys)
      expect(page?.prefixes).toEqual(prefixes)
      expect(page?.truncated).toBe(false)
    }), { numRuns: 300, seed: 6 })
  })

  test('that is cut off anywhere, or is something else, is none', () => {
    for (let length = 0; length < PAGE.trimEnd().length; length++) expect(parseListPage(PAGE.slice(0, length))).toBeUndefined()
    for (const xml of ['', 'hello', '<Error><Code>InternalError</Code></Error>', '<ListBucketResult><Contents><Key>a</Key></ListBucketResult>',
      '<ListBucketResult><Contents><Key>a</Key><Size>many</Size></Contents></ListBucketResult>', '<ListBucketResult><![CDATA[x]]></ListBucketResult>']) {
      expect([xml, parseListPage(xml)]).toEqual([xml, undefined])
    }
  })
})
