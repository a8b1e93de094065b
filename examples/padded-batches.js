/**
 * How do I batch sequences of different lengths?
 *
 * `paddedBatch` pads every leaf to the longest of its batch, or to a length that you fix, and keeps everything else as `batch` does.
 * Keep the lengths beside the data to make a mask. Byte strings (Uint8Array) are not padded: make token ids an Int32Array.
 */
// prints: ids 3×5, [7,7,7,-1,-1], mask [1,1,1,0,0]
import { Dataset } from 'millrace'

const sentences = Dataset.of('a bb', 'a b c d e', 'the mill race').map(text => text.split(' '))
const tokens = sentences.map(words => ({ ids: Int32Array.from(words, word => 6 + (word === 'a' ? 0 : 1)), length: words.length }))

// `-1` is the longest of the batch; a fixed number is refused when a sentence is longer.
const batches = tokens.paddedBatch(3, { shapes: { ids: [-1], length: [] }, values: { ids: -1, length: 0 }, numbers: 'int32' })

for await (const { ids, length } of batches) {
  const [rows, columns] = ids.shape
  const mask = Uint8Array.from({ length: rows * columns }, (_, at) => Number(at % columns < length.data[Math.floor(at / columns)]))
  const last = array => `[${[...array.subarray((rows - 1) * columns)]}]`
  console.log(`ids ${ids.shape.join('×')}, ${last(ids.data)}, mask ${last(mask)}`)
}
