import { describe, expect, test } from '@jest/globals'
import { isMillraceError, type MillraceError } from '../../../src/errors.js'
import { azureAccounts, type Account, type Accounts } from '../../../src/storage/azure/accounts.js'
import { parseConnectionString } from '../../../src/storage/azure/connection-string.js'
import { checkAzureOptions, type AzureStoreOptions } from '../../../src/storage/azure/options.js'
import { azureStore } from '../../../src/storage/azure/store.js'

const KEY = 'c2VjcmV0IGtleQ=='
const SAS = 'sv=2023-11-03&sp=r&sig=c2VjcmV0'
const credential = { getToken: () => Promise.resolve({ token: 't', expiresOnTimestamp: Infinity }) }

function accounts(options: AzureStoreOptions = {}, variables: Record<string, string> = {}, identity?: object): Accounts {
  return azureAccounts(checkAzureOptions(options), {
    variables, loadIdentity: () => (identity === undefined ? Promise.reject(new Error('no such package')) : Promise.resolve(identity))
  })
}

async function found(options: AzureStoreOptions, variables: Record<string, string> = {}, name = 'mine', identity?: object): Promise<Account> {
  return accounts(options, variables, identity).find(name, `az://${name}/box/a`, 'open')
}

async function failure(promise: Promise<unknown>): Promise<MillraceError> {
  const [outcome] = await Promise.allSettled([promise])
  if (outcome.status === 'fulfilled' || !isMillraceError(outcome.reason)) throw new Error('expected a MillraceError')
  expect(outcome.reason.message).not.toMatch(/c2Vjc/)
  return outcome.reason
}

describe('options', () => {
  test.each<[object, string]>([
    [{ acount: 'x' }, "unknown option 'acount'; did you mean 'account'?"],
    [{ key: KEY }, 'say whose key it is: give account'],
    [{ sas: SAS }, 'say whose sas it is: give account'],
    [{ account: 'mine', key: 'not base64!' }, 'key must be the key of an account, in base64'],
    [{ account: 'mine', key: KEY, sas: SAS }, 'give one of key and sas, not both'],
    [{ account: 'mine', anonymous: true, credential }, 'give one of credential and anonymous, not both'],
    [{ account: 'mine', sas: 'sv=1' }, 'sas must be a shared access signature'],
    [{ account: '' }, 'account must be a string that is not empty'],
    [{ anonymous: 'yes' }, 'anonymous must be true or false'],
    [{ credential: {} }, 'credential must have a method getToken'],
    [{ endpoint: 'ftp://x', account: 'mine' }, 'endpoint must be like'],
    [{ endpoint: 'https://x/?sig=c2Vjc', account: 'mine' }, 'endpoint must be like'],
    [{ endpoint: 'https://custom.example' }, 'say whose endpoint it is: give account'],
    [{ connectionString: 'AccountName=mine' }, 'connectionString has neither AccountKey nor SharedAccessSignature'],
    [{ connectionString: `AccountName=mine;AccountKey=${KEY}`, account: 'other' }, 'account is other, but connectionString is of mine'],
    [{ partSize: 'large' }, 'partSize must be a number'],
    [{ pool: { poolSice: 3 } }, 'poolSice']
  ])('%j are a TypeError', (options, message) => {
    const make = (): unknown => azureStore(options)
    expect(make).toThrow(TypeError)
    expect(make).toThrow(message)
    expect(make).not.toThrow(/c2Vjc/)
  })

  test('sizes that are too small are a RangeError', () => {
    expect(() => azureStore({ partSize: 1000 })).toThrow(RangeError)
    expect(() => azureStore({ uploadConcurrency: 0 })).toThrow(RangeError)
  })

  test('give the endpoint of an account', async () => {
    expect(await found({ account: 'mine', key: KEY })).toMatchObject({ endpoint: 'https://mine.blob.core.windows.net', origin: 'https://mine.blob.core.windows.net', path: '', access: { kind: 'key' } })
    expect(await found({ endpoint: 'http://localhost:99/mine/', key: KEY })).toMatchObject({ endpoint: 'http://localhost:99/mine', origin: 'http://localhost:99', path: '/mine' })
    expect(await found({ endpoint: 'https://mine.blob.core.usgovcloudapi.net', sas: `?${SAS}` })).toMatchObject({ path: '', access: { kind: 'sas', sas: SAS } })
    expect(await found({ endpoint: 'https://cdn.example', account: 'mine', anonymous: true })).toMatchObject({ endpoint: 'https://cdn.example', access: { kind: 'anonymous' } })
    expect(await found({ credential })).toMatchObject({ access: { kind: 'token' } })
  })

  test('with an account, serve no other; its secrets go nowhere else', async () => {
    for (const options of [{ account: 'mine', key: KEY }, { account: 'mine', sas: SAS }, { account: 'mine', credential }, { endpoint: 'http://localhost/mine', anonymous: true }]) {
      const error = await failure((async () => found(options, {}, 'other'))())
      expect(error.kind).toBe('InvalidUri')
      expect(error.message).toContain('this store is for the account mine')
    }
    expect((await found({ credential }, {}, 'other')).name).toBe('other')
  })
})

describe('connection strings', () => {
  test('have the account, its endpoint, and a key or a signature', () => {
    expect(parseConnectionString(`DefaultEndpointsProtocol=https;AccountName=mine;AccountKey=${KEY};EndpointSuffix=core.windows.net`))
      .toEqual({ account: 'mine', endpoint: 'https://mine.blob.core.windows.net', credentials: { kind: 'key', key: KEY } })
    expect(parseConnectionString(`BlobEndpoint=https://mine.blob.core.windows.net/;SharedAccessSignature=${SAS}`))
      .toEqual({ account: 'mine', endpoint: 'https://mine.blob.core.windows.net', credentials: { kind: 'sas', sas: SAS } })
    expect(parseConnectionString(`accountname = mine ; ACCOUNTKEY=${KEY};;`).endpoint).toBe('https://mine.blob.core.windows.net')
    expect(parseConnectionString('UseDevelopmentStorage=true')).toMatchObject({ account: 'devstoreaccount1', endpoint: 'http://127.0.0.1:10000/devstoreaccount1', credentials: { kind: 'key' } })
  })

  test.each(['', 'nonsense', `AccountKey=${KEY}`, `AccountName=mine;AccountKey=!${KEY}`, `AccountName=mine;SharedAccessSignature=sv=${KEY}`, `BlobEndpoint=https://x.example;SharedAccessSignature=${SAS}`, `=${KEY}`])(
    '%j is a TypeError that shows no part of it', text => {
      expect(() => parseConnectionString(text)).toThrow(TypeError)
      expect(() => parseConnectionString(text)).not.toThrow(/c2Vjc/)
    })
})

describe('the environment', () => {
  test('has credentials for its account', async () => {
    expect(await found({}, { AZURE_STORAGE_ACCOUNT: 'mine', AZURE_STORAGE_KEY: KEY })).toMatchObject({ access: { kind: 'key' }, endpoint: 'https://mine.blob.core.windows.net' })
    expect(await found({}, { AZURE_STORAGE_ACCOUNT: 'mine', AZURE_STORAGE_SAS_TOKEN: SAS })).toMatchObject({ access: { kind: 'sas', sas: SAS } })
    expect(await found({}, { AZURE_STORAGE_CONNECTION_STRING: `AccountName=mine;AccountKey=${KEY};BlobEndpoint=http://localhost/mine` })).toMatchObject({ access: { kind: 'key' }, endpoint: 'http://localhost/mine' })
    expect(accounts({}, { AZURE_STORAGE_ACCOUNT: 'mine' }).main()).toBe('mine')
    expect(accounts({ account: 'other' }, { AZURE_STORAGE_ACCOUNT: 'mine' }).main()).toBe('other')
  })

  test('is not looked at when there are options', async () => {
    const variables = { AZURE_STORAGE_ACCOUNT: 'mine', AZURE_STORAGE_KEY: KEY }
    expect((await found({ anonymous: true }, variables)).access.kind).toBe('anonymous')
    expect((await found({ account: 'mine', sas: SAS }, variables)).access.kind).toBe('sas')
  })

  test('keeps its secrets from other accounts', async () => {
    const identity = { DefaultAzureCredential: class { getToken = credential.getToken } }
    const variables = { AZURE_STORAGE_ACCOUNT: 'mine', AZURE_STORAGE_SAS_TOKEN: SAS }
    expect((await found({}, variables, 'other', identity)).access.kind).toBe('token')
    expect((await found({}, { AZURE_STORAGE_CONNECTION_STRING: `AccountName=mine;AccountKey=${KEY}` }, 'other', identity)).access.kind).toBe('token')
  })

  test('that is wrong is told when it is needed', async () => {
    expect((await failure(found({}, { AZURE_STORAGE_KEY: KEY }))).message).toContain('set AZURE_STORAGE_ACCOUNT too')
    expect((await failure(found({}, { AZURE_STORAGE_ACCOUNT: 'mine', AZURE_STORAGE_KEY: 'c2Vjc!' }))).kind).toBe('Denied')
    expect((await failure(found({}, { AZURE_STORAGE_CONNECTION_STRING: 'c2Vjc' }))).message).toContain('AZURE_STORAGE_CONNECTION_STRING')
  })
})

describe('without credentials', () => {
  test('DefaultAzureCredential is used, one for all accounts', async () => {
    let made = 0
    const identity = { DefaultAzureCredential: class { constructor() { made++ } getToken = credential.getToken } }
    const all = accounts({}, {}, identity)
    for (const name of ['one', 'two', 'one']) expect((await all.find(name, '', 'open')).access.kind).toBe('token')
    expect(made).toBe(1)
  })

  test('and without @azure/identity, the error says all that can be done', async () => {
    const error = await failure(found({}))
    expect(error.kind).toBe('MissingPackage')
    for (const what of ['AZURE_STORAGE_CONNECTION_STRING', 'AZURE_STORAGE_ACCOUNT', 'AZURE_STORAGE_KEY', 'AZURE_STORAGE_SAS_TOKEN', 'anonymous: true', 'npm install @azure/identity@">=4.0.0"']) {
      expect(error.message).toContain(what)
    }
  })

  test('a failure is not kept', async () => {
    let installed = false
    const all = azureAccounts(checkAzureOptions({}), {
      variables: {},
      loadIdentity: () => (installed ? Promise.resolve({ DefaultAzureCredential: class { getToken = credential.getToken } }) : Promise.reject(new Error('no such package')))
    })
    await failure((async () => all.find('mine', '', 'open'))())
    installed = true
    expect((await all.find('mine', '', 'open')).access.kind).toBe('token')
  })
})
