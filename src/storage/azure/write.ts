import type { BlobRequestConditions, BlockBlobClient } from '@azure/storage-blob'
import { MillraceError } from '../../errors.js'
import type { ObjectMeta, ObjectWriter, WriteOptions } from '../../store.js'
import { checkConditions } from '../checks.js'
import { multipartWriter, type Upload } from '../remote/multipart-writer.js'
import type { AzureCall, Where } from './call.js'
import type { AzureControlSetting } from './options.js'
import { versionOfEtag } from './reader.js'

const DEFAULT_TYPE = 'application/octet-stream'
const MOST_BLOCKS = 50_000

/** Writes a blob whole. The service compares the MD5, and keeps it. */
export async function putBlob(client: BlockBlobClient, call: AzureCall, where: Where, bytes: Uint8Array, options: WriteOptions, signal = options.signal): Promise<ObjectMeta> {
  const { metadata, contentType = DEFAULT_TYPE } = options
  const written = await call(where, signal, abortSignal => client.upload(bytes, bytes.byteLength, {
    abortSignal, conditions: conditionsOf(options), metadata: { ...metadata },
    blobHTTPHeaders: { blobContentType: contentType, blobContentMD5: md5Hash().update(bytes).digest() }
  }), bytes.byteLength)
  return metaOf(where.uri, bytes.byteLength, written)
}

/**
 * A writer that stages blocks and commits them at the end. Blocks that are not committed are in no listing and cannot be read; the service
 * has no way to take them back, and drops them after a week.
 */
export function blobWriter(client: BlockBlobClient, call: AzureCall, where: Where, options: WriteOptions, { partSize, uploadConcurrency }: AzureControlSetting): ObjectWriter {
  const { metadata, contentType = DEFAULT_TYPE } = options
  return multipartWriter<number>(where.uri, {
    partSize,
    concurrency: uploadConcurrency,
    maxParts: MOST_BLOCKS,
    put: (bytes, signal) => putBlob(client, call, where, bytes, options, signal),
    async begin() {
      const id = blockId()
      const whole = md5Hash()
      let hashed = 0
      let size = 0
      const upload: Upload<number> = {
        async part(number, bytes, signal) {
          if (number === hashed + 1) { // parts are begun in their order
            whole.update(bytes)
            hashed = number
          }
          size += bytes.byteLength
          const transactionalContentMD5 = md5Hash().update(bytes).digest()
          await call(where, signal, abortSignal => client.stageBlock(id(number), bytes, bytes.byteLength, { abortSignal, transactionalContentMD5 }), bytes.byteLength)
          return number
        },
        async complete(parts, signal) {
          const md5 = hashed === parts.length ? { blobContentMD5: whole.digest() } : {}
          const written = await call(where, signal, abortSignal => client.commitBlockList(parts.map(id), {
            abortSignal, conditions: conditionsOf(options), metadata: { ...metadata }, blobHTTPHeaders: { blobContentType: contentType, ...md5 }
          }))
          return metaOf(where.uri, size, written)
        },
        abort: () => Promise.resolve()
      }
      return upload
    }
  }, options.signal)
}

/** @throws TypeError for options that contradict each other, MillraceError `Unsupported` for metadata that would come back as something else. */
export function checkWriteOptions(where: Where, options: WriteOptions): void {
  checkConditions(where.operation, options)
  const { metadata = {} } = options
  for (const [name, value] of Object.entries(metadata)) {
    if (!/^[a-z_][a-z0-9_]*$/.test(name)) {
      throw new MillraceError('Unsupported', `${where.operation} ${where.uri}: Azure takes no metadata named ${JSON.stringify(name)}; lower case letters, digits and _ are possible`, where)
    }
    if (!/^([!-~]([ -~]*[!-~])?)?$/.test(value)) {
      throw new MillraceError('Unsupported', `${where.operation} ${where.uri}: Azure does not take this value of the metadata ${name}: printable ASCII without blanks at the ends is possible; encode it`, where)
    }
  }
}

export function conditionsOf({ ifAbsent, ifVersion }: WriteOptions): BlobRequestConditions {
  if (ifAbsent === true) return { ifNoneMatch: '*' }
  return ifVersion === undefined ? {} : { ifMatch: `"${ifVersion}"` }
}

/** Names of blocks, of equal length, that no other upload of the same blob uses. */
export function blockId(): (number: number) => string {
  const upload = Array.from(crypto.getRandomValues(new Uint8Array(12)), byte => byte.toString(16).padStart(2, '0')).join('')
  return number => btoa(`${upload}-${String(number).padStart(6, '0')}`)
}

/** What the service says of a blob that was written. */
export function metaOf(uri: string, size: number, { etag, lastModified }: { readonly etag?: string; readonly lastModified?: Date }): ObjectMeta {
  return { uri, size, version: versionOfEtag(etag) ?? '', ...(lastModified === undefined ? {} : { modified: lastModified.getTime() }) }
}

interface Hash {
  update(bytes: Uint8Array): Hash
  digest(): Uint8Array
}

export function md5Hash(): Hash {
  const host = globalThis.process as { getBuiltinModule?: (name: string) => unknown } | undefined // without an import: this is loaded anywhere
  const crypto = host?.getBuiltinModule?.('node:crypto') as { createHash(algorithm: 'md5'): Hash } | undefined
  if (crypto === undefined) throw new MillraceError('Unsupported', 'az:// needs Node', { operation: 'write' })
  return crypto.createHash('md5')
}
