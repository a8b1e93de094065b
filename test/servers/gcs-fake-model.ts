/** What the GCS fake keeps, and how its API tells of it. */
import { createHash } from 'node:crypto'
import { crc32c } from '../../src/kernels/crc32c.js'

/** A reply with an error, as the JSON API gives it. */
export class GcsError extends Error {
  readonly status: number
  readonly reason: string
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, reason: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.status = status
    this.reason = reason
    this.headers = headers
  }
}

export interface FakeObject {
  readonly bucket: string
  readonly name: string
  readonly bytes: Uint8Array
  readonly generation: string
  readonly created: Date
  /** What the writer said: contentType, contentEncoding, metadata … */
  readonly fields: Readonly<Record<string, unknown>>
}

export const base64Crc32c = (bytes: Uint8Array): string => {
  const word = Buffer.alloc(4)
  word.writeUInt32BE(crc32c(bytes))
  return word.toString('base64')
}
export const base64Md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('base64')

/** Fields that a writer may set. Others are refused: a misspelt one would be lost in silence. */
export const WRITABLE: ReadonlySet<string> = new Set(['name', 'bucket', 'contentType', 'contentEncoding', 'contentLanguage', 'contentDisposition', 'cacheControl', 'metadata', 'crc32c', 'md5Hash', 'storageClass'])

export interface FakeModel {
  readonly buckets: Map<string, Map<string, FakeObject>>
  bucket(name: string): Map<string, FakeObject>
  /** The live object; with a generation, that one or none. */
  find(bucket: string, name: string, query: URLSearchParams): FakeObject
  /** Writes, after all conditions and checksums hold. */
  write(bucket: string, name: string, bytes: Uint8Array, fields: Readonly<Record<string, unknown>>, query: URLSearchParams): FakeObject
  resource(object: FakeObject): Record<string, unknown>
}

export function fakeModel(): FakeModel {
  const buckets = new Map<string, Map<string, FakeObject>>()
  let generations = 0

  /** Microseconds since 1970, as GCS has it, and never the same twice. */
  function nextGeneration(): string {
    generations = Math.max(generations + 1, Date.now() * 1000)
    return String(generations)
  }

  const model: FakeModel = {
    buckets,

    bucket(name) {
      const bucket = buckets.get(name)
      if (bucket === undefined) throw new GcsError(404, 'notFound', 'The specified bucket does not exist.')
      return bucket
    },

    find(bucket, name, query) {
      const object = model.bucket(bucket).get(name)
      const generation = query.get('generation')
      if (object === undefined || (generation !== null && generation !== object.generation)) {
        throw new GcsError(404, 'notFound', `No such object: ${bucket}/${name}`)
      }
      return object
    },

    write(bucket, name, bytes, fields, query) {
      const objects = model.bucket(bucket)
      checkName(name)
      const strange = Object.keys(fields).find(field => !WRITABLE.has(field))
      if (strange !== undefined) throw new GcsError(400, 'invalid', `Unknown name "${strange}": Cannot find field.`)
      checkConditions(objects.get(name), query, 'write')
      checkHashes(bytes, fields['crc32c'], fields['md5Hash'])
      const { crc32c: _crc, md5Hash: _md5, name: _name, bucket: _bucket, ...kept } = fields
      const object: FakeObject = { bucket, name, bytes: new Uint8Array(bytes), generation: nextGeneration(), created: new Date(), fields: kept }
      objects.set(name, object)
      return object
    },

    resource: ({ bucket, name, bytes, generation, created, fields }) => ({
      kind: 'storage#object', id: `${bucket}/${name}/${generation}`, name, bucket, generation, metageneration: '1',
      storageClass: 'STANDARD', ...fields, size: String(bytes.length),
      crc32c: base64Crc32c(bytes), md5Hash: base64Md5(bytes), etag: Buffer.from(generation).toString('base64'),
      timeCreated: created.toISOString(), updated: created.toISOString(), timeStorageClassUpdated: created.toISOString()
    })
  }
  return model
}

/** https://cloud.google.com/storage/docs/objects#naming */
function checkName(name: string): void {
  const length = Buffer.byteLength(name)
  if (length === 0) throw new GcsError(400, 'required', 'Required')
  if (length > 1024) throw new GcsError(400, 'invalid', 'The maximum object length is 1024 characters, but got a name with more.')
  if (/[\r\n]/.test(name) || name === '.' || name === '..' || name.startsWith('.well-known/acme-challenge/')) {
    throw new GcsError(400, 'invalid', `Disallowed object name: '${name}'`)
  }
}

export function checkHashes(bytes: Uint8Array, crc: unknown, md5: unknown): void {
  for (const [label, given, own] of [['CRC32C', crc, base64Crc32c], ['MD5', md5, base64Md5]] as const) {
    if (given !== undefined && given !== own(bytes)) {
      throw new GcsError(400, 'invalid', `Provided ${label} "${String(given)}" doesn't match calculated ${label} "${own(bytes)}".`)
    }
  }
}

/** `ifGenerationMatch` and `ifGenerationNotMatch`, where 0 stands for "there is none". */
export function checkConditions(object: FakeObject | undefined, query: URLSearchParams, what: 'read' | 'write', prefix = ''): void {
  const now = object?.generation ?? '0'
  const match = query.get(prefix === '' ? 'ifGenerationMatch' : `if${prefix}GenerationMatch`)
  const not = query.get(prefix === '' ? 'ifGenerationNotMatch' : `if${prefix}GenerationNotMatch`)
  for (const value of [match, not]) {
    if (value !== null && !/^\d+$/.test(value)) throw new GcsError(400, 'invalid', `Invalid value at 'ifGenerationMatch' (TYPE_INT64), "${value}"`)
  }
  if (match !== null && match !== now) throw failed()
  if (not !== null && not === now) throw what === 'read' ? new GcsError(304, 'notModified', 'Not Modified') : failed()
}

function failed(): GcsError {
  return new GcsError(412, 'conditionNotMet', 'At least one of the pre-conditions you specified did not hold.')
}

/** Keeps of a reply what `fields=items(name,size),nextPageToken` names. */
export function selectFields(value: unknown, fields: string | null): unknown {
  if (fields === null || typeof value !== 'object' || value === null) return value
  const wanted = parseFields(fields)
  const pick = (from: unknown, tree: FieldTree): unknown => {
    if (Array.isArray(from)) return from.map(each => pick(each, tree))
    if (typeof from !== 'object' || from === null || tree === undefined) return from
    return Object.fromEntries(Object.entries(from).filter(([key]) => tree.has(key)).map(([key, inner]) => [key, pick(inner, tree.get(key))]))
  }
  return pick(value, wanted)
}

type FieldTree = Map<string, FieldTree> | undefined

function parseFields(text: string): FieldTree {
  const tree: FieldTree = new Map<string, FieldTree>()
  let depth = 0
  let begin = 0
  for (let i = 0; i <= text.length; i++) {
    if (text[i] === '(') depth++
    else if (text[i] === ')') depth--
    else if ((text[i] === ',' && depth === 0) || i === text.length) {
      const [, name = '', inner] = /^([\w/]+)(?:\((.*)\))?$/.exec(text.slice(begin, i)) ?? []
      if (name === '') throw new GcsError(400, 'invalidParameter', `Invalid field selection ${text}`)
      tree.set(name, inner === undefined ? undefined : parseFields(inner))
      begin = i + 1
    }
  }
  return tree
}
