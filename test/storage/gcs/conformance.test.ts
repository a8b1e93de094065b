/** The contract of all stores, over the fake; or, with `MILLRACE_TEST_GCS=http://host:port`, over another server with the JSON API. */
import { afterAll, beforeAll, describe, test } from '@jest/globals'
import { gcsStore } from '../../../src/storage/gcs/store.js'
import { storeConformance, type StoreFixture } from '../../../src/testing/store.js'
import { startGcsFake, type GcsFake } from '../../servers/gcs-fake.js'

const other = process.env['MILLRACE_TEST_GCS']
const BUCKET = 'conformance'
const PART = 256 << 10
let fake: GcsFake | undefined
let places = 0

beforeAll(async () => {
  if (other === undefined) fake = await startGcsFake({ buckets: [BUCKET] })
  else await madeIn(gcsStore({ endpoint: other, projectId: 'demo' }))
})
afterAll(() => fake?.close())

async function madeIn(store: ReturnType<typeof gcsStore>): Promise<void> {
  await store.containers?.create(`gs://${BUCKET}/`).catch(() => undefined) // it may be there
  await store.close()
}

function fixture(): StoreFixture {
  const store = gcsStore({ endpoint: other ?? fake?.url, projectId: 'demo', partSize: PART })
  const place = `${Date.now()}-${places++}`
  return {
    store,
    prefix: `gs://${BUCKET}/${place}/`,
    partSize: PART,
    container: `gs://container-${place}/`,
    refuses: name => /[\r\n]/.test(name),
    dispose: () => store.close()
  }
}

describe('gs://', () => {
  for (const { name, run } of storeConformance(fixture)) test(name, run, 60_000)
})
