import { describe, expect, test } from '@jest/globals'
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import fc from 'fast-check'
import { pathOf } from '../../../src/storage/azure/name.js'
import { sharedKeySigner, stringToSign } from '../../../src/storage/azure/shared-key.js'

const account = 'someaccount'
const key = Buffer.from('not a secret, but long enough to be a key').toString('base64')

interface Sent { readonly url: string; readonly method: string; readonly headers: Record<string, string> }

/** What the SDK would send, with its own signature. */
async function sentBySdk(request: (service: BlobServiceClient) => Promise<unknown>, path = ''): Promise<Sent> {
  let sent: Sent | undefined
  const service = new BlobServiceClient(`https://host.example${path}`, new StorageSharedKeyCredential(account, key), {
    retryOptions: { maxTries: 1 },
    httpClient: {
      sendRequest({ url, method, headers }) {
        sent = { url, method, headers: headers.toJson() as Record<string, string> }
        return Promise.reject(new Error('not sent'))
      }
    }
  })
  await request(service).catch(() => undefined)
  if (sent === undefined) throw new Error('the SDK sent nothing')
  return sent
}

function signedHere({ url, method, headers }: Sent): string {
  const { pathname, search } = new URL(url)
  const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  return sharedKeySigner(account, key)({ method, path: pathname, query: search.slice(1), headers: lower })
}

const blob = fc.string({ unit: fc.oneof(fc.constantFrom('/', ' ', '%', '+', '?', '#', '&', '=', "'", '(', ')', '!', '*', '~', ':', ';', ',', '@', '$', '"', 'é', '日', '\u{1f600}'), fc.string({ minLength: 1, maxLength: 1 })), minLength: 1, maxLength: 40 })
  .filter(name => !/[\\\0-\x1f]/.test(name) && !name.split('/').some(part => part.endsWith('.')))

describe('the signature with the key of an account', () => {
  test('is that of the SDK, for reads of any blob, range and version', async () => {
    await fc.assert(fc.asyncProperty(blob, fc.nat(), fc.option(fc.integer({ min: 1 }), { nil: undefined }), fc.option(fc.stringMatching(/^0x[0-9A-F]{15}$/), { nil: undefined }), fc.boolean(), fc.constantFrom('', '/someaccount'),
      async (name, offset, count, version, md5, path) => {
        const sent = await sentBySdk(service => service.getContainerClient('box').getBlobClient(name).download(offset, count, {
          ...(version === undefined ? {} : { conditions: { ifMatch: `"${version}"` } }), rangeGetContentMD5: md5
        }), path)
        expect(signedHere(sent)).toBe(sent.headers['authorization'])
        expect(new URL(sent.url).pathname).toBe(`${path}${pathOf({ container: 'box', key: name })}`)
      }), { numRuns: 300, seed: 4 })
  })

  test('is that of the SDK, for requests with a query', async () => {
    for (const prefix of ['a', 'a b', 'ü/%', 'x&y=z']) {
      const sent = await sentBySdk(service => service.getContainerClient('box').listBlobsFlat({ prefix, includeMetadata: true }).byPage({ maxPageSize: 7 }).next())
      expect(new URL(sent.url).search).not.toBe('')
      expect(signedHere(sent)).toBe(sent.headers['authorization'])
    }
  })

  test('is another for another range, version, date, blob or key', () => {
    const parts = { method: 'GET', path: '/box/a', headers: { 'x-ms-date': 'Mon, 01 Jan 2024 00:00:00 GMT', 'x-ms-range': 'bytes=0-1', 'if-match': '"1"' } }
    const others = [parts, { ...parts, path: '/box/b' }, { ...parts, query: 'comp=list' }, ...Object.keys(parts.headers).map(name => ({ ...parts, headers: { ...parts.headers, [name]: 'x' } }))]
    const sign = sharedKeySigner(account, key)
    const other = sharedKeySigner(account, Buffer.from('another').toString('base64'))
    expect(new Set([...others.map(sign), other(parts)]).size).toBe(others.length + 1)
  })

  test('is of a text as the reference has it', () => {
    expect(stringToSign(account, {
      method: 'GET', path: '/box/a%20b', query: 'restype=container&Comp=list&prefix=a%20b',
      headers: { 'x-ms-version': '2023-11-03', 'x-ms-date': 'Mon, 01 Jan 2024 00:00:00 GMT', 'if-match': '"0x1"', 'content-length': '0', accept: '*/*' }
    })).toBe('GET\n\n\n\n\n\n\n\n"0x1"\n\n\n\nx-ms-date:Mon, 01 Jan 2024 00:00:00 GMT\nx-ms-version:2023-11-03\n/someaccount/box/a%20b\ncomp:list\nprefix:a b\nrestype:container')
  })
})
