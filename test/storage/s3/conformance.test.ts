import { afterAll, beforeAll, describe, test } from '@jest/globals'
import { s3Store, type S3StoreOptions } from '../../../src/storage/s3/store.js'
import { storeConformance, type StoreFeature, type StoreFixture } from '../../../src/testing/store.js'
import { startS3Fake } from '../../servers/s3-fake.js'
import { startServer } from '../../servers/start.js'

interface Server { readonly url: string; stop(): Promise<void> }

const credentials = { accessKeyId: 'test', secretAccessKey: 'testsecret' }
const partSize = 5 << 20
let places = 0

function conforms(start: () => Promise<Server>, options: S3StoreOptions, lacks: readonly StoreFeature[] = [], leaveOut?: RegExp): void {
  let server: Server
  let store: ReturnType<typeof s3Store>
  beforeAll(async () => {
    server = await start()
    store = s3Store({ endpoint: server.url, region: 'us-east-1', credentials, partSize, ...options })
    await store.containers?.create('s3://bucket/')
  }, 60_000)
  afterAll(async () => {
    await store.close()
    await server.stop()
  })
  const fixture = (): StoreFixture => ({ store, prefix: `s3://bucket/${places++}/`, partSize, container: `s3://another-${places}/`, lacks })
  for (const { name, run } of storeConformance(fixture).filter(each => leaveOut?.test(each.name) !== true)) test(name, run, 60_000)
}

async function strict(): Promise<Server> {
  const fake = await startS3Fake()
  return { url: fake.url, stop: () => fake.close() }
}

describe('a strict server, with signatures of our own', () => conforms(strict, {}))
describe('a strict server, with signatures of the SDK', () => conforms(strict, { signing: 'sdk' }))

// It takes no notice of conditions of writes, keeps no checksums, and orders names as a dictionary does, but goes on with the next page as bytes are ordered.
describe('fauxqs', () => conforms(() => startServer('fauxqs'), {}, ['ifAbsent', 'ifVersion', 'conditional copy', 'verify'], /more than a page/))
