/** In children: bytes of rows per second, as batches of 128, and what bounds them. */
import { openSync, readSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { inflateRaw } from 'node:zlib'
import { medianPass } from '../harness/measure.mjs'
import { millrace } from '../package.mjs'
import { BATCH, WIDTH } from './files.mjs'

const PASSES = { warmUp: 1, passes: 3 }

/** Bytes of rows per second of a dataset of batches, which are released. `leaf` takes an array of a batch, to look at. */
async function rateOf({ rows, bytes }, dataset, leaf, released = true) {
  const { release } = await millrace()
  const pass = async () => {
    let seen = 0
    let sum = 0
    for await (const batch of dataset) {
      const { shape, data } = leaf(batch)
      seen += shape[0]
      sum += data[0] + data[data.length - 1]
      if (released) release(batch)
    }
    if (seen !== rows) throw new Error(`read ${seen} rows of ${rows}`)
    return sum
  }
  return bytes / await medianPass(pass, PASSES) * 1e9
}

export async function readNpy(file) {
  const { Dataset } = await millrace()
  return rateOf(file, Dataset.npy(file.path).batch(BATCH), batch => batch)
}

export async function readNpyFresh(file) {
  const { Dataset } = await millrace()
  return rateOf(file, Dataset.npy(file.path).batch(BATCH), batch => batch, false)
}

export async function readNpz(file) {
  const { Dataset } = await millrace()
  return rateOf(file, Dataset.npz(file.path).batch(BATCH), ({ xs }) => xs)
}

export async function readHdf5(file) {
  const { Dataset } = await millrace()
  return rateOf(file, Dataset.hdf5(file.path, '/xs').batch(BATCH), batch => batch)
}

/** All rows in random order: the second pass of a fresh iterator, so that nothing is in memory that a first epoch would not have. */
export async function shuffleHdf5(file) {
  const { Dataset } = await millrace()
  return rateOf(file, Dataset.hdf5(file.path, '/xs').shuffle({ seed: 1 }).batch(BATCH), batch => batch)
}

/** Random rows one at a time with h5wasm, as its users read them: as many as take some seconds. */
export async function shuffleH5wasm({ path, rows, bytes }) {
  const { default: h5wasm } = await import('h5wasm/node')
  await h5wasm.ready
  const file = new h5wasm.File(path, 'r')
  const dataset = file.get('/xs')
  const count = Math.min(rows, 500)
  const pass = () => {
    let sum = 0
    let row = 12345
    for (let i = 0; i < count; i++) {
      row = (Math.imul(row, 1103515245) + 12345 >>> 0) % rows
      sum += dataset.slice([[row, row + 1], []])[0]
    }
    return sum
  }
  const rate = bytes / rows * count / await medianPass(pass, PASSES) * 1e9
  file.close()
  return rate
}

/** Rows in order with h5wasm, in slices as long as a chunk. */
export async function readH5wasm({ path, rows, bytes }) {
  const { default: h5wasm } = await import('h5wasm/node')
  await h5wasm.ready
  const file = new h5wasm.File(path, 'r')
  const dataset = file.get('/xs')
  const pass = () => {
    let sum = 0
    for (let row = 0; row < rows; row += 256) sum += dataset.slice([[row, Math.min(rows, row + 256)], []])[0]
    return sum
  }
  const rate = bytes / await medianPass(pass, PASSES) * 1e9
  file.close()
  return rate
}

/** The limit of stored rows: the same batches, in eight arrays that take turns, copied out of memory. */
export function copyRows({ rows, bytes }) {
  const arrays = Array.from({ length: 8 }, () => new Float32Array(BATCH * WIDTH))
  let next = 0
  return copyInto({ rows, bytes }, () => arrays[next++ % arrays.length])
}

/** The same with a fresh array for every batch. */
export function copyRowsFresh({ rows, bytes }) {
  return copyInto({ rows, bytes }, () => new Float32Array(BATCH * WIDTH))
}

async function copyInto({ rows, bytes }, array) {
  const all = new Float32Array(rows * WIDTH).fill(1)
  const pass = () => {
    let sum = 0
    for (let row = 0; row < rows; row += BATCH) {
      const batch = array()
      batch.set(all.subarray(row * WIDTH, Math.min(rows, row + BATCH) * WIDTH))
      sum += batch[0] + batch[batch.length - 1]
    }
    return sum
  }
  return bytes / await medianPass(pass, { warmUp: 2, passes: 5 }) * 1e9
}

/** The limit of deflated members: zlib alone, all members at once on its thread pool, from and to memory. */
export async function inflateMembers({ path, bytes }) {
  const file = readFileSync(path)
  const members = []
  for (let at = file.readUInt32LE(file.length - 6), end = file.length - 22; at < end;) {
    const [nameLength, extraLength, commentLength] = [file.readUInt16LE(at + 28), file.readUInt16LE(at + 30), file.readUInt16LE(at + 32)]
    const local = file.readUInt32LE(at + 42)
    const start = local + 30 + file.readUInt16LE(local + 26) + file.readUInt16LE(local + 28)
    members.push(file.subarray(start, start + file.readUInt32LE(at + 20)))
    at += 46 + nameLength + extraLength + commentLength
  }
  const inflate = promisify(inflateRaw)
  const pass = () => Promise.all(members.map(member => inflate(member, { chunkSize: 1 << 17 })))
  return members.length * bytes / await medianPass(pass, PASSES) * 1e9
}

/** Two members side by side: twice the bytes. */
export async function readDeflatedNpz(file) {
  const { Dataset } = await millrace()
  return 2 * await rateOf(file, Dataset.npz(file.path).batch(BATCH), ({ xs }) => xs)
}

/** The plain read of a file, into one buffer that is used again. */
export async function readPlain({ path, fileBytes }) {
  const buffer = Buffer.alloc(1 << 20)
  const pass = () => {
    const fd = openSync(path)
    while (readSync(fd, buffer) > 0);
  }
  return fileBytes / await medianPass(pass, PASSES) * 1e9
}

/** Images per second through the whole pipeline. */
export async function decodeImages({ pattern, rows, width, height }) {
  const { Dataset } = await millrace()
  const { decodeImage } = await millrace('transforms')
  const dataset = Dataset.raw(pattern).map(decodeImage({ width: 224, height: 224, fit: 'cover', channels: 3 }), { parallel: 16 })
  const pass = async () => {
    let seen = 0
    for await (const { shape } of dataset) seen += shape[0] === 224 ? 1 : 0
    if (seen !== rows) throw new Error(`decoded ${seen} of ${rows} images of ${width} × ${height}`)
  }
  return rows / await medianPass(pass, PASSES) * 1e9
}

/** Images per second of the decoding alone, files in memory. */
export async function decodeInMemory({ paths, rows }) {
  const { Dataset } = await millrace()
  const { decodeImage } = await millrace('transforms')
  const dataset = Dataset.from(paths.map(path => readFileSync(path))).map(decodeImage({ width: 224, height: 224, fit: 'cover', channels: 3 }), { parallel: 8 })
  const pass = () => dataset.forEach(() => undefined)
  return rows / await medianPass(pass, PASSES) * 1e9
}

/** Images per second of sharp itself, files in memory, at the best of several concurrencies. */
export async function sharpImages({ paths, rows }) {
  const { default: sharp } = await import('sharp')
  const files = paths.map(path => readFileSync(path))
  const at = async concurrency => {
    const pass = async () => {
      let next = 0
      const lane = async () => {
        while (next < files.length) {
          await sharp(files[next++]).resize(224, 224, { fit: 'cover' }).removeAlpha().raw().toBuffer()
        }
      }
      await Promise.all(Array.from({ length: concurrency }, lane))
    }
    return rows / await medianPass(pass, PASSES) * 1e9
  }
  let best = 0
  for (const concurrency of [1, 2, 4, 8, 16]) best = Math.max(best, await at(concurrency))
  return best
}
