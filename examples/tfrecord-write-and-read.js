/**
 * How do I write TFRecord files, compressed or not, and read them into batches?
 *
 * `encodeExample` makes the bytes of a `tf.train.Example`: a Float32Array becomes a float list, bigints an int64 list, bytes and
 * strings a bytes list. TensorFlow reads these files, and millrace reads TensorFlow's.
 */
// prints: 1000 examples in 16 batches; the first: image uint8 64×28×28, label int64 64
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Dataset, encodeExample, fixedLen, writeTfrecord } from 'millrace'

const folder = await mkdtemp(join(tmpdir(), 'millrace-tfrecord-'))
try {
  // Four gzipped files, written record by record: no more than a few MiB are ever in memory.
  const images = Dataset.range(1000).map((i, { rng }) => encodeExample({
    image: Uint8Array.from({ length: 28 * 28 }, () => rng.integer(256)),
    label: BigInt(i % 10)
  }))
  const { files } = await writeTfrecord(join(folder, 'train-{00..03}.tfrecord'), images, { compression: 'gzip' })
  for (const { size } of files) console.log(`${size} bytes`)

  // Compression is recognised by the bytes, and checksums are verified. The spec decides dtypes and shapes.
  const batches = Dataset.tfrecord(join(folder, 'train-*.tfrecord'))
    .parseExample({ image: fixedLen([28, 28], 'uint8', { from: 'bytes' }), label: fixedLen([], 'int64') })
    .batch(64)

  let examples = 0
  for await (const { label } of batches) examples += label.shape[0]
  const text = ({ dtype, shape }) => `${dtype} ${shape.join('×')}`
  const { image, label } = await batches.first()
  console.log(`${examples} examples in ${Math.ceil(examples / 64)} batches; the first: image ${text(image)}, label ${text(label)}`)
} finally {
  await rm(folder, { recursive: true })
}
