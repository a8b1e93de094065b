/**
 * How do I mix the records of many files, instead of reading one file after the other?
 *
 * Shuffle the names, interleave the files, then shuffle the records in a buffer: what tf.data users do. The order is a function of the
 * seed; `parallel` reads several files at once and does not change it.
 */
// prints: of the first 12 records 4 files: true, all of them once: true
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Dataset, writeTfrecord } from 'millrace'

const folder = await mkdtemp(join(tmpdir(), 'millrace-interleave-'))
try {
  // Ten files of twenty records each; record `n` is in file `n % 10`.
  await writeTfrecord(join(folder, '{0..9}.tfrecord'), Array.from({ length: 200 }, (_, n) => new Uint8Array([n])))

  const mixed = Dataset.listFiles(join(folder, '*.tfrecord')) // sorted
    .shuffle({ seed: 1 }) // the names: another order in every epoch
    .interleave(file => Dataset.tfrecord(file), { cycleLength: 4, parallel: 4 })
    .map(record => record[0])

  const first = await mixed.take(12).toArray({ epoch: 0 })
  const filesOfFirst = new Set(first.map(n => n % 10)).size
  const all = await mixed.shuffle(50, { seed: 1 }).toArray()
  console.log(`of the first 12 records ${filesOfFirst} files: ${filesOfFirst === 4}, all of them once: ${new Set(all).size === 200 && all.length === 200}`)
} finally {
  await rm(folder, { recursive: true })
}
