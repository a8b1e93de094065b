import type { DeleteObjectsCommandOutput } from '@aws-sdk/client-s3'
import { isMillraceError, MillraceError } from '../../errors.js'
import type { DeleteResult } from '../../store.js'
import { inParallel } from '../../util/parallel.js'
import type { RemoteName, ServiceControl } from '../remote/service.js'
import type { ControlParts } from './control.js'
import { errorOf } from './faults.js'

/** Keys of one request; S3 takes no more. */
const BATCH = 1000
const BATCHES_AT_ONCE = 4
const SINGLES_AT_ONCE = 16
/** XML 1.0 has no way to write these, or servers read them as others: such keys are deleted one by one. */
const NOT_IN_XML = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffe\uffff]/

export function s3Delete({ connection: { sdk }, settings, send }: ControlParts): Pick<ServiceControl, 'delete' | 'deleteMany'> {
  const payer = settings.requesterPays ? { RequestPayer: 'requester' as const } : {}

  async function remove(name: RemoteName, operation: string, signal: AbortSignal | undefined): Promise<void> {
    try {
      await send(name, operation, signal, new sdk.DeleteObjectCommand({ Bucket: name.container, Key: name.key, ...payer }))
    } catch (error) {
      const gone = isMillraceError(error, 'NotFound') && (error.cause as { name?: unknown } | undefined)?.name !== 'NoSuchBucket'
      if (!gone) throw error
    }
  }

  async function removeBatch(batch: readonly RemoteName[], signal: AbortSignal | undefined): Promise<readonly DeleteResult[]> {
    const [first] = batch
    if (first === undefined) return []
    const command = new sdk.DeleteObjectsCommand({ Bucket: first.container, Delete: { Quiet: true, Objects: batch.map(({ key }) => ({ Key: key })) }, ...payer })
    command.middlewareStack.add(next => async args => next(await withMd5(args)), { step: 'build', name: 'millraceContentMd5' })
    try {
      const { Errors = [] } = await send<DeleteObjectsCommandOutput>({ ...first, uri: `s3://${first.container}/` }, 'deleteMany', signal, command)
      const refused = new Map(Errors.map(error => [error.Key, error]))
      return batch.map(({ uri, key }) => {
        const error = refused.get(key)
        if (error === undefined || error.Code === 'NoSuchKey') return { uri }
        return { uri, error: errorOf({ name: error.Code, message: error.Message ?? '', $metadata: { httpStatusCode: statusFor(error.Code) } }, 'deleteMany', uri) }
      })
    } catch (error) {
      signal?.throwIfAborted()
      if (isMillraceError(error, 'Unsupported')) return removeOneByOne(batch, signal) // not all servers have it
      return batch.map(({ uri }) => ({ uri, error: forObject(error, uri) }))
    }
  }

  function removeOneByOne(batch: readonly RemoteName[], signal: AbortSignal | undefined): Promise<readonly DeleteResult[]> {
    return inParallel(batch, SINGLES_AT_ONCE, async (name): Promise<DeleteResult> => {
      try {
        await remove(name, 'deleteMany', signal)
        return { uri: name.uri }
      } catch (error) {
        signal?.throwIfAborted()
        return { uri: name.uri, error }
      }
    })
  }

  return {
    delete: (name, { signal }) => remove(name, 'delete', signal),

    async deleteMany(names, { signal }) {
      signal?.throwIfAborted()
      const { batches, singles } = sortOut(names)
      const found = new Map<string, DeleteResult>()
      for (const results of await inParallel(batches, BATCHES_AT_ONCE, batch => removeBatch(batch, signal))) {
        for (const result of results) found.set(result.uri, result)
      }
      for (const result of await removeOneByOne(singles, signal)) found.set(result.uri, result)
      return names.map(({ uri }) => found.get(uri) ?? { uri })
    }
  }
}

/** Names that go together, each once, and those that go alone. */
function sortOut(names: readonly RemoteName[]): { batches: RemoteName[][]; singles: RemoteName[] } {
  const seen = new Set<string>()
  const open = new Map<string, RemoteName[]>()
  const batches: RemoteName[][] = []
  const singles: RemoteName[] = []
  for (const name of names) {
    if (seen.has(name.uri)) continue
    seen.add(name.uri)
    if (NOT_IN_XML.test(name.key)) {
      singles.push(name)
      continue
    }
    let batch = open.get(name.container)
    if (batch === undefined || batch.length === BATCH) {
      batch = []
      open.set(name.container, batch)
      batches.push(batch)
    }
    batch.push(name)
  }
  return { batches, singles }
}

/** Errors of single keys have no status of their own. */
function statusFor(code: string | undefined): number {
  return code === 'AccessDenied' ? 403 : code === 'InternalError' ? 500 : code === 'SlowDown' ? 503 : 400
}

/** What went wrong with all of a batch went wrong with each of it. */
function forObject(error: unknown, uri: string): unknown {
  if (!isMillraceError(error)) return error
  const { kind, message, status, attempts, cause } = error
  const told = { ...(status === undefined ? {} : { status }), ...(attempts === undefined ? {} : { attempts }) }
  return new MillraceError(kind, message, { uri, operation: 'deleteMany', cause, ...told })
}

/** Older servers want this checksum of the list, and no other. */
async function withMd5<Args extends { request?: unknown }>(args: Args): Promise<Args> {
  const host = globalThis.process as { getBuiltinModule?: (name: string) => unknown } | undefined // without an import: this is loaded anywhere
  const crypto = host?.getBuiltinModule?.('node:crypto') as typeof import('node:crypto') | undefined
  const request = args.request as { readonly body?: unknown; readonly headers: Record<string, string> }
  if (crypto !== undefined && (typeof request.body === 'string' || ArrayBuffer.isView(request.body))) {
    try {
      request.headers['content-md5'] = crypto.createHash('md5').update(request.body as string).digest('base64')
    } catch {} // where MD5 is forbidden (FIPS), servers that want it cannot be had
  }
  return args
}
