/** A training that can be gone on with: the model with its optimizer, and the position in the data, in one JSON file. */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { tf } from './model.js'

/** Writes all of it or nothing: the file is replaced when the new one is complete. */
export async function writeCheckpoint(file, { model, position, seen }) {
  let artifacts
  await model.save(tf.io.withSaveHandler(async saved => { artifacts = saved }), { includeOptimizer: true })
  const weights = Buffer.from(artifacts.weightData).toString('base64')
  await writeFile(`${file}.unfinished`, JSON.stringify({ position, seen, artifacts: { ...artifacts, weightData: weights } }))
  await rename(`${file}.unfinished`, file)
}

/** What was written last; nothing if there is no such file. */
export async function readCheckpoint(file) {
  const text = await readFile(file, 'utf8').catch(error => {
    if (error.code !== 'ENOENT') throw error
  })
  if (text === undefined) return undefined
  const { position, seen, artifacts } = JSON.parse(text)
  const weightData = new Uint8Array(Buffer.from(artifacts.weightData, 'base64')).buffer
  const model = await tf.loadLayersModel(tf.io.fromMemory({ ...artifacts, weightData }))
  return { model, position, seen }
}
