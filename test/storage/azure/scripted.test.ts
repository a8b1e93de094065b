/** What the emulator cannot do, or not fast enough, with a server that answers as the reference of the service says. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { azureStore } from '../../../src/storage/azure/store.js'
import type { RemoteStore } from '../../../src/storage/remote/remote-store.js'

interface Asked { readonly method: string; readonly url: URL; readonly headers: IncomingMessage['headers']; readonly body: string }
type Answer = (asked: Asked, response: ServerResponse) => void

let answer: Answer
let log: Asked[]
let server: Server
let store: RemoteStore
beforeEach(async () => {
  log = []
  server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => { body += text }).on('end', () => {
      const asked = { method: request.method ?? '', url: new URL(request.url ?? '', 'http://x'), headers: request.headers, body }
      log.push(asked)
      answer(asked, response)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  store = azureStore({ endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mine`, key: Buffer.from('any').toString('base64') })
})
afterEach(async () => {
  await store.close()
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
})

const DATE = 'Mon, 01 Jan 2024 00:00:00 GMT'

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'x-ms-error-code': code, 'content-type': 'application/xml' }).end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>Because.</Message></Error>`)
}

interface Listed { readonly name: string; readonly directory?: boolean }

/** "List Blobs", `atMost` in a page, with an empty page in between. */
function lister(blobs: readonly Listed[], { atMost = 1000, hierarchical = false } = {}): Answer {
  return ({ url }, response) => {
    const prefix = url.searchParams.get('prefix') ?? ''
    const delimiter = url.searchParams.get('delimiter')
    const cut = (name: string): number => (delimiter === null ? -1 : name.indexOf(delimiter, prefix.length))
    const items = new Map<string, string>()
    for (const { name, directory = false } of blobs) {
      if (!name.startsWith(prefix) || (delimiter !== null && directory)) continue
      const at = cut(name)
      if (at >= 0) items.set(name.slice(0, at + 1), `<BlobPrefix><Name>${name.slice(0, at + 1)}</Name></BlobPrefix>`)
      else {
        const type = hierarchical ? `<ResourceType>${directory ? 'directory' : 'file'}</ResourceType>` : ''
        const metadata = directory ? '<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata>' : '<Metadata/>'
        items.set(name, `<Blob><Name>${name}</Name><Properties><Last-Modified>${DATE}</Last-Modified><Etag>0x${name.length}</Etag><Content-Length>${name.length}</Content-Length><BlobType>BlockBlob</BlobType>${type}</Properties>${metadata}</Blob>`)
      }
    }
    const [from, empty] = (url.searchParams.get('marker') ?? '0').split('!')
    const most = Math.min(atMost, Number(url.searchParams.get('maxresults')))
    const page = empty === undefined && from !== '0' ? [] : [...items.values()].slice(Number(from), Number(from) + most)
    const next = page.length === 0 && from !== '0' ? `${from}!` : Number(from) + most < items.size ? String(Number(from) + most) : ''
    response.writeHead(200, { 'content-type': 'application/xml' }).end(
      `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="http://x/" ContainerName="box"><Blobs>${page.join('')}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`)
  }
}

async function list(prefix: string): Promise<{ uris: string[]; pages: number[] }> {
  const [uris, pages]: [string[], number[]] = [[], []]
  for await (const page of store.list(prefix)) {
    pages.push(page.length)
    uris.push(...page.map(({ uri }) => uri))
  }
  return { uris, pages }
}

describe('listings', () => {
  test('of 2,500 blobs come in the pages of the service, none of them empty', async () => {
    const names = Array.from({ length: 2500 }, (_, i) => `d/${String(i).padStart(4, '0')}`)
    answer = lister(names.map(name => ({ name })))
    const { uris, pages } = await list('az://mine/box/d/')
    expect(uris).toEqual(names.map(name => `az://mine/box/${name}`))
    expect(pages).toEqual([1000, 1000, 500])
    expect(log.map(({ url }) => url.searchParams.get('marker'))).toEqual([null, '1000', '1000!', '2000', '2000!'])
    expect(log.every(({ url }) => url.searchParams.get('prefix') === 'd/' && url.searchParams.get('maxresults') === '5000')).toBe(true)
  })

  test('have version, size and time as other operations tell them', async () => {
    answer = lister([{ name: 'abc' }])
    const [page] = [(await store.list('az://mine/box/')[Symbol.asyncIterator]().next()).value]
    expect(page).toEqual([{ uri: 'az://mine/box/abc', size: 3, version: '0x3', modified: Date.parse(DATE) }])
  })

  test('of accounts with directories are in order too, without the directories', async () => {
    const blobs = [{ name: 'a', directory: true }, { name: 'a/x' }, { name: 'a-b' }, { name: 'a.c', directory: true }, { name: 'a.c/deep', directory: true }, { name: 'a.c/deep/y' }, { name: 'ab' }]
    answer = lister(blobs, { hierarchical: true })
    expect((await list('az://mine/box/')).uris).toEqual(['a-b', 'a.c/deep/y', 'a/x', 'ab'].map(name => `az://mine/box/${name}`))
    answer = lister([{ name: 'a-b' }, { name: 'a/x' }], { hierarchical: true, atMost: 1 })
    expect((await list('az://mine/box/')).uris).toEqual(['az://mine/box/a-b', 'az://mine/box/a/x'])
  })

  test('are tried again when the service is busy', async () => {
    const good = lister([{ name: 'a' }])
    answer = (asked, response) => (log.length === 1 ? refuse(response, 503, 'ServerBusy') : good(asked, response))
    expect((await list('az://mine/box/')).uris).toEqual(['az://mine/box/a'])
    expect(log.length).toBe(2)
  })
})

describe('connections', () => {
  test('are the own ones of a store, and gone when it is closed', async () => {
    answer = ({ method }, response) => response.writeHead(200, { 'content-length': 3, etag: '"0x1"' }).end(method === 'HEAD' ? undefined : 'abc')
    const connections = (): Promise<number> => new Promise((resolve, reject) => server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))))
    await Promise.all([store.stat('az://mine/box/a'), store.stat('az://mine/box/b'), store.get('az://mine/box/a')])
    expect(await connections()).toBeGreaterThan(1)
    await store.close()
    while (await connections() > 0) await new Promise(resolve => setImmediate(resolve))
  })
})

describe('a flipped bit', () => {
  const bytes = Buffer.from(Uint8Array.from({ length: 5000 }, (_, i) => i * 13))
  const ranges = (flips: number): Answer => ({ headers }, response) => {
    const [, first = '0', last = '4999'] = /^bytes=(\d+)-(\d+)/.exec(String(headers['x-ms-range'])) ?? []
    const part = Buffer.from(bytes.subarray(Number(first), Number(last) + 1))
    const md5 = createHash('md5').update(part).digest('base64')
    if (log.length <= flips) part[7] = (part[7] ?? 0) ^ 1
    response.writeHead(206, {
      'content-length': part.length, 'content-range': `bytes ${first}-${Number(first) + part.length - 1}/5000`, etag: '"0x1"',
      ...(headers['x-ms-range-get-content-md5'] === 'true' ? { 'content-md5': md5 } : {})
    }).end(part)
  }
  const read = async (rangeMd5: boolean): Promise<boolean> => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mine`
    const checking = azureStore({ endpoint: url, anonymous: true, rangeMd5, ranges: { maxAttempts: 3, backoffBase: 1 } })
    try {
      const source = await checking.open('az://mine/box/a', { known: { uri: 'az://mine/box/a', size: 5000, version: '0x1' } })
      const into = new Uint8Array(4000)
      await source.read(500, into)
      await source.close()
      return bytes.subarray(500, 4500).equals(into)
    } finally {
      await checking.close()
    }
  }

  test('is found and the range asked for again, with rangeMd5 and not without', async () => {
    answer = ranges(1)
    expect(await read(true)).toBe(true)
    expect(log.length).toBe(2)
    log = []
    expect(await read(false)).toBe(false)
  })

  test('that comes again and again is an error', async () => {
    answer = ranges(Infinity)
    await expect(read(true)).rejects.toMatchObject({ kind: 'Unavailable', attempts: 3, message: expect.stringContaining('do not have the MD5') })
  })
})

describe('a copy of more than 256 MiB', () => {
  const size = (250 << 20) + 50_000_000
  const source = (etag: string): Answer => (_, response) => {
    response.writeHead(200, { 'content-length': size, etag, 'last-modified': DATE, 'content-type': 'text/x-test', 'x-ms-meta-who': 'me', 'content-md5': btoa('0123456789abcdef'), 'x-ms-blob-type': 'BlockBlob' }).end()
  }

  test('is made of blocks that the service fetches itself, and commits at once', async () => {
    answer = (asked, response) => {
      if (asked.method === 'HEAD') source('"0x1"')(asked, response)
      else response.writeHead(201, { etag: '"0x2"', 'last-modified': DATE }).end()
    }
    expect(await store.copy?.('az://mine/box/from', 'az://mine/other/to', { ifAbsent: true, contentType: 'text/other' })).toEqual({ uri: 'az://mine/other/to', size, version: '0x2', modified: Date.parse(DATE) })
    const blocks = log.filter(({ url }) => url.searchParams.get('comp') === 'block')
    const ranges = blocks.map(({ headers }) => String(headers['x-ms-source-range'])).sort((a, b) => parseInt(a.slice(6)) - parseInt(b.slice(6)))
    expect(ranges).toEqual([`bytes=0-${(100 << 20) - 1}`, `bytes=${100 << 20}-${(200 << 20) - 1}`, `bytes=${200 << 20}-${size - 1}`])
    expect(blocks.every(({ headers }) => /\/mine\/box\/from\?.*sig=/.test(String(headers['x-ms-copy-source'])))).toBe(true)
    const commit = log.at(-1) as Asked
    const ids = [...commit.body.matchAll(/<Latest>([^<]*)/g)].map(match => match[1])
    expect(new Set(ids)).toEqual(new Set(blocks.map(({ url }) => url.searchParams.get('blockid'))))
    expect(ids).toEqual([...ids].sort())
    expect(commit.headers).toMatchObject({ 'if-none-match': '*', 'x-ms-blob-content-type': 'text/other', 'x-ms-blob-content-md5': btoa('0123456789abcdef'), 'x-ms-meta-who': 'me' })
  })

  test('is Changed, and not committed, when the blob is replaced meanwhile', async () => {
    let heads = 0
    answer = (asked, response) => {
      if (asked.method === 'HEAD') source(`"0x${++heads}"`)(asked, response)
      else response.writeHead(201, { etag: '"0x9"' }).end()
    }
    await expect(store.copy?.('az://mine/box/from', 'az://mine/other/to')).rejects.toMatchObject({ kind: 'Changed', uri: 'az://mine/box/from' })
    expect(log.some(({ url }) => url.searchParams.get('comp') === 'blocklist')).toBe(false)
  })
})

describe('deleting many', () => {
  test('is done one by one where there are no batches, and what does not work is told of each', async () => {
    answer = ({ method, url }, response) => {
      if (method === 'POST') refuse(response, 403, 'AuthorizationPermissionMismatch')
      else if (url.pathname.endsWith('/locked')) refuse(response, 412, 'LeaseIdMissing')
      else if (url.pathname.endsWith('/gone')) refuse(response, 404, 'BlobNotFound')
      else response.writeHead(202).end()
    }
    const uris = ['a', 'locked', 'gone', 'b'].map(name => `az://mine/box/${name}`)
    for (let i = 0; i < 2; i++) {
      const results = await store.deleteMany?.(uris) ?? []
      expect(results.map(({ uri, error }) => [uri, (error as { kind?: string } | undefined)?.kind])).toEqual(uris.map((uri, k) => [uri, k === 1 ? 'Denied' : undefined]))
    }
    expect(log.filter(({ method }) => method === 'POST').length).toBe(1)
  })
})
