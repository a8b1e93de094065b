/** The contract suite of the stores against a server of Google's JSON API; started by `run.mjs`. */
import { afterAll, beforeAll, describe, test } from '@jest/globals'
import { gcsStore } from '../../src/storage/gcs/store.js'
import { storeConformance } from '../../src/testing/store.js'

const options = { endpoint: process.env['MILLRACE_SERVER'] ?? '', anonymous: true, projectId: 'test' }
const store = gcsStore(options)
const bucket = `millrace-${Date.now()}`
let cases = 0

beforeAll(() => store.containers?.create(`gs://${bucket}/`), 60_000)
afterAll(() => store.close())

describe('the contract of stores', () => {
  for (const { name, run } of storeConformance(() => ({ store: gcsStore(options), prefix: `gs://${bucket}/case-${cases++}/` }))) test(name, run, 60_000)
})
