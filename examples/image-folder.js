/**
 * How do I train from a folder of JPEG, PNG or WebP files, with a folder for each class?
 *
 * `Dataset.raw` reads whole files; `decodeImage` decodes and resizes them with the package sharp, several at a time. The steps are
 * functions that are data, so plans with them can be compared and saved; `normalize` is applied to whole batches.
 */
// prints: xs float32 [4, 32, 32, 3], classes cat cat dog dog
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import sharp from 'sharp'
import { Dataset } from 'millrace'
import { decodeImage, normalize } from 'millrace/transforms'

const folder = await mkdtemp(join(tmpdir(), 'millrace-images-'))
try {
  for (const [kind, background] of [['cat', '#c62'], ['dog', '#26c']]) {
    await mkdir(join(folder, kind))
    for (const k of [0, 1]) await sharp({ create: { width: 60 + 10 * k, height: 48, channels: 3, background } }).toFile(join(folder, kind, `${k}.jpg`))
  }

  const images = Dataset.raw(join(folder, '*/*.jpg'), { withUri: true })
    .map(({ uri, bytes }) => ({ xs: bytes, kind: basename(dirname(uri)) }))
    .map(decodeImage({ xs: { width: 32, height: 32, fit: 'cover', channels: 3 } }), { parallel: 8 })
    .map(normalize({ xs: { scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } }))
    .batch(4)

  for await (const { xs, kind } of images) console.log(`xs ${xs.dtype} [${xs.shape.join(', ')}], classes ${kind.data.join(' ')}`)
} finally {
  await rm(folder, { recursive: true })
}
