import type { ContainerClient } from '@azure/storage-blob'
import type { DeleteResult } from '../../store.js'
import { inParallel } from '../../util/parallel.js'
import { isMillraceError } from '../../errors.js'
import type { RemoteName } from '../remote/service.js'
import type { Account } from './accounts.js'
import { statusOf, type AzureCall } from './call.js'
import type { AzureClients } from './client.js'
import type { Place } from './copy.js'
import { uriOf } from './name.js'

/** What a batch may have. */
const BATCH = 256
const BATCHES_AT_ONCE = 4
const SINGLE_AT_ONCE = 16

/** Deletes a blob; it is no error if there is none. */
export async function deleteBlob(client: ContainerClient, call: AzureCall, { uri, key }: RemoteName, signal: AbortSignal | undefined): Promise<void> {
  await call({ uri, operation: 'delete' }, signal, async abortSignal => {
    try {
      await client.deleteBlob(key, { abortSignal })
    } catch (error) {
      if (statusOf(error) !== 404 || (error as { code?: unknown }).code === 'ContainerNotFound') throw error
    }
  })
}

/**
 * Deletes blobs, 256 with a request. What a batch does not delete, for whatever reason, is deleted by itself: that tries again, works where
 * signatures or emulators allow no batches, and tells the reason when it does not work.
 */
export function blobDeleter(clients: AzureClients, call: AzureCall): (places: readonly Place[], signal: AbortSignal | undefined) => Promise<DeleteResult[]> {
  /** Containers, by account, where batches are of no use. */
  const refused = new WeakMap<Account, Set<string>>()

  /** Which of the blobs are gone. */
  async function inBatch(account: Account, names: readonly RemoteName[], signal: AbortSignal | undefined): Promise<readonly boolean[]> {
    const [{ container } = { container: '' }] = names
    if (names.length < 2 || refused.get(account)?.has(container) === true) return []
    const client = clients.container(account, container)
    try {
      const batch = new clients.sdk.BlobBatch()
      for (const { key } of names) await batch.deleteBlob(client.getBlobClient(key))
      const where = { uri: uriOf(account.name, container, ''), operation: 'deleteMany' }
      const reply = await call(where, signal, abortSignal => clients.batches(account, container).submitBatch(batch, { abortSignal }))
      return names.map((_, k) => isGone(reply.subResponses[k]))
    } catch (error) {
      if (signal?.aborted === true || isMillraceError(error, 'Closed')) throw error
      // Emulators answer 500 to what they do not know.
      if (!isMillraceError(error) || error.status === 500 || !error.retryable) {
        const containers = refused.get(account) ?? new Set()
        refused.set(account, containers.add(container))
      }
      return []
    }
  }

  return async (places, signal) => {
    const results = new Array<DeleteResult>(places.length)
    const batches = groups(places).flatMap(indices => slices(indices, BATCH))
    await inParallel(batches, BATCHES_AT_ONCE, async batch => {
      const names = batch.map(i => (places[i] as Place).name)
      const { account } = places[batch[0] as number] as Place
      const gone = await inBatch(account, names, signal)
      for (const [k, i] of batch.entries()) if (gone[k] === true) results[i] = { uri: (names[k] as RemoteName).uri }
      await inParallel(batch.filter((_, k) => gone[k] !== true), SINGLE_AT_ONCE, async i => {
        const { name } = places[i] as Place
        try {
          await deleteBlob(clients.container(account, name.container), call, name, signal)
          results[i] = { uri: name.uri }
        } catch (error) {
          if (signal?.aborted === true || isMillraceError(error, 'Closed')) throw error
          results[i] = { uri: name.uri, error }
        }
      })
    })
    return results
  }
}

function isGone(reply: { readonly status: number; readonly errorCode?: string } | undefined): boolean {
  return reply !== undefined && ((reply.status >= 200 && reply.status < 300) || reply.errorCode === 'BlobNotFound')
}

/** Indices of what is in the same container, with the same credentials. */
function groups(places: readonly Place[]): number[][] {
  const found = new Map<Account, Map<string, number[]>>()
  for (const [i, { account, name }] of places.entries()) {
    let containers = found.get(account)
    if (containers === undefined) found.set(account, containers = new Map<string, number[]>())
    const indices = containers.get(name.container)
    if (indices === undefined) containers.set(name.container, [i])
    else indices.push(i)
  }
  return [...found.values()].flatMap(containers => [...containers.values()])
}

function slices<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
}
