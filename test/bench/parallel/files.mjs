import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, open, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { millrace } from '../package.mjs'

/** A folder of files for one part of a suite. `remove()` deletes it. */
export async function folder() {
  const path = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

/** `count` TFRecord files alike, of `records` Examples with an `image` of so many bytes and an int64 `label`. */
export async function recordFiles({ path }, name, { count, records, bytes }) {
  const { encodeExample, writeTfrecord } = await millrace()
  const distinct = Array.from({ length: Math.min(16, records) }, (_, i) => encodeExample({ image: noise(bytes, i), label: BigInt(i) }))
  const first = join(path, `${name}-0000.tfrecord`)
  await writeTfrecord(first, cycle(distinct, records))
  return copies(first, count, { rows: count * records, bytes, pattern: join(path, `${name}-*.tfrecord`) })
}

/** `count` NPZ files alike, each with one array `x` of so many bytes, stored. */
export async function npzFiles({ path }, name, { count, bytes }) {
  const { writeNpz } = await millrace()
  const first = join(path, `${name}-0000.npz`)
  await writeNpz(first, { x: { dtype: 'uint8', shape: [bytes], data: noise(bytes, 1) } })
  return copies(first, count, { rows: count, bytes, pattern: join(path, `${name}-*.npz`) })
}

async function copies(first, count, facts) {
  const paths = [first]
  for (let i = 1; i < count; i++) {
    const path = first.replace('-0000.', `-${String(i).padStart(4, '0')}.`)
    await copyFile(first, path)
    paths.push(path)
  }
  return { ...facts, paths, fileBytes: (await stat(first)).size * count }
}

function* cycle(records, count) {
  for (let i = 0; i < count; i++) yield records[i % records.length]
}

function noise(length, seed) {
  const bytes = new Uint8Array(length)
  let state = seed + 1
  for (let i = 0; i < length; i++) {
    state = Math.imul(state, 1103515245) + 12345 | 0
    bytes[i] = state >>> 24
  }
  return bytes
}

/** Makes the system forget what it keeps of the files in memory; false where it cannot be asked to (GNU dd asks Linux). */
export async function forget(paths) {
  try {
    for (const path of paths) {
      const file = await open(path, 'r+')
      await file.sync()
      await file.close()
      await promisify(execFile)('dd', [`if=${path}`, 'iflag=nocache', 'count=0'])
    }
    return true
  } catch {
    return false
  }
}
