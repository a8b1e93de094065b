/**
 * Trains a small network on MNIST: TFRecord files → millrace → TensorFlow.js.
 *
 *   npm start                     Ctrl-C stops it; the next start goes on with the very next batch
 *   npm start -- --epochs 5 --seed 1 --fresh
 */
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isMillraceError } from 'millrace'
import { toTfDataset } from 'millrace/tfjs'
import { readCheckpoint, writeCheckpoint } from './checkpoint.js'
import { prepare, testBatches, trainingBatches } from './data.js'
import { newModel, tf } from './model.js'
import { readOptions } from './options.js'
import { progressBar } from './progress.js'

const { epochs, seed, images, folder, fresh } = readOptions()
const checkpointFile = join(folder, 'checkpoint.json')

await prepare(folder)
if (fresh) await rm(checkpointFile, { force: true })
const saved = await readCheckpoint(checkpointFile)
if (saved) console.log(`going on in epoch ${saved.position.epoch + 1}, after ${saved.seen} images`)

const model = saved?.model ?? newModel(seed)
const train = toTfDataset(trainingBatches(folder, { seed, images }), { tf, from: saved?.position })
const test = toTfDataset(testBatches(folder), { tf })

let stopping = false
process.once('SIGINT', () => { stopping = true })

const bar = progressBar({ epochs, images, waitedMs: () => train.stats().waitedMs })
await model.fitDataset(train, {
  epochs,
  initialEpoch: saved?.position.epoch,
  callbacks: {
    onEpochBegin(epoch) {
      model.optimizer.setLearningRate(0.2 * 0.3 ** epoch)
      bar.epochBegin(epoch, epoch === saved?.position.epoch ? saved.seen : 0)
    },
    onBatchEnd(_, { size, loss, acc }) {
      bar.batchEnd({ size, loss, accuracy: acc })
      model.stopTraining = stopping
    },
    async onEpochEnd() { // after a whole epoch, and after one that was stopped
      bar.epochEnd()
      await writeCheckpoint(checkpointFile, { model, position: train.checkpoint(), seen: bar.seen })
    }
  }
}).catch(error => {
  if (!isMillraceError(error, 'Checkpoint')) throw error // thrown when the pipeline is another one than before the stop
  console.error(`${error.message}\nTo begin anew: npm start -- --fresh`)
  process.exit(1)
})
await train.close()

if (stopping) {
  console.log('stopped; the next start goes on from here')
  process.exitCode = 130 // what shells expect of a program that was interrupted
} else {
  const [, accuracy] = await model.evaluateDataset(test, {})
  await rename(checkpointFile, join(folder, 'model.json')) // trained to the end: the next start begins anew
  const { imagesPerSecond, waited } = bar.totals()
  console.log(`accuracy=${accuracy.dataSync()[0].toFixed(4)} images/s=${imagesPerSecond} waited=${waited}`)
}
