/**
 * What the examples of doc comments take for granted, beside all that the doors export: an example that mentions one of these
 * names gets it, so that it can be as short as a reader wants it.
 */
import * as tf from '@tensorflow/tfjs'
import { Dataset, encodeExample, ndarray, type NdArray } from 'millrace'
import type { Input } from 'millrace/operator'

/** Bytes of Examples, as a file of images has them. */
export const pixels = new Uint8Array(784)
export const record: Uint8Array = encodeExample({ image: pixels, label: 7n })
export const ds: Dataset<Uint8Array> = Dataset.of(record, record)
export const records: readonly Uint8Array[] = [encodeExample({ x: new Float32Array(256), y: 1n })]

/** Arrays with one row per element. */
export const images: NdArray<'uint8', readonly [2, 28, 28]> = ndarray(new Uint8Array(2 * 784), [2, 28, 28])
export const labels: readonly string[] = ['one', 'two']

/** Datasets side by side. */
export const inputs: Dataset<number> = Dataset.range(4)
export const targets: Dataset<number> = Dataset.range(4)

/** Something to train with. */
export const train = Dataset.range(4).map(x => ({ xs: new Float32Array([x]), ys: new Float32Array([2 * x]) })).batch(2)
const sequential = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] })
sequential.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
export const model = { fitDataset: (...[data, options]: Parameters<typeof sequential.fitDataset>) => sequential.fitDataset(data, { ...options, verbose: 0 }) }
export { tf }

/** The input of an operator. */
export const input: Input<number> = { pull: max => (max > 0 ? [1] : null), save: () => ({}), close: async () => undefined }

/** A test runner; it runs nothing. */
export const test = (_name: string, _run: () => unknown): void => undefined
