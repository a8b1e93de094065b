/**
 * How do I train from NPZ or HDF5 files, as Python writes them?
 *
 * An element is a row across the chosen arrays; `batch` gets whole batches from the reader. Both formats have access by ordinal,
 * so `shuffle()` without a size visits all rows in random order and holds none of them.
 */
// prints: npz: xs float32 [16, 4], ys int64 [16]; hdf5: the same 64 rows: true
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Dataset, equal, ndarray, writeHdf5, writeNpz } from 'millrace'

const folder = await mkdtemp(join(tmpdir(), 'millrace-arrays-'))
try {
  const images = ndarray(Float32Array.from({ length: 64 * 4 }, (_, i) => i / 4), [64, 4])
  const labels = ndarray(BigInt64Array.from({ length: 64 }, (_, i) => BigInt(i % 10)), [64])
  const [npz, hdf5] = [join(folder, 'train.npz'), join(folder, 'train.h5')]
  await writeNpz(npz, { images, labels })
  await writeHdf5(hdf5, { '/images': { data: images, chunks: 16, compression: 'gzip' }, '/labels': { data: labels } })

  const fromNpz = Dataset.npz(npz, { keys: { xs: 'images', ys: 'labels' } }).shuffle({ seed: 1 }).batch(16)
  const fromHdf5 = Dataset.hdf5(hdf5, { xs: '/images', ys: '/labels' }).shuffle({ seed: 1 }).batch(16)

  const { xs, ys } = await fromNpz.first()
  const same = equal(await fromNpz.toArray({ epoch: 0 }), await fromHdf5.toArray({ epoch: 0 }))
  console.log(`npz: xs ${xs.dtype} [${xs.shape.join(', ')}], ys ${ys.dtype} [${ys.shape}]; hdf5: the same 64 rows: ${same}`)
} finally {
  await rm(folder, { recursive: true })
}
