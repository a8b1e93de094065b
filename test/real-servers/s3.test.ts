/** The contract suite of the stores against a real S3 server; started by `run.mjs`. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { s3Store } from '../../src/storage/s3/store.js'
import { storeConformance, type StoreFeature } from '../../src/testing/store.js'
import { Rng } from '../../src/util/rng.js'

const { MILLRACE_SERVER: endpoint = '', MILLRACE_SERVER_KEY: accessKeyId = '', MILLRACE_SERVER_SECRET: secretAccessKey = '' } = process.env
const options = { endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } }
const store = s3Store(options)
const bucket = `millrace-${Date.now()}`
let cases = 0
/** What the server does not do, by its own documentation; said by `run.mjs`. */
const LACKS = (process.env['MILLRACE_SERVER_LACKS'] ?? '').split(',').filter(name => name !== '') as StoreFeature[]

beforeAll(() => store.containers?.create(`s3://${bucket}/`), 60_000)
afterAll(async () => {
  const keys: string[] = []
  for await (const page of store.list(`s3://${bucket}/`)) keys.push(...page.map(({ uri }) => uri))
  await store.deleteMany?.(keys)
  await store.containers?.delete(`s3://${bucket}/`)
  await store.close()
}, 120_000)

describe('the contract of stores', () => {
  for (const { name, run } of storeConformance(() => ({ store: s3Store(options), prefix: `s3://${bucket}/case-${cases++}/`, lacks: LACKS }))) test(name, run, 60_000)
})

describe('reads', () => {
  test('64 at a time, of random ranges, are right', async () => {
    const bytes = new Uint8Array(4 << 20).map((_, i) => (i * 31) >> 3)
    await store.put(`s3://${bucket}/soak`, bytes)
    const source = await store.open(`s3://${bucket}/soak`)
    const rng = new Rng([7, 8])
    const reads = Array.from({ length: 1000 }, () => {
      const offset = rng.integer(bytes.length)
      return { offset, length: rng.integer(Math.min(65_536, bytes.length - offset)) + 1 }
    })
    let next = 0
    let wrong = 0
    await Promise.all(Array.from({ length: 64 }, async () => {
      for (let read = reads[next++]; read !== undefined; read = reads[next++]) {
        const into = new Uint8Array(Math.min(read.length, bytes.length - read.offset))
        await source.read(read.offset, into)
        if (Buffer.compare(into, bytes.subarray(read.offset, read.offset + into.length)) !== 0) wrong++
      }
    }))
    await source.close()
    expect(wrong).toBe(0)
  }, 60_000)

  test('with a wrong secret are Denied', async () => {
    const stranger = s3Store({ ...options, credentials: { accessKeyId, secretAccessKey: 'wrong' } })
    await expect(stranger.open(`s3://${bucket}/soak`)).rejects.toMatchObject({ kind: 'Denied' })
    await stranger.close()
  })
})
