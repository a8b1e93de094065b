import type { MaybePromise } from '../../types.js'
import { chain, isPromise } from '../../util/promise.js'
import type { ReadService } from '../remote/service.js'
import { atObject, hinted, type Authorization } from './authorization.js'
import type { GcsEndpoint } from './endpoint.js'
import { gcsFault } from './faults.js'

/**
 * How objects are read: `GET …/o/<object>?alt=media` of the JSON API. The version of an object is its generation, and a read of a
 * version asks for it with `ifGenerationMatch`, so that any other object under the name is an error (412) and never bytes.
 *
 * Objects that are stored compressed (`contentEncoding: gzip`) come as they are stored: GCS decompresses them, without their length, for
 * whoever does not accept gzip (https://cloud.google.com/storage/docs/transcoding).
 */
export function gcsReads(endpoint: GcsEndpoint, authorization: Authorization, userProject: string | undefined): ReadService {
  const payer = userProject === undefined ? '' : `&userProject=${encodeURIComponent(userProject)}`

  function headersFor(uri: string, signal: AbortSignal): MaybePromise<Readonly<Record<string, string>>> {
    const headers = authorization.headers(signal)
    return isPromise(headers) ? (headers as Promise<Readonly<Record<string, string>>>).catch((error: unknown) => { throw atObject(error, uri, 'read') }) : headers
  }

  return {
    scheme: 'gs',

    request({ uri, container, key }, range, version, signal) {
      const generation = version === undefined ? '' : `&ifGenerationMatch=${encodeURIComponent(version)}`
      const path = `${endpoint.path}/storage/v1/b/${container}/o/${encodeURIComponent(key)}?alt=media${generation}${payer}`
      return chain(headersFor(uri, signal), headers => ({
        method: 'GET',
        origin: endpoint.origin,
        path,
        headers: {
          ...headers,
          'accept-encoding': 'gzip',
          ...(range === undefined ? {} : { range: `bytes=${range.first}-${range.last ?? ''}` })
        }
      }))
    },

    versionHeader: 'x-goog-generation',
    versionOf: reply => reply.header('x-goog-generation'),

    checksumsOf: reply => hashesOf(reply.header('x-goog-hash')),

    refuse(reply) {
      const sent = reply.header('content-encoding') ?? 'identity'
      const stored = reply.header('x-goog-stored-content-encoding') ?? sent
      if (sent === stored) return undefined
      return `the object is stored with the encoding ${JSON.stringify(stored)}, and came with ${JSON.stringify(sent)}: something on the way has changed it`
    },

    faultOf(reply, body) {
      const fault = gcsFault(reply.status, body)
      if (reply.status === 412) return { ...fault, kind: 'Changed' }
      return hinted(fault, reply.status, authorization)
    },

    async refresh(_fault, _reply, { uri }, signal) {
      await authorization.refresh(signal).catch((error: unknown) => { throw atObject(error, uri, 'read') })
    }
  }
}

/** `crc32c=yZRlqg==,md5=XrY7u+Ae7tCTyyK7j1rNww==`, which may come in one header or in two. */
export function hashesOf(header: string | undefined): Readonly<Record<string, string>> {
  const hashes: Record<string, string> = {}
  for (const [, algorithm, hash] of (header ?? '').matchAll(/\b(crc32c|md5)=([A-Za-z0-9+/]+=*)/g)) hashes[algorithm as string] = hash as string
  return hashes
}
