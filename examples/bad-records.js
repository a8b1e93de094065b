/**
 * How do I go on when some elements cannot be read or parsed?
 *
 * An error surfaces at its element, after everything before it, and does not end the iterator: the next `next()` goes on behind it.
 * So skipping is a loop of your own that decides, counts and logs. `for await` stops at the first error.
 */
// prints: 8 good, 2 skipped: element 3, element 7
import { Dataset, isMillraceError } from 'millrace'

const lines = Dataset.from(['{"x":0}', '{"x":1}', '{"x":2}', '{"x":', '{"x":4}', '{"x":5}', '{"x":6}', 'oops', '{"x":8}', '{"x":9}'])
const parsed = lines.map(line => JSON.parse(line))

/** The elements that can be had. No more than `limit` may be missing. */
async function* skipping(dataset, limit, skipped) {
  const iterator = dataset.iterator()
  try {
    for (;;) {
      const step = await iterator.next().catch(error => {
        if (!isMillraceError(error, 'UserFunction') || skipped.push(error) > limit) throw error
      })
      if (step?.done) return
      if (step !== undefined) yield step.value
    }
  } finally {
    await iterator.close()
  }
}

const skipped = []
const good = Dataset.from(() => skipping(parsed, 5, skipped)) // a dataset again: batch it, shuffle it
const batches = await good.batch(4).toArray()
const count = batches.flatMap(({ x }) => [...x.data]).length
console.log(`${count} good, ${skipped.length} skipped: ${skipped.map(({ index }) => `element ${index}`).join(', ')}`)
