import { MillraceError } from '../../errors.js'
import type { DeleteResult, DirectoryPage, ObjectMeta, RequestOptions, WriteOptions } from '../../store.js'
import { inParallel } from '../../util/parallel.js'
import { multipartWriter } from '../remote/multipart-writer.js'
import type { RemoteName, ServiceControl } from '../remote/service.js'
import { compareBytes } from '../uri.js'
import type { ApiPlace, ApiReply, GcsApi } from './api.js'
import { gcsContainers } from './containers.js'
import { META_FIELDS, conditionOf, jsonBody, metaOf, objectIn, objectPath, statOf, type GcsObject } from './resource.js'
import { gcsUploads } from './upload.js'

export interface ControlOptions {
  /** Bytes of a part of an upload. */
  readonly partSize: number
  /** Objects in a page of a listing. */
  readonly pageSize: number
  /** The project that buckets are made in and listed of. */
  projectId(): Promise<string>
}

/** Deletes that are under way at a time. */
const DELETES = 24

/** What a copy keeps of the original. */
const KEPT = ['contentType', 'metadata', 'contentEncoding', 'contentLanguage', 'contentDisposition', 'cacheControl']

/** Everything but reading, through the JSON API. */
export function gcsControl(api: GcsApi, { partSize, pageSize, projectId }: ControlOptions): ServiceControl {
  const uploads = gcsUploads(api, partSize)

  async function stat(name: RemoteName, { signal }: RequestOptions): Promise<ApiReply> {
    return api.call({ uri: name.uri, operation: 'stat' }, { method: 'GET', path: objectPath(name), query: { projection: 'noAcl' }, repeatable: true }, signal)
  }

  async function remove(name: RemoteName, operation: string, signal: AbortSignal | undefined): Promise<void> {
    await api.call({ uri: name.uri, operation }, { method: 'DELETE', path: objectPath(name), accept: [404], repeatable: true }, signal)
  }

  /** The pages of a listing, in the byte order of the names. */
  async function* pages(prefix: RemoteName, operation: string, delimiter: string | undefined, signal: AbortSignal | undefined): AsyncGenerator<Page> {
    const place = { uri: prefix.uri, operation }
    let pageToken: string | undefined
    let last: string | undefined
    do {
      const { json } = await api.call(place, {
        method: 'GET',
        path: `/storage/v1/b/${prefix.container}/o`,
        query: {
          ...(prefix.key === '' ? {} : { prefix: prefix.key }),
          delimiter, pageToken,
          maxResults: String(pageSize),
          projection: 'noAcl',
          fields: `items(${META_FIELDS}),nextPageToken${delimiter === undefined ? '' : ',prefixes'}`
        },
        repeatable: true
      }, signal)
      const page = pageIn(place, json)
      for (const { name } of page.items) {
        if (last !== undefined && compareBytes(last, name) >= 0) throw circles(place, `${JSON.stringify(name)} comes behind ${JSON.stringify(last)}`)
        last = name
      }
      yield page
      if (page.next !== undefined && page.next === pageToken) throw circles(place, 'the token of the next page is that of this one')
      pageToken = page.next
      signal?.throwIfAborted()
    } while (pageToken !== undefined)
  }

  return {
    async stat(name, options) {
      const { json } = await stat(name, options)
      return statOf(name.uri, objectIn({ uri: name.uri, operation: 'stat' }, json))
    },

    async *list(prefix, { signal }) {
      for await (const { items } of pages(prefix, 'list', undefined, signal)) {
        const page = items.map(item => listed(prefix, item))
        if (page.length > 0) yield page
      }
    },

    async *listDirectory(prefix, { signal }) {
      for await (const { items, prefixes } of pages(prefix, 'listDirectory', '/', signal)) {
        const page: DirectoryPage = { objects: items.map(item => listed(prefix, item)), prefixes: prefixes.map(key => `gs://${prefix.container}/${key}`) }
        if (page.objects.length + page.prefixes.length > 0) yield page
      }
    },

    put: (name, bytes, options) => uploads.put(name, bytes, options),

    async createWriter(name, options) {
      return multipartWriter(name.uri, uploads.service(name, options), options.signal)
    },

    async delete(name, { signal }) {
      await remove(name, 'delete', signal)
    },

    async deleteMany(names, { signal }) {
      return inParallel(names, DELETES, async (name): Promise<DeleteResult> => {
        try {
          await remove(name, 'deleteMany', signal)
          return { uri: name.uri }
        } catch (error) {
          signal?.throwIfAborted()
          return { uri: name.uri, error }
        }
      })
    },

    async copy(from, to, options) {
      const place = { uri: from.uri, operation: 'copy' }
      const condition = conditionOf({ uri: to.uri, operation: 'copy' }, options)
      const told = await description(from, options, place)
      let rewriteToken: string | undefined
      for (;;) {
        const { json } = await api.call(place, {
          method: 'POST',
          path: `${objectPath(from)}/rewriteTo${objectPath(to).slice('/storage/v1'.length)}`,
          query: { ...condition, rewriteToken, projection: 'noAcl' },
          ...(told === undefined ? {} : jsonBody(told)),
          repeatable: condition.ifGenerationMatch === undefined
        }, options.signal)
        const { done, resource, rewriteToken: next } = (json ?? {}) as { done?: unknown, resource?: unknown, rewriteToken?: unknown }
        if (done === true) return metaOf(to.uri, objectIn(place, resource))
        if (typeof next !== 'string' || next === '') {
          throw new MillraceError('Unavailable', `copy ${from.uri}: the reply says neither that the copy is made nor how to go on`, place)
        }
        rewriteToken = next
      }
    },

    containers: gcsContainers(api, pageSize, projectId),
    close: () => api.close()
  }

  /** What the copy is to say of itself, when that is not what the original says: GCS takes all of it or nothing. */
  async function description(from: RemoteName, { contentType, metadata, signal }: WriteOptions, place: ApiPlace): Promise<object | undefined> {
    if (contentType === undefined && metadata === undefined) return undefined
    const { fields } = objectIn(place, (await stat(from, { signal })).json)
    const kept = Object.fromEntries(KEPT.map(key => [key, fields[key]]))
    return { ...kept, ...(contentType === undefined ? {} : { contentType }), ...(metadata === undefined ? {} : { metadata }) }
  }
}

function listed({ container }: RemoteName, object: GcsObject): ObjectMeta {
  return metaOf(`gs://${container}/${object.name}`, object)
}

function circles(place: ApiPlace, why: string): MillraceError {
  return new MillraceError('Unavailable', `${place.operation} ${place.uri}: the listing goes round in circles: ${why}`, { ...place })
}

interface Page {
  readonly items: readonly GcsObject[]
  readonly prefixes: readonly string[]
  readonly next: string | undefined
}

function pageIn(place: ApiPlace, json: unknown): Page {
  if (typeof json !== 'object' || json === null) {
    throw new MillraceError('Unavailable', `${place.operation} ${place.uri}: the reply is no listing; is this the JSON API of Google Cloud Storage?`, { ...place })
  }
  const { items = [], prefixes = [], nextPageToken } = json as { items?: unknown[], prefixes?: string[], nextPageToken?: unknown }
  return { items: items.map(item => objectIn(place, item)), prefixes, next: typeof nextPageToken === 'string' && nextPageToken !== '' ? nextPageToken : undefined }
}
