import { MillraceError } from '../../errors.js'
import type { ObjectMeta, ObjectStat, WriteOptions } from '../../store.js'
import type { ApiPlace } from './api.js'

/** Fields of an object in the JSON API that {@link metaOf} needs: listings ask for no others. */
export const META_FIELDS = 'name,size,generation,timeCreated'

/** An object as the JSON API tells of it. Numbers of 64 bits are strings. */
export interface GcsObject {
  readonly name: string
  readonly size: number
  readonly generation: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** The object in a reply. @throws MillraceError `Unavailable` when there is none */
export function objectIn(place: ApiPlace, json: unknown): GcsObject {
  const fields = (json ?? {}) as Readonly<Record<string, unknown>>
  const { name, size = '0', generation } = fields
  const bytes = Number(size)
  if (typeof name !== 'string' || typeof generation !== 'string' || !Number.isSafeInteger(bytes)) {
    throw new MillraceError('Unavailable', `${place.operation} ${place.uri}: the reply tells of no object; is this the JSON API of Google Cloud Storage?`, { ...place })
  }
  return { name, size: bytes, generation, fields }
}

/** `uri` is that of the object. The version is the generation, which every write of the bytes makes anew. */
export function metaOf(uri: string, { size, generation, fields }: GcsObject): ObjectMeta {
  const created = typeof fields['timeCreated'] === 'string' ? Date.parse(fields['timeCreated']) : NaN
  return { uri, size, version: generation, ...(Number.isNaN(created) ? {} : { modified: created }) }
}

/** What {@link statOf} shows under the names of GCS. */
const MORE = [
  'metageneration', 'etag', 'storageClass', 'contentEncoding', 'contentLanguage', 'contentDisposition', 'cacheControl', 'updated', 'componentCount', 'kmsKeyName'
]

export function statOf(uri: string, object: GcsObject): ObjectStat {
  const { contentType, metadata, crc32c, md5Hash, ...rest } = object.fields
  const checksums = texts({ crc32c, md5: md5Hash })
  const more = texts(Object.fromEntries(MORE.map(name => [name, rest[name]])))
  return {
    ...metaOf(uri, object),
    ...(typeof contentType === 'string' ? { contentType } : {}),
    ...(typeof metadata === 'object' && metadata !== null ? { metadata: texts(metadata as Readonly<Record<string, unknown>>) } : {}),
    ...(Object.keys(checksums).length > 0 ? { checksums } : {}),
    ...(Object.keys(more).length > 0 ? { more } : {})
  }
}

function texts(record: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).flatMap(([name, value]) => (typeof value === 'string' || typeof value === 'number' ? [[name, String(value)]] : [])))
}

/** The condition of a write, as a parameter of its request. */
export function conditionOf({ uri, operation }: ApiPlace, { ifAbsent = false, ifVersion }: WriteOptions): { readonly ifGenerationMatch?: string } {
  if (ifAbsent && ifVersion !== undefined) throw new TypeError(`${operation}: give ifAbsent or ifVersion, not both`)
  if (ifAbsent) return { ifGenerationMatch: '0' }
  if (ifVersion === undefined) return {}
  if (!/^[1-9]\d*$/.test(ifVersion)) {
    throw new MillraceError('Precondition', `${operation} ${uri}: ifVersion ${JSON.stringify(ifVersion)} is no generation of an object`, { uri, operation })
  }
  return { ifGenerationMatch: ifVersion }
}

interface Description {
  readonly contentType: string
  readonly metadata?: Readonly<Record<string, string>>
}

/** What a write says of the object beside its bytes. */
export function describe({ operation }: Pick<ApiPlace, 'operation'>, { contentType = 'application/octet-stream', metadata }: WriteOptions): Description {
  // It becomes a line of a header.
  if (!/^[\x20-\x7e]+$/.test(contentType)) throw new TypeError(`${operation}: contentType must be a media type such as text/plain`)
  return { contentType, ...(metadata === undefined ? {} : { metadata }) }
}

/** A JSON body. */
export function jsonBody(value: unknown): { readonly headers: Readonly<Record<string, string>>, readonly body: readonly Uint8Array[] } {
  return { headers: { 'content-type': 'application/json' }, body: [new TextEncoder().encode(JSON.stringify(value))] }
}

/** The path of an object in the API. */
export function objectPath({ container, key }: { readonly container: string, readonly key: string }): string {
  return `/storage/v1/b/${container}/o/${encodeURIComponent(key)}`
}
