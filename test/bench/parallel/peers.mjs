import { join } from 'node:path'
import { command, inChild, interleaved } from '../harness/measure.mjs'
import { row, timesTheRate } from '../harness/rows.mjs'
import { tfData } from '../tfrecord/peers.mjs'
import { folder, recordFiles } from './files.mjs'
import { imageFiles } from './prefixes.mjs'

const PREFIXES = join(import.meta.dirname, 'prefixes.mjs')
const MODULE = import.meta.filename
const SCRIPT = join(import.meta.dirname, 'peers.py')
const python = process.env.MILLRACE_PYTHON ?? 'python3'
const peer = work => command(python, [SCRIPT, JSON.stringify(work)], { PYTHONWARNINGS: 'ignore' })
const BATCH = 32

/** The loaders of PyTorch and TensorFlow over the same files, with the same decoding and batches, on the same cores. Three repeats will do. */
export async function peerRows({ repeats, quick, peers, progress, failures, notes }) {
  if (!peers) {
    notes.push('torch DataLoader and tf.data were not measured: they need --peers')
    return []
  }
  const versions = await peer(null).catch(() => ({}))
  notes.push(...['torch', 'PIL', 'tensorflow'].map(name =>
    (versions[name] === undefined ? `SKIPPED ${name}: ${python} does not have it; set MILLRACE_PYTHON to one that does` : `${name} ${versions[name]}`)))
  const torch = versions.torch !== undefined && versions.PIL !== undefined
  const tensorflow = versions.tensorflow !== undefined

  const place = await folder()
  const images = await imageFiles({ quick, progress }, failures)
  try {
    const records = await recordFiles(place, 'record', { count: 4, records: quick ? 800 : 6400, bytes: 10 * 1024 })
    const jpeg = images === undefined ? [] : [
      { key: 'jpeg, ours', run: () => inChild(MODULE, 'decodeRate', { files: images.files.jpeg }) },
      { key: 'jpeg, ours, 2 workers', run: () => inChild(PREFIXES, 'decodeRate', { files: images.files.jpeg, workers: 2 }) },
      ...(torch ? [0, 2].map(workers => ({ key: `jpeg, torch ${workers}`, run: () => peer({ reader: 'torch', workers, ...jpegWork(images) }) })) : []),
      ...(tensorflow ? [{ key: 'jpeg, tf.data', run: () => peer({ reader: 'tf.data', ...jpegWork(images) }) }] : [])
    ]
    const results = await interleaved([
      ...jpeg,
      { key: 'records, ours', run: () => inChild(PREFIXES, 'parseRate', { files: records, workers: 0 }) },
      { key: 'records, ours, 2 workers', run: () => inChild(PREFIXES, 'parseRate', { files: records, workers: 2 }) },
      ...(tensorflow ? [{
        key: 'records, tf.data',
        run: async () => (await tfData({ path: records.paths, bytes: records.rows * records.bytes, count: records.rows, feature: 'image', dtype: 'uint8', length: records.bytes })).rate / 1e6
      }] : [])
    ], Math.min(repeats, 3), progress, failures)

    const against = (name, unit, ours, title, theirs) => {
      const [own, other] = [results.get(ours) ?? [], results.get(theirs) ?? []]
      return own.length === 0 || other.length === 0 ? [] : [row({ name, unit, ours: own, against: title, theirs: other, ratio: timesTheRate })]
    }
    const theirs = [['torch DataLoader, in the process', 'torch 0'], ['torch DataLoader, 2 workers', 'torch 2'], ['tf.data, AUTOTUNE', 'tf.data']]
    return [
      ...theirs.flatMap(([title, key]) => against("JPEG 320 × 240 → batch(32), 'auto'", 'images/s', 'jpeg, ours', title, `jpeg, ${key}`)),
      ...theirs.flatMap(([title, key]) => against('JPEG 320 × 240 → batch(32), 2 workers', 'images/s', 'jpeg, ours, 2 workers', title, `jpeg, ${key}`)),
      ...against('TFRecord 10 KB → batch(128), no workers', 'MB/s', 'records, ours', 'tf.data, AUTOTUNE', 'records, tf.data'),
      ...against('TFRecord 10 KB → batch(128), 2 workers', 'MB/s', 'records, ours, 2 workers', 'tf.data, AUTOTUNE', 'records, tf.data')
    ]
  } finally {
    await place.remove()
    await images?.remove()
  }
}

const jpegWork = ({ files: { jpeg: { pattern, rows } } }) => ({ pattern, rows, batch: BATCH })

/** In a child: images per second, with every number left to millrace. */
export async function decodeRate({ files: { pattern, rows } }) {
  const { Dataset, release } = await import('./package.mjs')
  const { millrace } = await import('../package.mjs')
  const { medianPass } = await import('../harness/measure.mjs')
  const { decodeImage } = await millrace('transforms')
  const dataset = Dataset.raw(pattern).map(decodeImage({ channels: 3 }), { parallel: 'auto' }).batch(BATCH).prefetch('auto').options({ workers: { persistent: true } })
  const pass = async () => {
    let seen = 0
    for await (const batch of dataset) {
      seen += batch.shape[0]
      release(batch)
    }
    if (seen !== rows) throw new Error(`decoded ${seen} images of ${rows}`)
  }
  return rows / await medianPass(pass, { warmUp: 1, passes: 3 }) * 1e9
}
