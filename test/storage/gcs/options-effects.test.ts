/** Options of `gcsStore` that other tests do not show. */
import { expect, test } from '@jest/globals'
import { gcsEndpoint } from '../../../src/storage/gcs/endpoint.js'
import { gcsStore } from '../../../src/storage/gcs/store.js'

test('with universeDomain, the endpoint is that of the cloud, and credentials are looked for there', () => {
  expect(gcsEndpoint(undefined, undefined, 'example.org')).toEqual({ origin: 'https://storage.example.org', path: '', google: true })
  expect(gcsEndpoint('https://storage.eu.example.org', undefined, 'example.org')).toMatchObject({ google: true })
  expect(gcsEndpoint('https://storage.eu.example.org', undefined, 'googleapis.com')).toMatchObject({ google: false })
})

test('with universeDomain, a store asks that cloud', async () => {
  const store = gcsStore({ anonymous: true, universeDomain: 'cloud.invalid', ranges: { maxAttempts: 1 } })
  await expect(store.get('gs://data/a')).rejects.toMatchObject({ kind: 'Unavailable', message: expect.stringContaining('storage.cloud.invalid') })
  await store.close()
})

test('strings are no bytes', async () => {
  const store = gcsStore({ endpoint: 'http://127.0.0.1:1' })
  await expect(store.put('gs://data/a', 'hello' as unknown as Uint8Array)).rejects.toMatchObject({ name: 'TypeError', message: expect.stringContaining('must be a Uint8Array, got String') })
  await store.close()
})

test('options of other libraries are told what they are here', () => {
  for (const [name, message] of [['project', /did you mean 'projectId'/], ['keyFile', /did you mean 'keyFilename'/], ['chunkSize', /it belongs to ranges/], ['token', /did you mean 'accessToken'/]] as const) {
    expect(() => gcsStore({ [name]: 'x' })).toThrow(message)
  }
})
