import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { millrace } from '../package.mjs'

/**
 * What is in the records. `length` counts floats or bytes; every record has an int64 `label` beside it. `share` is the share of the plain
 * read that is the goal.
 */
export const KINDS = {
  '1 KB': { feature: 'x', dtype: 'float32', length: 256, megabytes: 256 },
  '10 KB': { feature: 'image', dtype: 'uint8', length: 10 * 1024, megabytes: 512, share: 0.4 },
  '100 KB': { feature: 'image', dtype: 'uint8', length: 100 * 1024, megabytes: 512, share: 0.4 }
}

/** Different records, which then come round again: making them costs more than reading them. */
const DISTINCT = 64

/** Writes one file for each kind whose name begins with `only`, into a folder of its own. `remove()` deletes it. */
export async function writeFiles({ quick, only, progress }) {
  const { encodeExample, writeTfrecord } = await millrace()
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    const files = []
    for (const [kind, { feature, dtype, length, megabytes }] of Object.entries(KINDS).filter(([kind]) => kind.startsWith(only))) {
      progress(`writing ${kind} records`)
      const records = Array.from({ length: DISTINCT }, (_, i) => encodeExample({ [feature]: values(dtype, length, i), label: BigInt(i) }))
      const count = Math.floor((quick ? 32 : megabytes) * 1e6 / (records[0].length + 16))
      const path = join(folder, `${kind.replace(' ', '-').toLowerCase()}.tfrecord`)
      await writeTfrecord(path, cycle(records, count))
      files.push({ kind, path, count, bytes: (await stat(path)).size })
    }
    return { files, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

function* cycle(records, count) {
  for (let i = 0; i < count; i++) yield records[i % records.length]
}

function values(dtype, length, seed) {
  const array = dtype === 'float32' ? new Float32Array(length) : new Uint8Array(length)
  let state = seed + 1
  for (let i = 0; i < length; i++) {
    state = Math.imul(state, 1103515245) + 12345 | 0
    array[i] = dtype === 'float32' ? (state >>> 8) / 2 ** 24 : state >>> 24
  }
  return array
}
