/**
 * IDX: one array, as the files of MNIST have it. The layout of the bytes is described in `docs/formats/idx.md`.
 */
import { MillraceError, tableReader, type ByteSource, type Format } from '../../src/format.js'
import { inflatedStream } from '../shared/inflated.js'
import { MAGIC_BYTES, MOST_HEADER_BYTES, parseHeader, type IdxHeader } from './header.js'
import { resolveOptions, type IdxOptions } from './options.js'
import { compressedTable, plainTable } from './tables.js'

export type { IdxOptions } from './options.js'

/** Rows above this are refused: memory is taken for a whole one. */
const LARGEST_ROW = 2 ** 30
/** Deflate makes nothing smaller than by this factor (a run of 258 bytes in two bits); what claims to be is a lie. */
const MOST_INFLATION = 1032

/**
 * Reads IDX files, plain or gzipped, row by row: the first axis is that of the rows. Rows of rank 0 and `uint8` are numbers in an array of
 * rank 0; all others are views.
 *
 * Plain files have access by ordinal and are read by ranges; compressed ones are decompressed from the beginning.
 * A file whose size is not that which its header says is `Truncated` or `Corrupt`.
 */
export const idx: Format<unknown, IdxOptions> = {
  name: 'idx',
  extensions: ['idx', 'idx1-ubyte', 'idx2-ubyte', 'idx3-ubyte', 'idx4-ubyte'],
  tabular: true,
  async open(source, options, { signal }) {
    const { readBytes, compression } = resolveOptions(options)
    const head = await beginningOf(source, MOST_HEADER_BYTES, signal)
    const gzip = compression === 'gzip' || (compression === 'auto' && head[0] === 0x1f && head[1] === 0x8b)
    const header = gzip ? await compressedHeader(source, signal) : parseHeader(source.uri, head)
    check(source, header, gzip)
    return tableReader(gzip ? compressedTable(source, header) : plainTable(source, header), { uri: source.uri, readBytes })
  }
}

async function beginningOf(source: ByteSource, most: number, signal: AbortSignal): Promise<Uint8Array> {
  const head = new Uint8Array(Math.min(most, source.byteLength))
  if (head.length > 0) await source.read(0, head, { signal })
  return head
}

async function compressedHeader(source: ByteSource, signal: AbortSignal): Promise<IdxHeader> {
  const stream = inflatedStream(source, 'gzip', { signal, advice: `If it is not compressed, say compression: 'none'` })
  try {
    const head = new Uint8Array(MOST_HEADER_BYTES)
    const magic = await stream.fill(head.subarray(0, MAGIC_BYTES))
    if (magic < MAGIC_BYTES) return parseHeader(source.uri, head.subarray(0, magic))
    const axes = 4 * (head[3] ?? 0)
    const rest = axes === 0 ? 0 : await stream.fill(head.subarray(MAGIC_BYTES, MAGIC_BYTES + axes))
    return parseHeader(source.uri, head.subarray(0, MAGIC_BYTES + rest))
  } finally {
    await stream.close()
  }
}

/** @throws MillraceError when the size of the file is not what the header says, as far as that can be told from the size. */
function check({ uri, byteLength }: ByteSource, { shape, headerBytes, dataBytes }: IdxHeader, gzip: boolean): void {
  const size = headerBytes + dataBytes
  const what = `${uri}: by its header, of shape [${shape.join(', ')}], its data take ${dataBytes} bytes`
  const where = { uri, operation: 'open' }
  if (gzip ? size > byteLength * MOST_INFLATION : size > byteLength) {
    throw new MillraceError('Truncated', `${what}, of which there are ${gzip ? 'less' : byteLength - headerBytes}. The file was cut off, or its header is damaged: copy it again.`,
      { ...where, offset: gzip ? headerBytes : byteLength })
  }
  if (!gzip && size < byteLength) {
    throw new MillraceError('Corrupt', `${what}, and there are ${byteLength - size} bytes behind them. Its header is damaged, or it is no IDX file.`, { ...where, offset: size })
  }
  if (dataBytes / Math.max(1, shape[0] ?? 0) > LARGEST_ROW) {
    throw new MillraceError('Limit', `${what}: one row is more than ${LARGEST_ROW} bytes, the most that is read.`, { ...where, offset: headerBytes })
  }
}
