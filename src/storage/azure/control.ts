import type { BlobGetPropertiesResponse, BlobItem, ContainerClient } from '@azure/storage-blob'
import { MillraceError } from '../../errors.js'
import type { Containers, ObjectMeta, ObjectStat } from '../../store.js'
import type { MaybePromise } from '../../types.js'
import { sharedController } from '../../util/abort.js'
import { checkBytes, closedError } from '../checks.js'
import { invalidUri } from '../uri.js'
import type { RemoteName, ServiceControl } from '../remote/service.js'
import type { Account, Accounts } from './accounts.js'
import { azureCalls, type AzureCall } from './call.js'
import { azureClients } from './client.js'
import { copyBlob, type Place } from './copy.js'
import { blobDeleter, deleteBlob } from './delete.js'
import { listFlat, listLevel, type ListPage, type ListedBlob } from './list.js'
import type { AzureControlSetting } from './options.js'
import { versionOfEtag } from './reader.js'
import { parseAzureUri, uriOf } from './name.js'
import { blobWriter, checkWriteOptions, putBlob } from './write.js'

/** Everything but reading, through @azure/storage-blob, which tries again by itself. @throws MillraceError `MissingPackage` */
export async function azureControl(accounts: Accounts, accountFor: (name: RemoteName) => MaybePromise<Account>, setting: AzureControlSetting): Promise<ServiceControl> {
  const clients = await azureClients()
  const closing = sharedController()
  const call = azureCalls(closing.signal)
  const deleteAll = blobDeleter(clients, call)
  const place = async (name: RemoteName): Promise<Place> => ({ name, account: await accountFor(name) })

  async function lister(prefix: RemoteName, operation: string, signal: AbortSignal | undefined): Promise<{ account: string; listPage: ListPage }> {
    const account = await accountFor(prefix)
    return { account: account.name, listPage: pageLister(clients.container(account, prefix.container), call, { uri: prefix.uri, operation }, signal, setting.pageSize) }
  }

  return {
    async stat(name, { signal }) {
      const client = clients.blob(await accountFor(name), name)
      return statOf(name.uri, await call({ uri: name.uri, operation: 'stat' }, signal, abortSignal => client.getProperties({ abortSignal })))
    },

    async *list(prefix, { signal, enter }) {
      const { account, listPage } = await lister(prefix, 'list', signal)
      const wanted = (below: string): boolean => enter === undefined || enter(uriOf(account, prefix.container, below))
      for await (const blobs of listFlat(listPage, prefix.key, prefix.uri, wanted)) {
        if (blobs.length > 0) yield blobs.map(blob => metaOfBlob(account, prefix.container, blob))
        signal?.throwIfAborted()
      }
    },

    async *listDirectory(prefix, { signal }) {
      const { account, listPage } = await lister(prefix, 'listDirectory', signal)
      for await (const items of listLevel(listPage, prefix.key, prefix.uri)) {
        const objects = items.flatMap(({ blob }) => (blob === undefined ? [] : [metaOfBlob(account, prefix.container, blob)]))
        const prefixes = items.filter(({ blob }) => blob === undefined).map(({ name }) => uriOf(account, prefix.container, name))
        if (items.length > 0) yield { objects, prefixes }
        signal?.throwIfAborted()
      }
    },

    async put(name, bytes, options) {
      const where = { uri: name.uri, operation: 'put' }
      checkWriteOptions(where, options)
      checkBytes('put', bytes)
      return putBlob(clients.blob(await accountFor(name), name), call, where, bytes, options)
    },

    async createWriter(name, options) {
      const where = { uri: name.uri, operation: 'write' }
      checkWriteOptions(where, options)
      return blobWriter(clients.blob(await accountFor(name), name), call, where, options, setting)
    },

    async delete(name, { signal }) {
      await deleteBlob(clients.container(await accountFor(name), name.container), call, name, signal)
    },

    async deleteMany(names, { signal }) {
      return deleteAll(await Promise.all(names.map(place)), signal)
    },

    async copy(from, to, options) {
      checkWriteOptions({ uri: to.uri, operation: 'copy' }, options)
      return copyBlob(clients, call, await place(from), await place(to), options)
    },

    containers: containersOf(accounts, call, async name => clients.container(await accountFor(name), name.container), async (account, operation) =>
      clients.service(await accounts.find(account, `az://${account}/`, operation))),

    async close() {
      closing.abort(closedError('az://', 'close', 'the store was closed'))
      clients.destroy()
    }
  }
}

type Where = { readonly uri: string; readonly operation: string }

function pageLister(client: ContainerClient, call: AzureCall, where: Where, signal: AbortSignal | undefined, maxPageSize: number): ListPage {
  return (prefix, level, continuationToken) => call(where, signal, async abortSignal => {
    // Metadata, since only they tell a directory from an empty blob.
    const options = { abortSignal, includeMetadata: true, ...(prefix === '' ? {} : { prefix }) }
    const paging = { maxPageSize, ...(continuationToken === undefined ? {} : { continuationToken }) }
    const page = await (level ? client.listBlobsByHierarchy('/', options).byPage(paging) : client.listBlobsFlat(options).byPage(paging)).next()
    if (page.done === true) return { blobs: [], prefixes: [], hierarchical: false, next: undefined }
    const { continuationToken: next, _response } = page.value
    const segment: { readonly blobItems: readonly BlobItem[]; readonly blobPrefixes?: readonly { readonly name: string }[] } = page.value.segment
    return {
      // Names that end in a slash are the marks of consoles for directories.
      blobs: segment.blobItems.filter(({ name }) => !name.endsWith('/')).map(({ name, properties, metadata }): ListedBlob => ({
        name,
        size: properties.contentLength ?? 0,
        version: versionOfEtag(properties.etag) ?? '',
        modified: properties.lastModified?.getTime(),
        directory: metadata?.['hdi_isfolder']?.toLowerCase() === 'true'
      })),
      prefixes: (segment.blobPrefixes ?? []).map(({ name }) => name),
      hierarchical: _response.bodyAsText.includes('<ResourceType>'),
      next
    }
  })
}

function metaOfBlob(account: string, container: string, { name, size, version, modified }: ListedBlob): ObjectMeta {
  return { uri: uriOf(account, container, name), size, version, ...(modified === undefined ? {} : { modified }) }
}

/** What else the service says of a blob, that a reader may want to know. */
const MORE = [
  'blobType', 'accessTier', 'archiveStatus', 'contentEncoding', 'contentLanguage', 'contentDisposition', 'cacheControl', 'versionId', 'leaseState',
  'copyStatus', 'encryptionScope', 'isSealed', 'tagCount'
] as const

function statOf(uri: string, facts: BlobGetPropertiesResponse): ObjectStat {
  const { contentLength, etag, lastModified, contentType, metadata = {}, contentMD5 } = facts
  const more = MORE.flatMap(name => (facts[name] === undefined ? [] : [[name, String(facts[name])] as const]))
  return {
    uri,
    size: contentLength ?? 0,
    version: versionOfEtag(etag) ?? '',
    ...(lastModified === undefined ? {} : { modified: lastModified.getTime() }),
    ...(contentType === undefined ? {} : { contentType }),
    metadata,
    checksums: contentMD5 === undefined ? {} : { md5: btoa(String.fromCharCode(...contentMD5)) },
    more: Object.fromEntries(more)
  }
}

function containersOf(
  accounts: Accounts, call: AzureCall,
  clientFor: (name: RemoteName) => Promise<ContainerClient>,
  serviceFor: (account: string, operation: string) => Promise<{ listContainers(options: object): { byPage(): AsyncIterableIterator<{ containerItems: { name: string }[] }> } }>
): Containers {
  /** The container that a URI names, and nothing below it. */
  function parse(uri: string, operation: string): RemoteName {
    const { name } = parseAzureUri(uri, operation, 'prefix')
    if (name.key !== '') throw invalidUri(uri, operation, 'a container is named az://account/container/')
    return name
  }

  return {
    async *list({ signal } = {}) {
      const account = accounts.main()
      if (account === undefined) {
        throw new MillraceError('InvalidUri', 'list containers: of which account? Give azureStore account, or set AZURE_STORAGE_ACCOUNT', { operation: 'list' })
      }
      const uri = `az://${account}/`
      const service = await serviceFor(account, 'list')
      const pages = await call({ uri, operation: 'list' }, signal, async () => service.listContainers({ abortSignal: signal }).byPage())
      for (;;) {
        const page = await call({ uri, operation: 'list' }, signal, () => pages.next())
        if (page.done === true) return
        for (const { name } of page.value.containerItems) yield uriOf(account, name, '')
      }
    },

    async create(uri, { signal } = {}) {
      const name = parse(uri, 'create')
      const client = await clientFor(name)
      await call({ uri: name.uri, operation: 'create' }, signal, abortSignal => client.create({ abortSignal }))
    },

    async delete(uri, { signal } = {}) {
      const name = parse(uri, 'delete')
      const where = { uri: name.uri, operation: 'delete' }
      const client = await clientFor(name)
      // The service deletes containers with all that is in them.
      const first = await call(where, signal, abortSignal => client.listBlobsFlat({ abortSignal }).byPage({ maxPageSize: 1 }).next())
      if (first.done !== true && first.value.segment.blobItems.length > 0) {
        throw new MillraceError('Precondition', `delete ${name.uri}: the container is not empty; delete what is in it first`, where)
      }
      await call(where, signal, abortSignal => client.delete({ abortSignal }))
    }
  }
}
