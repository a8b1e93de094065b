import { describe, expect, test } from '@jest/globals'
import { isMillraceError } from '../../../src/errors.js'
import { parseAzureUri } from '../../../src/storage/azure/name.js'

const endpoint = { account: 'devstoreaccount1', url: 'http://127.0.0.1:10000/devstoreaccount1' }

function refusal(uri: string, what: 'object' | 'prefix' = 'object'): string {
  try {
    parseAzureUri(uri, 'open', what, endpoint)
  } catch (error) {
    if (isMillraceError(error, 'InvalidUri')) return error.message
    throw error
  }
  return 'accepted'
}

describe('az:// URIs', () => {
  test.each([
    'b', 'a/b', ' a b ', 'a%20b', 'a+b', '?q', '#', 'a?b#c', 'a//b', '/lead', 'trail/', '.hidden', '..x', 'a.b', 'ü', '日本/キー', '\u{1f600}', 'x'.repeat(1024), '%2e%2e/x', '[x]{y}*'
  ])('%j is a name, taken as it is', key => {
    const uri = `az://acct/box/${key}`
    expect(parseAzureUri(uri, 'open', 'object')).toEqual({ name: { uri, container: 'box', key }, sas: undefined })
  })

  test.each(['', '.', '..', 'a/../x', './x', 'a/.', 'a.', 'a./b', '...', 'a\\b', 'a\nb', 'a\tb', 'a\u007fb', 'a\u0081b', 'a\uffffb', 'a\0b', 'a\ud800', 'x'.repeat(1025)])(
    '%j is no name: it would be taken for another, or cannot be', key => {
      expect(refusal(`az://acct/box/${key}`)).toContain('not a usable URI')
    })

  test.each(['az://', 'az:///box/a', 'az://acct', 'az://acct/', 'az://acct//a', 'az://ACCT/box/a', 'az://a.b/box/a', 'az://acct@host/box/a', 'az://acct/Box/a', 'az://acct/b/a',
    'az://acct/a--b/c', 'az://acct/-ab/c', `az://acct/${'x'.repeat(64)}/c`, 's3://acct/box/a', 'acct/box/a', 'http://example.com/box/a'])('%s is refused', uri => {
    expect(refusal(uri)).toContain('not a usable URI')
  })

  test.each(['$root', '$web', '$logs', 'abc', 'a-b-c', '123'])('%s is a container', container => {
    expect(parseAzureUri(`az://acct/${container}/a`, 'open', 'object').name.container).toBe(container)
  })

  test('a prefix of a listing may be empty, and end anywhere', () => {
    for (const key of ['', 'a.', '.', 'a/..', 'a\\', 'a/']) expect(parseAzureUri(`az://acct/box/${key}`, 'list', 'prefix').name.key).toBe(key)
    expect(parseAzureUri('az://acct/box', 'list', 'prefix').name.uri).toBe('az://acct/box/')
    expect(refusal('az://acct/', 'prefix')).toContain('az://account/container/blob')
    expect(refusal('az://acct/box/a\nb', 'prefix')).toContain('control character')
  })
})

describe('https URIs', () => {
  test('are percent-decoded, and told as az://', () => {
    expect(parseAzureUri('https://acct.blob.core.windows.net/box/a%20b%3Fc%2Fd+e', 'open', 'object')).toEqual({ name: { uri: 'az://acct/box/a b?c/d+e', container: 'box', key: 'a b?c/d+e' }, sas: undefined })
    expect(parseAzureUri('HTTPS://ACCT.Blob.core.windows.net:443/box/a', 'open', 'object').name.uri).toBe('az://acct/box/a')
    expect(parseAzureUri(`${endpoint.url}/box/a`, 'open', 'object', endpoint).name.uri).toBe('az://devstoreaccount1/box/a')
  })

  test('may carry a signature, which is in nothing that is shown', () => {
    const { name, sas } = parseAzureUri('https://acct.blob.core.windows.net/box/a?sv=1&sig=secret%3D', 'open', 'object')
    expect(sas).toBe('sv=1&sig=secret%3D')
    expect(JSON.stringify(name)).not.toContain('secret')
    expect(refusal('https://acct.blob.core.windows.net/box/a/../b?sig=secret')).not.toContain('secret')
    expect(refusal('https://elsewhere.example/box/a?sig=secret')).not.toContain('secret')
  })

  test.each([
    'https://acct.blob.core.windows.net/box/%2e%2e/x', 'https://acct.blob.core.windows.net/box/a%5Cb', 'https://acct.blob.core.windows.net/box/%zz', 'https://acct.blob.core.windows.net/box/%FF',
    'https://acct.blob.core.windows.net/box/a#b', 'https://acct.blob.core.windows.net/box/a?b', 'https://acct.blob.core.windows.net/box/a?snapshot=2020&sig=x', 'https://acct.blob.core.windows.net/box/a?versionid=2020&sig=x',
    'https://acct.blob.core.windows.net.evil.example/box/a', 'https://user@acct.blob.core.windows.net/box/a', 'http://acct.blob.core.windows.net/box/a', 'http://127.0.0.1:10000/devstoreaccount12/box/a'
  ])('%s is refused', uri => {
    expect(refusal(uri)).toContain('not a usable URI')
  })
})
