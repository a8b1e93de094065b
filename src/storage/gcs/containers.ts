import { MillraceError } from '../../errors.js'
import type { Containers } from '../../store.js'
import type { GcsApi } from './api.js'
import { jsonBody } from './resource.js'
import { locateGcs } from './name.js'

/** The buckets of a project. */
export function gcsContainers(api: GcsApi, pageSize: number, projectId: () => Promise<string>): Containers {
  function bucketOf(uri: string, operation: string): string {
    const { container, key } = locateGcs(uri, operation, 'prefix')
    if (key !== '') throw new MillraceError('InvalidUri', `${operation} ${uri}: name the bucket alone, gs://${container}/`, { uri, operation })
    return container
  }

  return {
    async *list({ signal } = {}) {
      const place = { uri: 'gs://', operation: 'list' }
      const project = await projectId()
      let pageToken: string | undefined
      do {
        const { json } = await api.call(place, {
          method: 'GET', path: '/storage/v1/b', query: { project, pageToken, maxResults: String(pageSize), fields: 'items(name),nextPageToken' }, repeatable: true
        }, signal)
        const { items = [], nextPageToken } = (json ?? {}) as { items?: readonly { name: string }[], nextPageToken?: string }
        for (const { name } of items) yield `gs://${name}/`
        if (nextPageToken !== undefined && nextPageToken === pageToken) throw new MillraceError('Unavailable', 'list gs://: the listing goes round in circles', place)
        pageToken = nextPageToken === '' ? undefined : nextPageToken
      } while (pageToken !== undefined)
    },

    async create(uri, { signal } = {}) {
      const name = bucketOf(uri, 'create')
      const project = await projectId()
      // Sent again it would find what it has made, and say that it was there.
      const request = { method: 'POST', path: '/storage/v1/b', query: { project }, ...jsonBody({ name }), repeatable: false } as const
      await api.call({ uri: `gs://${name}/`, operation: 'create' }, request, signal)
    },

    async delete(uri, { signal } = {}) {
      const name = bucketOf(uri, 'delete')
      await api.call({ uri: `gs://${name}/`, operation: 'delete' }, { method: 'DELETE', path: `/storage/v1/b/${name}`, repeatable: false }, signal)
    }
  }
}
