import { MillraceError, type NdArray } from '../../../src/format.js'
import { noRows, type DatasetRows, type Placement } from './dataset.js'
import { datatypeMessage, sizeInFile } from './datatype.js'
import { contiguousLayout, dataspace, fillValue } from './headers.js'
import type { ResolvedDatasetOptions } from './options.js'
import { writeTexts } from './texts.js'
import { bytesOf, checkArray } from './values.js'

/** A dataset in one piece, of rows that come all at once. */
export function contiguousRows(path: string, options: ResolvedDatasetOptions, place: Placement): DatasetRows {
  let written: { readonly rows: NdArray; readonly address: number } | undefined

  return {
    async append(rows) {
      checkArray(path, rows)
      if (written !== undefined) throw new MillraceError('Mismatch', `${path}: with chunks: false all rows have to come at once; leave it out`)
      const address = place.address()
      if (rows.dtype === 'string') {
        const { heaps, references } = writeTexts(rows.data as readonly string[], address)
        const heapsWritten = place.write(heaps)
        written = { rows, address: place.address() }
        await Promise.all([heapsWritten, place.write(references)])
      } else {
        written = { rows, address }
        // Whoever hands in the rows may go on using their memory.
        await place.write(bytesOf(rows).slice())
      }
    },
    async finish() {
      const { dtype, rowShape } = options
      if (written === undefined && (dtype === undefined || rowShape === undefined)) throw noRows(path)
      const rows: Pick<NdArray, 'dtype' | 'shape'> = written?.rows ?? { dtype: dtype ?? 'uint8', shape: [0, ...(rowShape ?? [])] }
      const bytes = rows.shape.reduce((product, length) => product * length, sizeInFile(rows.dtype))
      return [
        { type: 0x01, body: dataspace(rows.shape) },
        { type: 0x03, body: datatypeMessage(rows.dtype), constant: true },
        fillValue(false),
        contiguousLayout(written?.address ?? 0, bytes)
      ]
    }
  }
}
