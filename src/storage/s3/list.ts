import type { ListObjectsV2Command, ListObjectsV2CommandInput, ListObjectsV2CommandOutput } from '@aws-sdk/client-s3'
import { MillraceError } from '../../errors.js'
import type { DirectoryPage, ObjectMeta } from '../../store.js'
import type { RemoteName, ServiceControl } from '../remote/service.js'
import { compareBytes } from '../uri.js'
import type { ControlParts } from './control.js'
import { parseListPage, type ListPage } from './list-page.js'
import { uriOf } from './name.js'
import { quoted } from './reader.js'

/** One page of a listing, with names as they are. */
interface Page {
  readonly objects: ObjectMeta[]
  readonly prefixes: string[]
}

/** Buckets of S3 Express, which list in no order, and only what is below a slash. */
const DIRECTORY_BUCKET = /--x-s3$/
/** Objects that are sorted here where the service does not. */
const MOST_SORTED = 5_000_000
const PAGE = 1000

/**
 * Listings. S3 lists in the order of the bytes of the keys; pages are checked against each other, since a pipeline would read data twice, or never, where
 * that does not hold. Inside a page they are put in order. Keys that end in `/` are marks that consoles leave for directories, and are left out.
 */
export function s3Listing({ connection: { sdk }, settings, send }: ControlParts): Pick<ServiceControl, 'list' | 'listDirectory'> {
  async function* pages({ uri, container, key }: RemoteName, operation: string, delimiter: string | undefined, signal: AbortSignal | undefined): AsyncIterable<Page> {
    const input: ListObjectsV2CommandInput = {
      Bucket: container, EncodingType: 'url',
      Prefix: DIRECTORY_BUCKET.test(container) ? key.slice(0, key.lastIndexOf('/') + 1) : key,
      ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
      ...(settings.requesterPays ? { RequestPayer: 'requester' } : {})
    }
    let token: string | undefined
    do {
      const command = new sdk.ListObjectsV2Command(token === undefined ? input : { ...input, ContinuationToken: token })
      const taken = takePage(command)
      const output = await send<ListObjectsV2CommandOutput>({ uri, container, key }, operation, signal, command)
      const page = taken() ?? fromOutput(output)
      const next = page.truncated ? page.next : undefined
      if (page.truncated && (next === undefined || next === '' || next === token)) {
        throw new MillraceError('Corrupt', `${operation} ${uri}: the server says that there is more, and not where it goes on; the listing cannot be completed`, { uri, operation })
      }
      yield pageOf(container, key, page)
      token = next
    } while (token !== undefined)
  }

  async function* inOrder(name: RemoteName, signal: AbortSignal | undefined): AsyncIterable<readonly ObjectMeta[]> {
    let last: string | undefined
    for await (const { objects } of pages(name, 'list', undefined, signal)) {
      objects.sort(byUri)
      const first = objects[0]
      if (first === undefined) continue
      if (last !== undefined && compareBytes(first.uri, last) <= 0) {
        throw new MillraceError('Corrupt',
          `list ${name.uri}: the server lists ${JSON.stringify(first.uri)} behind ${JSON.stringify(last)}: not in the order of bytes, which S3 promises; name the objects one by one`,
          { uri: name.uri, operation: 'list' })
      }
      last = objects.at(-1)?.uri
      yield objects
      signal?.throwIfAborted()
    }
  }

  /** All in memory: there is no other way to bring them in order. */
  async function* sorted(name: RemoteName, signal: AbortSignal | undefined): AsyncIterable<readonly ObjectMeta[]> {
    const all: ObjectMeta[] = []
    for await (const { objects } of pages(name, 'list', undefined, signal)) {
      for (const object of objects) all.push(object)
      if (all.length > MOST_SORTED) {
        throw new MillraceError('Limit', `list ${name.uri}: more than ${MOST_SORTED} objects of a directory bucket, which lists in no order; list its prefixes one by one`,
          { uri: name.uri, operation: 'list' })
      }
    }
    all.sort(byUri)
    for (let i = 0; i < all.length; i += PAGE) yield all.slice(i, i + PAGE)
  }

  return {
    list: (name, { signal }) => (DIRECTORY_BUCKET.test(name.container) ? sorted(name, signal) : inOrder(name, signal)),

    async *listDirectory(name, { signal }): AsyncIterable<DirectoryPage> {
      let last: string | undefined // a prefix may come again on the next page
      for await (const { objects, prefixes } of pages(name, 'listDirectory', '/', signal)) {
        const fresh = prefixes.filter(prefix => prefix !== last)
        last = prefixes.at(-1) ?? last
        if (objects.length > 0 || fresh.length > 0) yield { objects: objects.sort(byUri), prefixes: fresh }
        signal?.throwIfAborted()
      }
    }
  }
}

function pageOf(container: string, prefix: string, page: ListPage): Page {
  // Servers that do not know the encoding send names as they are, and do not say that they encoded them.
  const decode = page.encoded ? decodeName : (name: string): string => name
  const objects: ObjectMeta[] = []
  for (const { key: name, size, tag, modified } of page.objects) {
    const key = decode(name)
    if (!key.startsWith(prefix) || key === '' || key.endsWith('/')) continue
    const meta = { uri: uriOf(container, key), size, version: quoted(tag) }
    objects.push(modified === undefined ? meta : { ...meta, modified })
  }
  const prefixes = page.prefixes.map(decode).filter(each => each.startsWith(prefix))
  return { objects, prefixes: prefixes.map(each => uriOf(container, each)) }
}

interface Reply { readonly statusCode?: number; body?: AsyncIterable<Uint8Array> | Uint8Array }
const EMPTY = new TextEncoder().encode('<ListBucketResult></ListBucketResult>')

/** Takes the page out of the reply, and leaves the SDK an empty one to parse. What it cannot make out, the SDK gets as it is. */
function takePage(command: ListObjectsV2Command): () => ListPage | undefined {
  let page: ListPage | undefined
  command.middlewareStack.add(next => async args => {
    const result = await next(args)
    const reply = result.response as Reply
    if (reply.statusCode !== 200 || reply.body === undefined || ArrayBuffer.isView(reply.body)) return result
    const pieces: Uint8Array[] = []
    for await (const piece of reply.body) pieces.push(piece)
    const xml = await new Blob(pieces as BlobPart[]).text()
    page = parseListPage(xml)
    if (page === undefined && /<ListBucketResult[\s>]/.test(xml) && !xml.includes('</ListBucketResult>')) {
      throw Object.assign(new Error('the page of the listing is cut off'), { name: 'TimeoutError', code: 'ECONNRESET' }) // which the SDK tries again
    }
    reply.body = page === undefined ? new TextEncoder().encode(xml) : EMPTY
    return result
  }, { step: 'deserialize', priority: 'low', name: 'millracePage' })
  return () => page
}

function fromOutput(output: ListObjectsV2CommandOutput): ListPage {
  return {
    objects: (output.Contents ?? []).map(({ Key = '', Size = 0, ETag = '', LastModified }) => ({ key: Key, size: Size, tag: ETag, modified: LastModified?.getTime() })),
    prefixes: (output.CommonPrefixes ?? []).map(({ Prefix = '' }) => Prefix),
    encoded: output.EncodingType === 'url',
    truncated: output.IsTruncated === true,
    next: output.NextContinuationToken
  }
}

/** Names in listings are encoded as forms are. */
function decodeName(name: string): string {
  return decodeURIComponent(name.replace(/\+/g, '%20'))
}

function byUri(a: ObjectMeta, b: ObjectMeta): number {
  return compareBytes(a.uri, b.uri)
}
