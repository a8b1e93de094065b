import type {
  CompletedPart, CompleteMultipartUploadCommandOutput, CreateMultipartUploadCommandInput, CreateMultipartUploadCommandOutput, PutObjectCommandOutput, UploadPartCommandOutput
} from '@aws-sdk/client-s3'
import { isMillraceError, MillraceError } from '../../errors.js'
import type { ObjectMeta, WriteOptions } from '../../store.js'
import { checkBytes, checkConditions } from '../checks.js'
import { multipartWriter, type Upload, type UploadService } from '../remote/multipart-writer.js'
import type { RemoteName, ServiceControl } from '../remote/service.js'
import { attempt } from './connection.js'
import type { ControlParts } from './control.js'
import { quoted } from './reader.js'

/** Writing: one request for what is small, an upload in parts for the rest. A checksum goes with every request that has bytes. */
export function s3Upload(parts: ControlParts): Pick<ServiceControl, 'put' | 'createWriter'> {
  const { connection: { sdk }, settings, send } = parts

  async function putWhole(name: RemoteName, operation: string, bytes: Uint8Array, options: WriteOptions, signal: AbortSignal | undefined): Promise<ObjectMeta> {
    const command = new sdk.PutObjectCommand({
      ...describe(name, parts, options), ...conditions(options), Body: bytes, ContentLength: bytes.byteLength,
      ...(settings.checksum === undefined ? {} : { ChecksumAlgorithm: settings.checksum })
    })
    const { ETag } = await writing(name, operation, options, () => send<PutObjectCommandOutput>(name, operation, signal, command))
    return written(parts, name, operation, bytes.byteLength, ETag, signal)
  }

  function service(name: RemoteName, operation: string, options: WriteOptions): UploadService<CompletedPart> {
    return {
      partSize: settings.partSize,
      concurrency: settings.uploadConcurrency,
      put: (bytes, signal) => putWhole(name, operation, bytes, options, signal),
      begin: () => beginUpload(parts, name, operation, options, describe(name, parts, options))
    }
  }

  return {
    async put(name, bytes, options) {
      checkConditions('put', options)
      checkBytes('put', bytes)
      const { signal } = options
      if (bytes.byteLength <= settings.partSize) return putWhole(name, 'put', bytes, options, signal)
      const writer = multipartWriter(name.uri, service(name, 'put', options), signal)
      try {
        await writer.write(bytes)
        return await writer.finalize()
      } catch (error) {
        await writer.abort().catch(() => undefined) // the first error is the one to report
        throw error
      }
    },

    async createWriter(name, options) {
      checkConditions('createWriter', options)
      options.signal?.throwIfAborted()
      return multipartWriter(name.uri, service(name, 'write', options), options.signal)
    }
  }
}

/** Begins an upload in parts. `input` says what the object will be. It is aborted when the store is closed before it is completed. */
export function beginUpload(
  parts: ControlParts,
  name: RemoteName,
  operation: string,
  options: WriteOptions,
  input: CreateMultipartUploadCommandInput
): Promise<Upload<CompletedPart> & { readonly id: string }> {
  const { connection, settings, send } = parts
  const { sdk } = connection
  const { checksum } = settings
  const payer = settings.requesterPays ? { RequestPayer: 'requester' as const } : {}
  const target = { Bucket: name.container, Key: name.key, ...payer }

  /** Not with a signal: an upload whose name does not arrive could not be aborted. */
  async function begin(): Promise<Upload<CompletedPart> & { readonly id: string }> {
    const { UploadId: id } = await attempt(operation, name.uri, undefined, () => connection.sendUntied<CreateMultipartUploadCommandOutput>(
      name.container, new sdk.CreateMultipartUploadCommand({ ...input, ...(checksum === undefined ? {} : { ChecksumAlgorithm: checksum, ChecksumType: 'FULL_OBJECT' }) }), undefined))
    if (id === undefined || id === '') {
      throw new MillraceError('Unavailable', `${operation} ${name.uri}: the server began an upload without a name`, { uri: name.uri, operation })
    }
    return uploadOf(id)
  }

  function uploadOf(id: string): Upload<CompletedPart> & { readonly id: string } {
    const forget = connection.keep(abort)
    let size = 0
    let over = false
    let aborting: Promise<void> | undefined

    /** Asked for by the writer and by the store when that is closed. */
    async function abort(): Promise<void> {
      if (over) return
      const command = new sdk.AbortMultipartUploadCommand({ ...target, UploadId: id })
      aborting ??= attempt(operation, name.uri, undefined, () => connection.sendUntied<void>(name.container, command, undefined))
      try {
        await aborting
      } catch (error) {
        aborting = undefined
        if (!isMillraceError(error, 'NotFound')) throw error // it is gone, or done
      }
      over = true
      forget()
    }

    return {
      id,
      abort,
      async part(number, bytes, signal) {
        const output = await send<UploadPartCommandOutput>(name, operation, signal, new sdk.UploadPartCommand({
          ...target, UploadId: id, PartNumber: number, Body: bytes, ContentLength: bytes.byteLength,
          ...(checksum === undefined ? {} : { ChecksumAlgorithm: checksum })
        }))
        size += bytes.byteLength
        return completed(number, output)
      },
      async complete(all, signal) {
        const { ETag } = await writing(name, operation, options, () => send<CompleteMultipartUploadCommandOutput>(name, operation, signal, new sdk.CompleteMultipartUploadCommand({
          ...target, UploadId: id, MultipartUpload: { Parts: [...all] }, ...conditions(options),
          ...(size === 0 ? {} : { MpuObjectSize: size }),
          ...(checksum === undefined ? {} : { ChecksumType: 'FULL_OBJECT' })
        })))
        over = true
        forget()
        return written(parts, name, operation, size, ETag, signal)
      }
    }
  }

  return connection.hold(begin)
}

/** What completing an upload is told of a part. */
export function completed(number: number, part: Pick<UploadPartCommandOutput, 'ETag' | 'ChecksumCRC32' | 'ChecksumCRC32C'> | undefined): CompletedPart {
  const { ETag, ChecksumCRC32, ChecksumCRC32C } = part ?? {}
  return {
    PartNumber: number,
    ...(ETag === undefined ? {} : { ETag }),
    ...(ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 }),
    ...(ChecksumCRC32C === undefined ? {} : { ChecksumCRC32C })
  }
}

/** What an object is, beside its bytes. */
function describe({ container, key }: RemoteName, { settings }: ControlParts, { contentType = 'application/octet-stream', metadata }: WriteOptions): CreateMultipartUploadCommandInput {
  return {
    Bucket: container, Key: key, ContentType: contentType,
    ...(metadata === undefined ? {} : { Metadata: { ...metadata } }),
    ...(settings.requesterPays ? { RequestPayer: 'requester' } : {})
  }
}

export function conditions({ ifAbsent, ifVersion }: WriteOptions): { IfNoneMatch?: string; IfMatch?: string } {
  return { ...(ifAbsent === true ? { IfNoneMatch: '*' } : {}), ...(ifVersion === undefined ? {} : { IfMatch: ifVersion }) }
}

/** An object that is not there is not that version either. */
export async function writing<T>(name: RemoteName, operation: string, { ifVersion }: WriteOptions, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (ifVersion === undefined || !isMillraceError(error, 'NotFound') || (error.cause as { name?: unknown } | undefined)?.name === 'NoSuchBucket') throw error
    throw new MillraceError('Precondition', `${operation} ${name.uri}: there is no object of which ${ifVersion} could be the version`, { uri: name.uri, operation, status: 404, cause: error })
  }
}

/** What was written; the version is asked for where the server did not say it. */
export async function written({ head }: ControlParts, name: RemoteName, operation: string, size: number, tag: string | undefined, signal: AbortSignal | undefined): Promise<ObjectMeta> {
  const version = tag === undefined || tag === '' || tag === '""' ? (await head(name, operation, signal)).ETag ?? '' : tag
  return { uri: name.uri, size, version: quoted(version) }
}
