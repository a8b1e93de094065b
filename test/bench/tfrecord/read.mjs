/** In children: bytes per second of one reader over one file, as dense batches of 128. */
import { closeSync, openSync, read } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { medianPass } from '../harness/measure.mjs'
import { millrace } from '../package.mjs'
import { KINDS } from './files.mjs'

const BATCH = 128

/**
 * Our figure, CRC on, with batches given back when they were used, or without (`kept`). The result has the time to the first batch
 * of the first iteration too.
 */
export async function readMillrace({ file: { path, kind, bytes, count }, kept = false }) {
  const { Dataset, fixedLen, release } = await millrace()
  const { feature, dtype, length } = KINDS[kind]
  const x = dtype === 'float32' ? fixedLen([length], 'float32') : fixedLen([length], dtype, { from: 'bytes' })
  const dataset = Dataset.tfrecord(path).parseExample({ [feature]: x, label: fixedLen([], 'int64') }).batch(BATCH)

  const start = performance.now()
  const iterator = dataset.iterator()
  await iterator.next()
  const firstBatchMs = performance.now() - start
  await iterator.close()

  const pass = async () => {
    let rows = 0
    let labels = 0n
    for await (const batch of dataset) {
      rows += batch.label.data.length
      labels += batch.label.data[0] + BigInt(Math.floor(batch[feature].data[length - 1]))
      if (!kept) release(batch)
    }
    if (rows !== count) throw new Error(`read ${rows} records of ${count}`)
    return labels
  }
  return { rate: bytes / await medianPass(pass, { warmUp: 1, passes: 3 }) * 1e9, firstBatchMs }
}

/** The limit: the file through four reused buffers of 4 MiB, four reads under way, nothing looked at. */
export async function readPlain({ file: { path, bytes } }) {
  const buffers = Array.from({ length: 4 }, () => Buffer.alloc(4 * 2 ** 20))
  const pass = async () => {
    const fd = openSync(path)
    let next = 0
    let total = 0
    const lane = buffer => new Promise((resolve, reject) => {
      const step = () => {
        const at = next
        if (at >= bytes) return resolve()
        next += buffer.length
        read(fd, buffer, 0, buffer.length, at, (error, got) => {
          if (error) return reject(error)
          total += got
          step()
        })
      }
      step()
    })
    await Promise.all(buffers.map(lane))
    closeSync(fd)
    if (total !== bytes) throw new Error(`read ${total} bytes of ${bytes}`)
  }
  return { rate: bytes / await medianPass(pass, { warmUp: 1, passes: 5 }) * 1e9 }
}

/** npm tfrecord: as many records of the file as take about a second. */
export async function readNpmTfrecord({ file: { path, kind, bytes, count }, peers }) {
  const require = createRequire(join(peers, 'package.json'))
  require('fast-crc32c/impls/sse4_crc32c') // without its native part it would be another contender
  const tfrecord = require('tfrecord')
  const { feature, dtype, length } = KINDS[kind]
  const rows = Math.min(count, Math.ceil(50_000_000 / (bytes / count) / BATCH) * BATCH)
  const Values = dtype === 'float32' ? Float32Array : Uint8Array

  const pass = async () => {
    const reader = await tfrecord.createReader(path)
    let labels = 0n
    for (let row = 0; row < rows;) {
      const batch = { x: new Values(BATCH * length), label: new BigInt64Array(BATCH) }
      for (let i = 0; i < BATCH && row < rows; i++, row++) {
        const { feature: features } = (await reader.readExample()).features
        const value = features[feature]
        batch.x.set(dtype === 'float32' ? value.floatList.value : value.bytesList.value[0], i * length)
        const label = features.label.int64List.value[0]
        batch.label[i] = BigInt(typeof label === 'number' ? label : label.toString())
      }
      labels += batch.label[0]
    }
    await reader.close()
    return labels
  }
  return { rate: bytes / count * rows / await medianPass(pass, { warmUp: 1, passes: 3 }) * 1e9 }
}
