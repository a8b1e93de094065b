/** A long but usual program. What the compiler spends on it is held against `budget.json`; see `public.test.ts`. */
import { Dataset, fixedLen, ragged, type Batched } from 'millrace'
import { toTfDataset } from 'millrace/tfjs'

const files = Dataset.listFiles('data/train-*.tfrecord')
const records = files.shuffle({ seed: 1 }).interleave(file => Dataset.tfrecord(file), { cycleLength: 4, parallel: 'auto' })
const examples = records
  .shard(4, 0)
  .shuffle(10_000, { seed: 42 })
  .parseExample({
    image: fixedLen([28, 28, 3], 'uint8', { from: 'bytes' }),
    label: fixedLen([], 'int64'),
    weight: fixedLen([], 'float32'),
    name: fixedLen([], 'string'),
    tokens: ragged('int32'),
    box: fixedLen([4], 'float32')
  })
const augmented = examples
  .filter(({ weight }) => weight > 0)
  .map(({ image, label, box, weight }, { rng }) => ({ image: Float32Array.from(image.data, x => x / 255 + rng.uniform()), label: Number(label), box, weight }))
  .enumerate()
  .map(async ([index, element]) => ({ ...element, index }), { parallel: 8 })
  .scan({ seen: 0 }, ({ seen }, element) => [{ seen: seen + 1 }, { ...element, seen }])
const cached = augmented.cache().repeat(3).take(1_000_000).skip(10)
const batches = cached.batch(128, { dropRemainder: true }).prefetch('auto')
const padded = examples.map(({ image, tokens, label }) => ({ image, tokens: tokens.data, label })).paddedBatch(32)
const rows = batches.unbatch().batch(16, { numbers: 'int32' }).unbatch()
const windows = Dataset.zip({ a: cached, b: Dataset.range(5), c: [padded, rows] }).window(4, { shift: 1 }).map(({ a, b }) => [a.label, b] as const)
const joined = batches.map(({ label }) => label).concatenate(Dataset.of('end'), padded.map(({ label }) => label))
const normalize = (dataset: Dataset<Batched<{ readonly image: Float32Array; readonly label: number }, 128>>) => dataset.map(({ image, label }) => ({ xs: image, ys: label }))

export const training = toTfDataset(batches.apply(normalize))
export const total = batches.reduce(0, (sum, { weight }) => sum + weight.shape[0])
export const all = [windows.toArray(), joined.first(), rows.getSingleElement()] as const
