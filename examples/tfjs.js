/**
 * How do I train a TensorFlow.js model with it?
 *
 * `toTfDataset` makes what `fitDataset`, `evaluateDataset` and `validationData` take: batches of `{ xs, ys }`. Elements of another form need
 * `select`. The trainer disposes of the tensors; `break`, errors and early stopping leave nothing open.
 */
// prints: 5 epochs, loss went down: true, tensors left: 0
import * as tf from '@tensorflow/tfjs'
import { Dataset } from 'millrace'
import { toTfDataset } from 'millrace/tfjs'

const points = Dataset.range(256).map((i, { rng }) => {
  const x = i / 128 - 1
  return { x: new Float32Array([x]), y: new Float32Array([3 * x + 0.1 * rng.uniform()]) }
})
const select = ({ x, y }) => ({ xs: x, ys: y })
const training = points.take(224).shuffle({ seed: 1 }).batch(32)
const validation = points.skip(224).batch(32)

await tf.setBackend('cpu')
const before = tf.memory().numTensors
const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] })
const optimizer = tf.train.sgd(0.1)
model.compile({ optimizer, loss: 'meanSquaredError' })

const { history } = await model.fitDataset(toTfDataset(training, { tf, select }), {
  epochs: 5,
  validationData: toTfDataset(validation, { tf, select }),
  verbose: 0
})
model.dispose()
optimizer.dispose()
const { loss } = history
console.log(`${loss.length} epochs, loss went down: ${loss.at(-1) < loss[0]}, tensors left: ${tf.memory().numTensors - before}`)
