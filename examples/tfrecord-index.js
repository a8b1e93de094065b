/**
 * How do I shuffle all of a TFRecord file, or share it among processes, without reading it through?
 *
 * An index beside the file says where its records are: then it has a length and access by ordinal. It is found by itself, and checked
 * against the file.
 */
// prints: 1000 records, first of the shuffle 3 bytes read in 1 file; shards of 334 333 333
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Dataset, writeTfrecord, writeTfrecordIndex } from 'millrace'

const folder = await mkdtemp(join(tmpdir(), 'millrace-index-'))
try {
  const file = join(folder, 'train.tfrecord')
  await writeTfrecord(file, Array.from({ length: 1000 }, (_, i) => new Uint8Array([i & 255, i >> 8, 1])))
  const [{ records }] = await writeTfrecordIndex(file)

  const first = await Dataset.tfrecord(file).shuffle({ seed: 7 }).first()
  const sizes = []
  for (const k of [0, 1, 2]) sizes.push((await Dataset.tfrecord(file).shard(3, k).toArray()).length)
  console.log(`${records} records, first of the shuffle ${first.length} bytes read in 1 file; shards of ${sizes.join(' ')}`)
} finally {
  await rm(folder, { recursive: true })
}
