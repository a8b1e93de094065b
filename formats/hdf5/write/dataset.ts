import { deflate, MillraceError, shuffle, type DType, type NdArray } from '../../../src/format.js'
import { chunkTree, type WrittenChunk } from './chunk-tree.js'
import { datatypeMessage, sizeInFile } from './datatype.js'
import { chunkedLayout, dataspace, fillValue, filterPipeline, type HeaderMessage } from './headers.js'
import { chunkShapeOf, type ResolvedDatasetOptions } from './options.js'
import { writeTexts } from './texts.js'
import { tiles } from './tiles.js'
import { bytesOf, checkArray } from './values.js'

/** Where the parts of a file go, one after the other. */
export interface Placement {
  /** Writes bytes and gives their address. Calls that are not awaited keep their order. The bytes must not change any more. */
  write(bytes: Uint8Array): Promise<number>
  /** The address that the bytes of the next call get. */
  address(): number
}

/** Writes one dataset, row after row. */
export interface DatasetRows {
  append(rows: NdArray): Promise<void>
  /** Writes what is left, and gives the messages of its header. */
  finish(): Promise<HeaderMessage[]>
}

/** Chunks that are compressed at the same time. */
const MOST_COMPRESSING = 4

/** A chunked dataset that grows along its first axis. Memory: the rows of one chunk, and up to {@link MOST_COMPRESSING} chunks. */
export function datasetRows(path: string, options: ResolvedDatasetOptions, place: Placement): DatasetRows {
  const chunks: WrittenChunk[] = []
  let form: Form | undefined
  let rows = 0
  /** Rows of the chunk that is being filled. */
  let band: NdArray['data'] = []
  let bandRows = 0
  const compressing: Promise<void>[] = []
  let failure: { readonly error: unknown } | undefined

  interface Form {
    readonly dtype: DType
    readonly rowShape: readonly number[]
    readonly chunkShape: readonly number[]
    /** Items of data in a row. */
    readonly rowItems: number
  }

  function formOf(first: NdArray | undefined): Form {
    const dtype = options.dtype ?? first?.dtype
    const rowShape = options.rowShape ?? first?.shape.slice(1)
    if (dtype === undefined || rowShape === undefined) throw noRows(path)
    const chunkShape = chunkShapeOf(path, options.chunks, dtype, rowShape)
    const values = rowShape.reduce((product, length) => product * length, 1)
    return { dtype, rowShape, chunkShape, rowItems: values * (dtype === 'complex64' || dtype === 'complex128' ? 2 : 1) }
  }

  function check(array: NdArray, { dtype, rowShape }: Form): void {
    const found = array.shape.slice(1)
    if (array.dtype === dtype && found.length === rowShape.length && rowShape.every((length, axis) => found[axis] === length)) return
    const both = `rows are ${dtype}[${rowShape.join(', ')}], and then come rows of ${array.dtype}[${found.join(', ')}]`
    throw new MillraceError('Mismatch', `${path}: ${both}`, { index: rows })
  }

  async function flush(form: Form): Promise<void> {
    if (bandRows === 0) return
    const { dtype, rowShape, chunkShape } = form
    const start = rows - bandRows
    let bytes: Uint8Array
    if (dtype === 'string') {
      const { heaps, references } = writeTexts(band as string[], place.address())
      await place.write(heaps)
      bytes = references
    } else {
      bytes = bytesOf({ dtype, shape: [bandRows * form.rowItems], data: band })
    }
    for (const { offset, bytes: tile } of tiles({ bytes, rows: bandRows, rowShape, valueBytes: sizeInFile(dtype) }, chunkShape)) {
      if (compressing.length === MOST_COMPRESSING) await compressing.shift()
      compressing.push(put(tile, [start, ...offset], sizeInFile(dtype), compressing.at(-1)))
    }
    bandRows = 0
  }

  async function put(tile: Uint8Array, offset: readonly number[], valueBytes: number, before: Promise<void> | undefined): Promise<void> {
    try {
      const bytes = await filtered(tile, valueBytes)
      await before
      if (failure !== undefined) return
      chunks.push({ address: await place.write(bytes), size: bytes.length, offset })
    } catch (error) {
      failure ??= { error }
    }
  }

  async function filtered(tile: Uint8Array, valueBytes: number): Promise<Uint8Array> {
    let bytes = tile
    if (options.shuffle && valueBytes > 1) {
      const shuffled = new Uint8Array(tile.length)
      shuffle(tile, valueBytes, shuffled)
      bytes = shuffled
    }
    return options.level === 0 ? bytes : deflate(bytes, options.level)
  }

  async function settled(): Promise<void> {
    await Promise.all(compressing.splice(0))
    if (failure !== undefined) throw failure.error
  }

  return {
    async append(array) {
      checkArray(path, array)
      if (array.shape.length === 0) throw new MillraceError('Mismatch', `${path}: rows come in arrays whose first axis counts them`)
      form ??= formOf(array)
      check(array, form)
      const count = array.shape[0] ?? 0
      const bandSize = form.chunkShape[0] ?? 1
      for (let done = 0; done < count;) {
        if (bandRows === 0) band = emptyBand(array.data, bandSize * form.rowItems)
        const size = Math.min(count - done, bandSize - bandRows)
        fill(band, bandRows * form.rowItems, array.data, done * form.rowItems, size * form.rowItems)
        bandRows += size
        rows += size
        done += size
        if (bandRows === bandSize) await flush(form)
        if (failure !== undefined) throw failure.error
      }
    },
    async finish() {
      form ??= formOf(undefined)
      if (options.chunks === undefined && bandRows > 0 && bandRows === rows) {
        // All rows together are less than a chunk would be.
        form = { ...form, chunkShape: [rows, ...form.chunkShape.slice(1)] }
      }
      if (bandRows > 0) {
        band = band.slice(0, bandRows * form.rowItems)
        await flush(form)
      }
      await settled()
      const { dtype, rowShape, chunkShape } = form
      const tree = chunks.length === 0 ? undefined : chunkTree(chunks, chunkShape, place.address())
      if (tree !== undefined) await place.write(tree.bytes)
      const filters = [
        ...(options.shuffle && sizeInFile(dtype) > 1 ? [{ id: 2, parameters: [sizeInFile(dtype)] }] : []),
        ...(options.level > 0 ? [{ id: 1, parameters: [options.level] }] : [])
      ]
      return [
        { type: 0x01, body: dataspace([rows, ...rowShape], true) },
        { type: 0x03, body: datatypeMessage(dtype), constant: true },
        fillValue(true),
        chunkedLayout(tree?.root, chunkShape, sizeInFile(dtype)),
        ...(filters.length === 0 ? [] : [filterPipeline(filters)])
      ]
    }
  }
}

/** What a dataset without rows is missing. */
export function noRows(path: string): MillraceError {
  return new MillraceError('Mismatch', `${path}: there are no rows, so its dtype and rowShape have to be given`)
}

function emptyBand(like: NdArray['data'], length: number): NdArray['data'] {
  if (Array.isArray(like)) return new Array<string>(length).fill('')
  const Data = (like as Uint8Array).constructor as Uint8ArrayConstructor
  return new Data(length)
}

function fill(band: NdArray['data'], at: number, data: NdArray['data'], from: number, length: number): void {
  if (Array.isArray(band)) {
    for (let i = 0; i < length; i++) (band as string[])[at + i] = data[from + i] as string
  } else {
    // Both are of the same class: that of the dtype.
    (band as Uint8Array).set((data as Uint8Array).subarray(from, from + length), at)
  }
}
