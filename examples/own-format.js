/**
 * How do I read a file format that millrace does not know?
 *
 * A format says how to open one file and how to decode it, chunk by chunk; `next` of a chunk is where to go on. Files, order, read-ahead,
 * checkpoints and closing are not its business. Here: fixed-size rows of float32, without a header.
 */
// prints: 30 rows of 4, checkpoint after 10 goes on at row 10: true
import { Dataset, memoryStore } from 'millrace'
import { MillraceError } from 'millrace/format'

const CHUNK = 8 // rows per read

/** Rows of `columns` float32 values, little-endian. */
const rowFormat = {
  name: 'rows',
  extensions: ['f32'],
  async open(source, { columns }) {
    const rowBytes = 4 * columns
    if (source.byteLength % rowBytes !== 0) throw new MillraceError('Truncated', `${source.uri}: not a whole number of rows`, { uri: source.uri })
    const count = source.byteLength / rowBytes
    return {
      fragments: [{ count }],
      async *read(fragment, { from = 0, signal }) {
        for (let row = from; row < count; row += CHUNK) {
          const rows = Math.min(CHUNK, count - row)
          const bytes = new Uint8Array(rows * rowBytes)
          await source.read(row * rowBytes, bytes, { signal }) // all of it, or an error
          const values = new Float32Array(bytes.buffer)
          const elements = Array.from({ length: rows }, (_, i) => values.subarray(i * columns, (i + 1) * columns))
          yield { elements, next: row + rows }
        }
      }
    }
  }
}

const store = memoryStore() // 3 files of 10 rows; the value is the number of the row
for (let file = 0; file < 3; file++) {
  const values = Float32Array.from({ length: 40 }, (_, i) => file * 10 + Math.floor(i / 4))
  await store.put(`mem://data/${file}.f32`, new Uint8Array(values.buffer))
}
const rows = Dataset.fromFiles('mem://data/*.f32', { format: rowFormat, options: { columns: 4 }, store })

const iterator = rows.iterator()
for (let i = 0; i < 10; i++) await iterator.next()
const from = iterator.checkpoint()
await iterator.close()
const [next] = await rows.toArray({ from })
const all = await rows.toArray()
console.log(`${all.length} rows of ${all[0].length}, checkpoint after 10 goes on at row ${next[0]}: ${next[0] === 10}`)
