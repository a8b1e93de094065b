/**
 * How do I read training data from a web server or a bucket, keep it on this machine, and see what was asked for?
 *
 * Stores are made with options, and layers go around them: `cached` keeps what was read, `measured` counts. `httpStore` reads a small server
 * in this program; with `s3Store`, `azureStore` or `gcsStore` in its place everything else stays the same. Objects are copied from any store to any.
 */
// prints: 2 epochs of 400 records; requests for bytes: 4 in the first epoch, 0 in the second
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Dataset, encodeExample, fixedLen, memoryStore, writeTfrecord } from 'millrace'
import { cached, copy, get, httpStore, list, measured, rename } from 'millrace/stores'

// What the server has: four files, written as a program would write them to a bucket.
const bucket = memoryStore()
const records = Array.from({ length: 400 }, (_, i) => encodeExample({ x: new Float32Array([i, i * i]), label: BigInt(i % 2) }))
await writeTfrecord('mem://train/new-{0..3}.tfrecord', records, { store: bucket })
for (const k of [0, 1, 2, 3]) await rename(`mem://train/new-${k}.tfrecord`, `mem://train/part-${k}.tfrecord`, { store: bucket })

async function answer(request, response) {
  const { bytes } = await get(`mem:/${request.url}`, { store: bucket })
  const [, from = 0, to = bytes.length - 1] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []
  const part = bytes.subarray(Number(from), Number(to) + 1)
  const headers = { etag: `"${bytes.length}"`, 'content-range': `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}` }
  response.writeHead(206, { ...headers, 'content-length': part.length }).end(part)
}
const server = createServer((request, response) => void answer(request, response).catch(() => response.writeHead(404).end()))
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const web = `http://127.0.0.1:${server.address().port}/train`

// Two attempts, then an error: the defaults are more patient. Objects of this server never change, so nobody has to ask again.
const remote = httpStore({ pool: { poolSize: 8 }, ranges: { maxAttempts: 2, deadline: 10_000 } })
const store = measured(cached(remote, { memoryBytes: 64 * 2 ** 20, trustFor: Infinity }))
try {
  const train = Dataset.tfrecord(`${web}/part-{0..3}.tfrecord`, { store, index: false })
    .shuffle(100, { seed: 1 })
    .parseExample({ x: fixedLen([2], 'float32'), label: fixedLen([], 'int64') })
    .batch(50)
  const asked = []
  for (let epoch = 0; epoch < 2; epoch++) {
    const before = remote.stats().requests.count
    for await (const { x } of train) if (x.shape[0] !== 50) throw new Error('a batch is too small')
    asked.push(remote.stats().requests.count - before)
  }
  const { open, read } = store.stats().operations
  console.log(`${open.count} files opened, ${read.bytes} bytes read`)

  await copy(`${web}/part-0.tfrecord`, 'mem://kept/part-0.tfrecord', { store, toStore: bucket })
  for await (const { uri, size } of list('mem://kept/', { store: bucket })) console.log(`${uri}: ${size} bytes`)
  console.log(`2 epochs of 400 records; requests for bytes: ${asked[0]} in the first epoch, ${asked[1]} in the second`)
} finally {
  await store.close()
  server.close()
}
