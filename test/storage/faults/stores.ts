/** The four stores, in front of one server that speaks their dialects. */
import type { ObjectMeta } from '../../../src/store.js'
import { azureStore } from '../../../src/storage/azure/store.js'
import type { StoreTuning } from '../../../src/storage/config.js'
import { gcsStore } from '../../../src/storage/gcs/store.js'
import { httpStore } from '../../../src/storage/http/store.js'
import type { RemoteStore } from '../../../src/storage/remote/remote-store.js'
import { s3Store } from '../../../src/storage/s3/store.js'
import type { Dialect } from '../../servers/origin.js'

/** What no error may tell, as it is or in base64. */
export const SECRET = 'not-to-be-told'

/** A store that asks `url`. Its credentials can be renewed, since some faults are about that. */
export function storeOf(dialect: Dialect, url: string, tuning: StoreTuning): RemoteStore {
  switch (dialect) {
    case 's3': {
      const keys = { accessKeyId: 'test', secretAccessKey: SECRET }
      return s3Store({ endpoint: url, region: 'us-east-1', forcePathStyle: true, credentials: () => Promise.resolve(keys), ...tuning })
    }
    case 'azure': return azureStore({ endpoint: `${url}/devstoreaccount1`, account: 'devstoreaccount1', key: btoa(SECRET), ...tuning })
    case 'gcs': return gcsStore({ endpoint: url, accessToken: () => SECRET, ...tuning })
    case 'http': return httpStore({ headers: () => ({ authorization: `Bearer ${SECRET}` }), ...tuning })
  }
}

/** The URI of `container/key`. */
export function uriOf(dialect: Dialect, url: string, object: string): string {
  switch (dialect) {
    case 's3': return `s3://${object}`
    case 'azure': return `az://devstoreaccount1/${object}`
    case 'gcs': return `gs://${object}`
    case 'http': return `${url}/plain/${object}`
  }
}

/** What a listing would have said of the first version of an object. */
export function metaOf(dialect: Dialect, uri: string, size: number): ObjectMeta {
  const version = { s3: '"version-1"', azure: 'version-1', gcs: '1700000000000001', http: '"version-1"' }[dialect]
  return { uri, size, version }
}
