import type { BlobGetPropertiesResponse } from '@azure/storage-blob'
import { MillraceError } from '../../errors.js'
import type { ObjectMeta, WriteOptions } from '../../store.js'
import { inParallel } from '../../util/parallel.js'
import type { RemoteName } from '../remote/service.js'
import type { Account } from './accounts.js'
import type { AzureCall } from './call.js'
import type { AzureClients } from './client.js'
import { conditionsOf, blockId, metaOf } from './write.js'
import { versionOfEtag } from './reader.js'

/** "Copy Blob From URL" takes no more. */
const ONE_REQUEST = 256 << 20
/** Of larger blobs, the bytes that the service fetches at once, and how many such requests there are at a time. */
const BLOCK = 100 << 20
const AT_ONCE = 8
/** Long enough for a copy, and not longer than need be. */
const SIGNATURE_MS = 60 * 60_000

/** A blob and its account. */
export interface Place {
  readonly account: Account
  readonly name: RemoteName
}

/**
 * Copies inside the service. Both ways are atomic: one request, or blocks that are committed together. (The service's "Copy Blob" is neither:
 * it goes on by itself, over a blob that is already replaced.)
 */
export async function copyBlob({ sdk, blob }: AzureClients, call: AzureCall, from: Place, to: Place, options: WriteOptions): Promise<ObjectMeta> {
  const { signal, contentType, metadata } = options
  const where = { uri: to.name.uri, operation: 'copy' }
  const [source, target] = [blob(from.account, from.name), blob(to.account, to.name)]
  const facts = await call({ uri: from.name.uri, operation: 'copy' }, signal, abortSignal => source.getProperties({ abortSignal }))
  const size = facts.contentLength ?? 0
  const conditions = conditionsOf(options)
  const sourceUrl = from.account.access.kind === 'key' ? await source.generateSasUrl({ permissions: sdk.BlobSASPermissions.from({ read: true }), expiresOn: new Date(Date.now() + SIGNATURE_MS) }) : source.url
  const authorization = await sourceAuthorization(from, signal)
  if (size > ONE_REQUEST) return inBlocks()

  const sourceConditions = facts.etag === undefined ? {} : { ifMatch: facts.etag }
  const copied = await call(where, signal, abortSignal => target.syncCopyFromURL(sourceUrl, {
    abortSignal, conditions, sourceConditions, ...authorization, ...(metadata === undefined ? {} : { metadata: { ...metadata } })
  }), size)
  if (contentType === undefined) return metaOf(to.name.uri, size, copied)
  const { etag } = copied
  const changed = await call(where, signal, abortSignal => target.setHTTPHeaders({ ...headersOf(facts), blobContentType: contentType }, {
    abortSignal, conditions: etag === undefined ? {} : { ifMatch: etag }
  }))
  return metaOf(to.name.uri, size, changed)

  async function inBlocks(): Promise<ObjectMeta> {
    const id = blockId()
    const numbers = Array.from({ length: Math.ceil(size / BLOCK) }, (_, i) => i)
    await inParallel(numbers, AT_ONCE, i => {
      const count = Math.min(BLOCK, size - i * BLOCK)
      return call(where, signal, abortSignal => target.stageBlockFromURL(id(i), sourceUrl, i * BLOCK, count, { abortSignal, ...authorization }), count)
    })
    // The blocks carry no version: that all are of one is seen by its being the same before and after.
    const after = await call({ uri: from.name.uri, operation: 'copy' }, signal, abortSignal => source.getProperties({ abortSignal }))
    if (after.etag !== facts.etag) {
      throw new MillraceError('Changed', `copy ${from.name.uri}: the blob was replaced while it was copied (it was version ${versionOfEtag(facts.etag)}); copy it again`,
        { uri: from.name.uri, operation: 'copy' })
    }
    const committed = await call(where, signal, abortSignal => target.commitBlockList(numbers.map(id), {
      abortSignal, conditions, metadata: { ...(metadata ?? facts.metadata) },
      blobHTTPHeaders: { ...headersOf(facts), ...(contentType === undefined ? {} : { blobContentType: contentType }) }
    }))
    return metaOf(to.name.uri, size, committed)
  }
}

/** With an access token the service reads the source in the name of whoever it belongs to; other credentials are in the URL. */
async function sourceAuthorization({ account: { access, endpoint }, name }: Place, signal: AbortSignal | undefined): Promise<{ sourceAuthorization?: { scheme: string; value: string } }> {
  if (access.kind !== 'token') return {}
  if (!endpoint.startsWith('https://')) throw new MillraceError('Denied', `copy ${name.uri}: access tokens are sent over https only`, { uri: name.uri, operation: 'copy' })
  return { sourceAuthorization: { scheme: 'Bearer', value: await access.token.get(signal ?? new AbortController().signal) } }
}

/** All of what is set together: what is left out would be cleared. */
function headersOf(facts: BlobGetPropertiesResponse): Record<string, string | Uint8Array> {
  const { contentType, contentEncoding, contentLanguage, contentDisposition, cacheControl, contentMD5 } = facts
  const headers = {
    blobContentType: contentType, blobContentEncoding: contentEncoding, blobContentLanguage: contentLanguage,
    blobContentDisposition: contentDisposition, blobCacheControl: cacheControl, blobContentMD5: contentMD5
  }
  return Object.fromEntries(Object.entries(headers).filter((entry): entry is [string, string | Uint8Array] => entry[1] !== undefined))
}
