import { mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { millrace } from '../package.mjs'

/** Floats in a row, which makes 1 KB of it. */
export const WIDTH = 256
export const BATCH = 128

/** Rows of floats of which gzip leaves a part: numbers near each other, with noise in their lower bits. */
function* blocks(rows, most = 4096) {
  let state = 1
  for (let at = 0; at < rows; at += most) {
    const count = Math.min(most, rows - at)
    const data = new Float32Array(count * WIDTH)
    for (let i = 0; i < data.length; i++) {
      state = Math.imul(state, 1103515245) + 12345 | 0
      data[i] = Math.round(((at * WIDTH + i) % 4096) + (state >>> 22)) / 64
    }
    yield { count, data }
  }
}

/** Writes what the suite reads into a folder of its own. `remove()` deletes it. */
export async function writeFiles({ quick, only, progress }) {
  const { writeHdf5, writeNpz } = await millrace()
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  const wanted = name => name.includes(only)
  const rows = (quick ? 16 : 256) * 1024
  const smaller = rows / 4 // what is compressed takes longer
  const files = {}
  const add = async (name, count, write) => {
    if (!wanted(name)) return
    progress(`writing ${name}`)
    const path = join(folder, name.replaceAll(' ', '-'))
    await write(path)
    files[name] = { path, rows: count, bytes: count * WIDTH * 4, fileBytes: (await stat(path)).size }
  }
  try {
    await add('npy', rows, path => writeNpy(path, rows))
    await add('npz stored', rows / 2, path => writeNpz(path, { xs: whole(rows / 2), ys: labels(rows / 2) }))
    await add('npz deflated', smaller, path => writeNpz(path, { xs: whole(smaller), more: whole(smaller) }, { compression: 'deflate' }))
    for (const [name, options, count] of [
      ['hdf5 contiguous', { chunks: false }, rows],
      ['hdf5 gzip', { chunks: [256, WIDTH], compression: 4, shuffle: false }, smaller],
      ['hdf5 gzip+shuffle', { chunks: [256, WIDTH], compression: 4, shuffle: true }, smaller]
    ]) {
      await add(name, count, path => writeHdf5(path, { '/xs': { data: whole(count), ...options } }))
    }
    if (wanted('jpeg')) {
      progress('writing jpeg')
      files.jpeg = await writeImages(join(folder, 'jpeg'), quick ? 64 : 512)
    }
    return { files, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

function whole(rows) {
  const data = new Float32Array(rows * WIDTH)
  let at = 0
  for (const block of blocks(rows)) {
    data.set(block.data, at)
    at += block.data.length
  }
  return { dtype: 'float32', shape: [rows, WIDTH], data }
}

const labels = rows => ({ dtype: 'int64', shape: [rows], data: BigInt64Array.from({ length: rows }, (_, i) => BigInt(i % 10)) })

/** A writer of one line, so that what is read was not written by what is measured. */
async function writeNpy(path, rows) {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${WIDTH}), }`
  const head = Buffer.alloc(128, ' ')
  head.write('\x93NUMPY\x01\x00', 'latin1')
  head.writeUInt16LE(118, 8)
  head.write(header, 10, 'latin1')
  head.write('\n', 127)
  const file = await open(path, 'w')
  try {
    await file.write(head)
    for (const { data } of blocks(rows)) await file.write(new Uint8Array(data.buffer))
  } finally {
    await file.close()
  }
}

async function writeImages(prefix, count) {
  const { default: sharp } = await import('sharp')
  const [width, height] = [320, 240]
  const paths = []
  let bytes = 0
  for (let k = 0; k < count; k++) {
    const pixels = Buffer.alloc(width * height * 3)
    for (let i = 0; i < pixels.length; i++) pixels[i] = 128 + 90 * Math.sin((i % width) / (10 + k % 17)) + ((i * 2654435761 + k) >>> 28)
    const jpeg = await sharp(pixels, { raw: { width, height, channels: 3 } }).jpeg({ quality: 85 }).toBuffer()
    const path = `${prefix}-${String(k).padStart(4, '0')}.jpg`
    await writeFile(path, jpeg)
    paths.push(path)
    bytes += jpeg.length
  }
  return { paths, pattern: `${prefix}-*.jpg`, rows: count, bytes, width, height }
}
