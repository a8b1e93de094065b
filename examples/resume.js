/**
 * How do I stop in the middle of an epoch, and go on with exactly the batches that were still to come?
 *
 * `iterator.checkpoint()` is a small JSON value: positions, no data. It holds through shuffle, parallel map, batch and
 * prefetch. The resumed pipeline may have another parallelism and other buffers; only what decides the elements must be the same.
 */
// prints: 4 + 21 batches, the same as without a stop: true
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Dataset } from 'millrace'

const pipeline = parallel => Dataset.range(100)
  .shuffle(20, { seed: 1 })
  .map(async x => x * x, { parallel })
  .batch(4)
  .prefetch('auto')

const folder = await mkdtemp(join(tmpdir(), 'millrace-resume-'))
try {
  const file = join(folder, 'checkpoint.json')

  // The first run: it saves its position with the model, and is stopped after 4 batches.
  const seen = []
  const iterator = pipeline(4).iterator({ epoch: 0 })
  for await (const batch of iterator) {
    seen.push(batch)
    await writeFile(file, JSON.stringify(iterator.checkpoint())) // epoch and seed are in it
    if (seen.length === 4) break
  }

  // The second run, perhaps on another machine.
  const from = JSON.parse(await readFile(file, 'utf8'))
  const rest = await pipeline(16).toArray({ from })

  const whole = await pipeline(1).toArray({ epoch: 0 })
  const numbers = batches => batches.flatMap(batch => [...batch.data]).join()
  console.log(`${seen.length} + ${rest.length} batches, the same as without a stop: ${numbers([...seen, ...rest]) === numbers(whole)}`)
} finally {
  await rm(folder, { recursive: true })
}
