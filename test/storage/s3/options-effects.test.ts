/** Options of `s3Store` that other tests show only as far as the SDK: what a server sees of them. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
import { memoryStore } from '../../../src/storage/memory.js'
import { s3Store, type S3StoreOptions } from '../../../src/storage/s3/store.js'
import type { RemoteStore } from '../../../src/storage/remote/remote-store.js'
import { startS3Fake, type FakeRequest, type S3Fake } from '../../servers/s3-fake.js'
import { bytesOf, failureOf, KEYS } from './kit.js'

const undo: (() => unknown)[] = []
afterEach(async () => { for (const each of undo.splice(0).reverse()) await each() })

async function server(): Promise<S3Fake> {
  const fake = await startS3Fake({ buckets: ['b'] })
  undo.push(() => fake.close())
  fake.put('b', 'k', bytesOf('hello'))
  return fake
}

function storeOf(options: S3StoreOptions): RemoteStore {
  const store = s3Store(options)
  undo.push(() => store.close())
  return store
}

const scopes = ({ log }: { readonly log: readonly FakeRequest[] }): (string | undefined)[] =>
  log.map(({ headers }) => /Credential=(\w+\/\d+\/[^/]+)\//.exec(headers['authorization'] ?? '')?.[1]?.replace(/\/\d+\//, ' '))

describe('with the option', () => {
  test('region, requests are signed for it, those that read and all others', async () => {
    const fake = await server()
    const store = storeOf({ endpoint: fake.url, credentials: KEYS, region: 'eu-central-1' })
    await store.get('s3://b/k').catch(() => undefined) // whatever the server thinks of that region
    await store.stat('s3://b/k').catch(() => undefined)
    expect(scopes(fake).slice(0, 1)).toEqual(['test eu-central-1'])
    expect(new Set(scopes(fake).map(scope => scope?.split(' ')[0]))).toEqual(new Set(['test']))
  })

  test('profile, keys and region are those of the profile', async () => {
    const fake = await server()
    const folder = await mkdtemp(join(tmpdir(), 'millrace-s3-'))
    undo.push(() => rm(folder, { recursive: true }))
    const file = join(folder, 'config')
    await writeFile(file, `[default]\nregion = us-west-1\n[profile training]\nregion = us-east-1\naws_access_key_id = ${KEYS.accessKeyId}\naws_secret_access_key = ${KEYS.secretAccessKey}\n`)
    const before = Object.fromEntries(['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE', 'AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'].map(name => [name, process.env[name]]))
    undo.push(() => {
      for (const [name, value] of Object.entries(before)) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
    })
    for (const name of Object.keys(before)) delete process.env[name]
    process.env['AWS_CONFIG_FILE'] = file
    process.env['AWS_SHARED_CREDENTIALS_FILE'] = join(folder, 'none')

    const store = storeOf({ endpoint: fake.url, profile: 'training' })
    expect(new TextDecoder().decode((await store.get('s3://b/k')).bytes)).toBe('hello')
    expect((await store.stat('s3://b/k')).size).toBe(5)
    expect(scopes(fake)).toEqual(['test us-east-1', 'test us-east-1'])
  })

  test('anonymous, nothing is signed', async () => {
    const fake = await server()
    const store = storeOf({ endpoint: fake.url, region: 'us-east-1', anonymous: true })
    await store.get('s3://b/k').catch(() => undefined)
    await store.stat('s3://b/k').catch(() => undefined)
    expect(scopes(fake)).toEqual([undefined, undefined])
  })
})

test('options of other libraries are told where they belong here', () => {
  const messageOf = (options: object): string => {
    try {
      s3Store(options)
      return 'none'
    } catch (error) {
      return (error as Error).message
    }
  }
  expect(messageOf({ accessKeyId: 'secret' })).toBe("s3Store: unknown option 'accessKeyId'; it belongs to credentials")
  expect(messageOf({ anon: true })).toBe("s3Store: unknown option 'anon'; did you mean 'anonymous'?")
  expect(messageOf({ endpoint_url: 'x' })).toBe("s3Store: unknown option 'endpoint_url'; did you mean 'endpoint'?")
  expect(messageOf({ region_name: 'x' })).toBe("s3Store: unknown option 'region_name'; did you mean 'region'?")
  expect(messageOf({ poolSize: 3 })).toBe("s3Store: unknown option 'poolSize'; it belongs to pool")
})

describe('errors of what is not reading', () => {
  test('say what to look at', async () => {
    const fake = await server()
    const store = storeOf({ endpoint: fake.url, region: 'us-east-1', credentials: KEYS })
    expect((await failureOf(store.stat('s3://b/none'))).message).toMatch(/^stat s3:\/\/b\/none: .*check the URI/)
    expect((await failureOf(store.put('s3://none/k', bytesOf('x')))).message).toMatch(/there is no such bucket: check its name and the endpoint/)
    const nobody = storeOf({ endpoint: 'http://127.0.0.1:1', region: 'us-east-1', credentials: KEYS })
    expect(await failureOf(nobody.stat('s3://b/k'))).toMatchObject({ kind: 'Unavailable', message: expect.stringMatching(/check the endpoint and the network$/) })
  })

  test('do not show what the SDK thinks of a body that is no XML', async () => {
    const proxy = createServer((request, response) => {
      request.resume()
      response.writeHead(413, { 'content-type': 'text/html' }).end('<html>too large<br>')
    })
    await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
    undo.push(() => new Promise(resolve => proxy.close(resolve)))
    const store = storeOf({ endpoint: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, region: 'us-east-1', credentials: KEYS })
    expect(await failureOf(store.put('s3://b/k', bytesOf('x')))).toMatchObject({
      kind: 'Limit', message: 'put s3://b/k: the server answered with status 413; the server does not take so many bytes in one request; make partSize smaller'
    })
  })

  test('strings are no bytes, and nothing is sent of them', async () => {
    const fake = await server()
    const store = storeOf({ endpoint: fake.url, region: 'us-east-1', credentials: KEYS })
    for (const each of [store, memoryStore()]) {
      const error = await failureOf(each.put(`${each.scheme}://b/k`, 'hello' as unknown as Uint8Array))
      expect(error).toMatchObject({ name: 'TypeError', message: 'put: what is written must be a Uint8Array, got String; for text: new TextEncoder().encode(text)' })
    }
    expect(fake.log).toEqual([])
  })
})
