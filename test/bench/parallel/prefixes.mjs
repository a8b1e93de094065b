import { inChild, interleaved, medianPass } from '../harness/measure.mjs'
import { row, timesTheRate } from '../harness/rows.mjs'
import * as formats from '../formats/files.mjs'
import { folder, recordFiles } from './files.mjs'

const MODULE = import.meta.filename
const COUNTS = [0, 1, 2]

/** Files to batches with all of it on worker threads, against none. */
export async function prefixRows({ repeats, quick, progress, failures }) {
  const place = await folder()
  const images = await imageFiles({ quick, progress }, failures)
  try {
    progress('writing records')
    const megabytes = quick ? 8 : 64 // each of four files
    const records = (name, bytes) => recordFiles(place, name, { count: 4, records: Math.floor(megabytes * 1e6 / bytes), bytes })
    const kinds = {
      'TFRecord 10 KB → parse → batch(128)': { fn: 'parseRate', unit: 'MB/s', files: await records('small', 10 * 1024) },
      'TFRecord 100 KB → parse → batch(128)': { fn: 'parseRate', unit: 'MB/s', files: await records('large', 100 * 1024) },
      ...(images !== undefined && { 'JPEG 320 × 240 → decode → batch(32)': { fn: 'decodeRate', unit: 'images/s', files: images.files.jpeg } })
    }
    const results = await interleaved(Object.entries(kinds).flatMap(([name, { fn, files }]) =>
      COUNTS.map(workers => ({ key: `${name}, ${workers}`, run: () => inChild(MODULE, fn, { files, workers }) }))), repeats, progress, failures)
    return Object.entries(kinds).flatMap(([name, { unit }]) => {
      const of = workers => results.get(`${name}, ${workers}`)
      return COUNTS.slice(1).flatMap(workers => (of(workers).length === 0 || of(0).length === 0 ? [] : [
        row({ name: `${name}, ${workers} ${workers === 1 ? 'worker' : 'workers'}`, unit, ours: of(workers), against: 'no workers', theirs: of(0), ratio: timesTheRate })
      ]))
    })
  } finally {
    await place.remove()
    await images?.remove()
  }
}

/** JPEG files, if sharp is here to write them. */
export async function imageFiles({ quick, progress }, failures) {
  try {
    return await formats.writeFiles({ quick, only: 'jpeg', progress })
  } catch (error) {
    failures.push(`jpeg files: ${error.message}`)
    return undefined
  }
}

const PASSES = { warmUp: 1, passes: 3 }

/** In a child: MB of images per second. */
export async function parseRate({ files: { pattern, bytes, rows }, workers }) {
  const { Dataset, fixedLen, release } = await import('./package.mjs')
  const dataset = Dataset.tfrecord(pattern)
    .parseExample({ image: fixedLen([bytes], 'uint8', { from: 'bytes' }), label: fixedLen([], 'int64') })
    .batch(128)
    .options({ autotune: false, workers: { count: workers, persistent: true } })
  const pass = async () => {
    let seen = 0
    for await (const batch of dataset) {
      seen += batch.label.data.length
      release(batch)
    }
    if (seen !== rows) throw new Error(`read ${seen} records of ${rows}`)
  }
  return rows * bytes / await medianPass(pass, PASSES) * 1e3
}

/** In a child: images per second. */
export async function decodeRate({ files: { pattern, rows }, workers }) {
  const { Dataset, release } = await import('./package.mjs')
  const { millrace } = await import('../package.mjs')
  const { decodeImage } = await millrace('transforms')
  const dataset = Dataset.raw(pattern)
    .map(decodeImage({ channels: 3 }), { parallel: 8 })
    .batch(32)
    .options({ autotune: false, workers: { count: workers, persistent: true } })
  const pass = async () => {
    let seen = 0
    for await (const batch of dataset) {
      seen += batch.shape[0]
      release(batch)
    }
    if (seen !== rows) throw new Error(`decoded ${seen} images of ${rows}`)
  }
  return rows / await medianPass(pass, PASSES) * 1e9
}
