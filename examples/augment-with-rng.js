/**
 * How do I augment at random, in parallel, and still get the same data again?
 *
 * The function gets `rng`: random numbers that depend on (seed, operator, epoch, index of the element) and on nothing else.
 * So parallelism does not change them, a resumed run repeats them, and each epoch has its own.
 */
// prints: same at any parallelism: true, same in the next epoch: false
import { setImmediate } from 'node:timers/promises'
import { Dataset, ndarray } from 'millrace'

const SIZE = 8
const images = Dataset.range(50).map(i => new Float32Array(SIZE * SIZE).fill(i))

/** Mirrors half of the images, and adds a little noise. */
async function augment(image, { rng }) {
  const mirrored = rng.uniform() < 0.5
  await setImmediate() // something that takes its time
  const out = image.map((_, at) => {
    const column = at % SIZE
    return image[mirrored ? at - column + (SIZE - 1 - column) : at] + 0.1 * (rng.uniform() - 0.5)
  })
  return ndarray(out, [SIZE, SIZE])
}

const augmented = parallel => images.map(augment, { parallel, seed: 42 }).batch(10, { dropRemainder: true })
const pixels = async (parallel, epoch) => (await augmented(parallel).toArray({ epoch })).flatMap(({ data }) => [...data]).join()

const first = await pixels(1, 0)
console.log(`same at any parallelism: ${first === await pixels(8, 0)}, same in the next epoch: ${first === await pixels(8, 1)}`)
