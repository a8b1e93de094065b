import { describe, expect, test } from '@jest/globals'
import type { ErrorKind } from '../../../src/errors.js'
import { azureAccounts } from '../../../src/storage/azure/accounts.js'
import type { AzureTokenCredential } from '../../../src/storage/azure/credentials.js'
import { accountOf, parseAzureUri } from '../../../src/storage/azure/name.js'
import { checkAzureOptions, type AzureStoreOptions } from '../../../src/storage/azure/options.js'
import { azureReadService, versionOfEtag } from '../../../src/storage/azure/reader.js'
import type { HttpRequest, ReplyHead } from '../../../src/storage/remote/http.js'
import type { RangeAsk, ReadService } from '../../../src/storage/remote/service.js'

const KEY = 'c2VjcmV0IGtleQ=='
const { signal } = new AbortController()
const blob = parseAzureUri('az://mine/box/dir/a b.bin', 'open', 'object').name

function service(options: AzureStoreOptions, rangeMd5 = false): ReadService {
  const accounts = azureAccounts(checkAzureOptions(options), { variables: {}, loadIdentity: () => Promise.reject(new Error('no such package')) })
  return azureReadService(name => accounts.find(accountOf(name), name.uri, 'open'), rangeMd5)
}

async function request(reads: ReadService, range?: RangeAsk, version?: string): Promise<HttpRequest> {
  return reads.request(blob, range, version, signal)
}

function reply(status: number, headers: Record<string, string> = {}): ReplyHead {
  return { status, header: name => headers[name] }
}

describe('a request', () => {
  test('has range and version in headers, and nothing that is not needed', async () => {
    const reads = service({ account: 'mine', anonymous: true })
    expect(await request(reads)).toEqual({ method: 'GET', origin: 'https://mine.blob.core.windows.net', path: '/box/dir/a%20b.bin', headers: { 'x-ms-version': '2023-11-03' } })
    expect((await request(reads, { first: 0, last: 9 }, '0x8D')).headers).toEqual({ 'x-ms-version': '2023-11-03', 'x-ms-range': 'bytes=0-9', 'if-match': '"0x8D"' })
    expect((await request(reads, { first: 5, last: undefined })).headers['x-ms-range']).toBe('bytes=5-')
  })

  test('is made without waiting once the account is known', async () => {
    const reads = service({ account: 'mine', key: KEY })
    await request(reads)
    expect(reads.request(blob, { first: 0, last: 1 }, undefined, signal)).not.toHaveProperty('then')
  })

  test('is signed with the key', async () => {
    const { headers, path } = await request(service({ endpoint: 'http://localhost:1/mine', key: KEY }), { first: 0, last: 9 })
    expect(path).toBe('/mine/box/dir/a%20b.bin')
    expect(headers['authorization']).toMatch(/^SharedKey mine:[A-Za-z0-9+/]{43}=$/)
    expect(Math.abs(Date.parse(headers['x-ms-date'] ?? '') - Date.now())).toBeLessThan(60_000)
  })

  test('carries a signature as its query', async () => {
    expect((await request(service({ account: 'mine', sas: '?sv=1&sig=abc' }))).path).toBe('/box/dir/a%20b.bin?sv=1&sig=abc')
  })

  test('asks for the MD5 of ranges of up to 4 MiB', async () => {
    const reads = service({ account: 'mine', anonymous: true }, true)
    const asks = async (range?: RangeAsk): Promise<boolean> => (await request(reads, range)).headers['x-ms-range-get-content-md5'] === 'true'
    expect(await asks({ first: 10, last: 9 + (4 << 20) })).toBe(true)
    expect(await asks({ first: 10, last: 10 + (4 << 20) })).toBe(false)
    expect(await asks({ first: 10, last: undefined })).toBe(false)
    expect(await asks()).toBe(false)
  })
})

describe('access tokens', () => {
  function tokens(): { credential: AzureTokenCredential; tenants: (string | undefined)[] } {
    const tenants: (string | undefined)[] = []
    return { tenants, credential: { async getToken(_, options) { return { token: `t${tenants.push(options?.tenantId)}`, expiresOnTimestamp: Date.now() + 3_600_000 } } } }
  }

  test('are sent as Bearer, and fetched anew when the service refuses one, from the directory that it names', async () => {
    const { credential, tenants } = tokens()
    const reads = service({ credential })
    expect((await request(reads)).headers['authorization']).toBe('Bearer t1')
    const refused = reply(401, { 'x-ms-error-code': 'InvalidAuthenticationInfo', 'www-authenticate': 'Bearer authorization_uri=https://login.microsoftonline.com/0a1b-2c/oauth2/authorize resource_id=https://storage.azure.com' })
    const fault = reads.faultOf(refused, '')
    expect(fault).toMatchObject({ kind: 'Denied', refresh: true })
    await reads.refresh?.(fault, refused, blob, signal)
    expect((await request(reads)).headers['authorization']).toBe('Bearer t2')
    expect(tenants).toEqual([undefined, '0a1b-2c'])
  })

  test('are not sent without https', async () => {
    const { credential, tenants } = tokens()
    const reads = service({ endpoint: 'http://localhost/mine', credential })
    await expect(request(reads)).rejects.toMatchObject({ name: 'MillraceError', kind: 'Denied', message: expect.stringContaining('over https only') })
    expect(tenants).toEqual([])
  })
})

describe('a reply', () => {
  const reads = service({ account: 'mine', anonymous: true })

  test('tells the version: the ETag, written as in listings', () => {
    expect(reads.versionOf(reply(206, { etag: '"0x8D"' }))).toBe('0x8D')
    expect(reads.versionOf(reply(206, { etag: 'W/"0x8D"' }))).toBeUndefined()
    expect(reads.versionOf(reply(206))).toBeUndefined()
    expect(versionOfEtag('0x8D')).toBe('0x8D')
  })

  test('tells the MD5 of the blob, which with a range is not Content-MD5', () => {
    expect(reads.checksumsOf(reply(200, { 'content-md5': 'whole' }))).toEqual({ md5: 'whole' })
    expect(reads.checksumsOf(reply(206, { 'content-md5': 'part' }))).toEqual({})
    expect(reads.checksumsOf(reply(206, { 'content-md5': 'part', 'x-ms-blob-content-md5': 'whole' }))).toEqual({ md5: 'whole' })
  })

  const xml = (code: string, message: string, more = ''): string => `\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}\nRequestId:1-2\nTime:2024</Message>${more}</Error>`

  test.each<[number, string, ErrorKind, boolean]>([
    [404, 'BlobNotFound', 'NotFound', false], [404, 'ContainerNotFound', 'NotFound', false], [404, 'ResourceNotFound', 'NotFound', false],
    [403, 'AuthenticationFailed', 'Denied', false], [403, 'AuthorizationPermissionMismatch', 'Denied', false], [403, 'AuthorizationFailure', 'Denied', false],
    [401, 'NoAuthenticationInformation', 'Denied', false], [401, 'InvalidAuthenticationInfo', 'Denied', true], [409, 'PublicAccessNotPermitted', 'Denied', false],
    [412, 'ConditionNotMet', 'Changed', false], [416, 'InvalidRange', 'OutOfRange', false],
    [503, 'ServerBusy', 'Throttled', false], [429, 'TooManyRequests', 'Throttled', false], [500, 'OperationTimedOut', 'Timeout', false], [500, 'InternalError', 'Unavailable', false],
    [409, 'BlobArchived', 'Unsupported', false], [409, 'BlobBeingRehydrated', 'Unsupported', false], [400, 'InvalidResourceName', 'InvalidUri', false],
    [400, 'SomethingNew', 'Unsupported', false], [403, 'SomethingNew', 'Denied', false], [404, 'SomethingNew', 'NotFound', false], [409, 'SomethingNew', 'Precondition', false],
    [500, 'SomethingNew', 'Unavailable', false], [502, 'SomethingNew', 'Unavailable', false], [503, 'SomethingNew', 'Throttled', false]
  ])('%i %s is %s', (status, code, kind, refresh) => {
    const fault = reads.faultOf(reply(status), xml(code, 'It is so.'))
    expect([fault.kind, fault.code, fault.message, fault.refresh === true]).toEqual([kind, code, 'It is so.', refresh])
    expect(reads.faultOf(reply(status, { 'x-ms-error-code': code }), '')).toMatchObject({ kind, code })
  })

  test('without a code is judged by its status', () => {
    expect(reads.faultOf(reply(502), '<html>Bad gateway</html>')).toEqual({ kind: 'Unavailable', code: 'HTTP 502', message: '' })
    expect(reads.faultOf(reply(307), '').kind).toBe('Unsupported')
    expect(reads.faultOf(reply(418), '').kind).toBe('Denied')
  })

  test('says when a signature has ended, and repeats none', () => {
    const ended = reads.faultOf(reply(403), xml('AuthenticationFailed', 'Server failed.', '<AuthenticationErrorDetail>Signature not valid in the specified time frame: Start [A] - Expiry [B] - Current [C]</AuthenticationErrorDetail>'))
    expect(ended.hint).toBe('Signature not valid in the specified time frame: Start [A] - Expiry [B] - Current [C]')
    const mismatch = reads.faultOf(reply(403), xml('AuthenticationFailed', 'See sig=abc%3D and SharedKey mine:abc=', "<AuthenticationErrorDetail>The MAC signature found in the HTTP request 'abc' is not the same</AuthenticationErrorDetail>"))
    expect(JSON.stringify(mismatch)).not.toContain('abc')
  })

  test('that comes from a clock far from this one is signed anew by that clock', async () => {
    const keyed = service({ account: 'mine', key: KEY })
    const date = new Date(Date.now() + 40 * 60_000).toUTCString()
    const refused = reply(403, { 'x-ms-error-code': 'AuthenticationFailed', date })
    const fault = keyed.faultOf(refused, '')
    expect(fault).toMatchObject({ refresh: true, hint: 'the clock of this machine is 40 minutes slow' })
    await keyed.refresh?.(fault, refused, blob, signal)
    expect(Math.abs(Date.parse((await request(keyed)).headers['x-ms-date'] ?? '') - Date.parse(date))).toBeLessThan(60_000)
    expect(keyed.faultOf(reply(403, { 'x-ms-error-code': 'AuthenticationFailed', date: new Date().toUTCString() }), '').refresh).toBeUndefined()
  })
})
