import type { CopyObjectCommandOutput, CreateMultipartUploadCommandInput, HeadObjectCommandOutput, UploadPartCopyCommandOutput } from '@aws-sdk/client-s3'
import { isMillraceError, MillraceError } from '../../errors.js'
import type { ObjectMeta, WriteOptions } from '../../store.js'
import { inParallel } from '../../util/parallel.js'
import { checkConditions, checkPrecondition } from '../checks.js'
import type { RemoteName, ServiceControl } from '../remote/service.js'
import type { ControlParts } from './control.js'
import { encodeKey } from './name.js'
import { statOf } from './stat.js'
import { beginUpload, completed, conditions, writing, written } from './upload.js'

/** Parts that are copied side by side; the service does the work. */
const PARTS_AT_ONCE = 8

/**
 * Copying inside the service. The source is looked at first: its size decides how it is copied, and its version is pinned, so that a source
 * that changes meanwhile fails and is not mixed.
 */
export function s3Copy(parts: ControlParts): Pick<ServiceControl, 'copy'> {
  const { connection: { sdk }, settings, send, head } = parts

  async function copyWhole(from: RemoteName, to: RemoteName, source: HeadObjectCommandOutput, options: WriteOptions): Promise<ObjectMeta> {
    const replaced = options.contentType !== undefined || options.metadata !== undefined
    const command = new sdk.CopyObjectCommand({
      ...(replaced ? { ...describe(source, options), MetadataDirective: 'REPLACE' } : {}),
      Bucket: to.container, Key: to.key, CopySource: copySource(from), ...pinned(source), ...conditions(options), ...payer
    })
    const copying = (): Promise<CopyObjectCommandOutput> => send(to, 'copy', options.signal, command)
    const { CopyObjectResult } = await ofSource(from, options, () => writing(to, 'copy', options, copying))
    return written(parts, to, 'copy', source.ContentLength ?? 0, CopyObjectResult?.ETag, options.signal)
  }

  async function copyInParts(from: RemoteName, to: RemoteName, source: HeadObjectCommandOutput, options: WriteOptions): Promise<ObjectMeta> {
    const size = source.ContentLength ?? 0
    const partSize = Math.max(settings.copyPart, Math.ceil(size / 10_000))
    const target = { Bucket: to.container, Key: to.key }
    // Checksums of the parts are computed by the service.
    const upload = await beginUpload(parts, to, 'copy', options, { ...describe(source, options), ...target, ...payer })
    const ranges = Array.from({ length: Math.ceil(size / partSize) }, (_, i) => [i * partSize, Math.min(size, (i + 1) * partSize) - 1] as const)
    const stop = new AbortController()
    const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal])
    try {
      const copied = await inParallel([...ranges.entries()], PARTS_AT_ONCE, async ([i, [first, last]]) => {
        const command = new sdk.UploadPartCopyCommand({
          ...target, UploadId: upload.id, PartNumber: i + 1,
          CopySource: copySource(from), CopySourceRange: `bytes=${first}-${last}`, ...pinned(source), ...payer
        })
        return completed(i + 1, (await ofSource(from, {}, () => send<UploadPartCopyCommandOutput>(to, 'copy', signal, command))).CopyPartResult)
      })
      return { ...await upload.complete(copied, signal), size }
    } catch (error) {
      stop.abort(error)
      await upload.abort().catch(() => undefined) // the first error is the one to report
      throw error
    }
  }

  const payer = settings.requesterPays ? { RequestPayer: 'requester' as const } : {}

  return {
    async copy(from, to, options) {
      checkConditions('copy', options)
      const source = await head(from, 'copy', options.signal)
      const same = from.uri === to.uri && options.contentType === undefined && options.metadata === undefined
      if (same) { // S3 refuses it, and there is nothing to do
        const { uri, size, version } = statOf(from, source)
        checkPrecondition(uri, 'copy', options, version)
        return { uri, size, version }
      }
      return (source.ContentLength ?? 0) > settings.copyWhole ? copyInParts(from, to, source, options) : copyWhole(from, to, source, options)
    }
  }
}

/** Without a condition of the caller, the one that does not hold is that on the source. */
async function ofSource<T>({ uri }: RemoteName, { ifAbsent, ifVersion }: WriteOptions, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (ifAbsent === true || ifVersion !== undefined || !isMillraceError(error, 'Precondition')) throw error
    throw new MillraceError('Changed', `copy ${uri}: it was replaced while it was copied; copy it again`, { uri, operation: 'copy', cause: error })
  }
}

/** What the copy is, where the service is not told to keep all of it. */
function describe(source: HeadObjectCommandOutput, options: WriteOptions): Omit<CreateMultipartUploadCommandInput, 'Bucket' | 'Key'> {
  const { contentType = source.ContentType, metadata = source.Metadata } = options
  const { CacheControl, ContentDisposition, ContentEncoding, ContentLanguage } = source
  return {
    ...(contentType === undefined ? {} : { ContentType: contentType }),
    ...(metadata === undefined ? {} : { Metadata: { ...metadata } }),
    ...(CacheControl === undefined ? {} : { CacheControl }),
    ...(ContentDisposition === undefined ? {} : { ContentDisposition }),
    ...(ContentEncoding === undefined ? {} : { ContentEncoding }),
    ...(ContentLanguage === undefined ? {} : { ContentLanguage })
  }
}

function pinned({ ETag }: HeadObjectCommandOutput): { CopySourceIfMatch?: string } {
  return ETag === undefined ? {} : { CopySourceIfMatch: ETag }
}

/** The header that names the source. It is the one place where the SDK does not encode a key. */
function copySource({ container, key }: RemoteName): string {
  return container.startsWith('arn:') ? encodeKey(`${container}/object/${key}`) : `${container}/${encodeKey(key)}`
}
