import { swapBytes, type Table } from '../../src/format.js'
import type { Access } from './access.js'
import { readAttributes } from './attributes.js'
import { gridOf, type Grid } from './chunks/grid.js'
import { openChunkIndex } from './chunks/index.js'
import { columnsOf, describe, rowSpecOf, type Column } from './columns.js'
import { corrupt, limit, unsupported } from './faults.js'
import { openPipeline, type Pipeline } from './filters/pipeline.js'
import type { GlobalHeap } from './heaps/global-heap.js'
import { readDataspace, type Dataspace } from './messages/dataspace.js'
import { readDatatype, type Datatype } from './messages/datatype.js'
import { readFillValue } from './messages/fill-value.js'
import { readFilters } from './messages/filters.js'
import { readLayout, type Layout } from './messages/layout.js'
import type { Hdf5DatasetFacts, Hdf5Filter } from './model.js'
import { findMessage, MESSAGE, type Message, type ObjectHeader } from './object-header.js'
import { chunkedRows } from './rows/chunked.js'
import { contiguousRows } from './rows/contiguous.js'
import type { Rows } from './rows/rows.js'
import type { Scratch } from './scratch.js'
import { datasetTable } from './table.js'

/** What all datasets of a file share, and how they are read. */
export interface DatasetContext {
  readonly heap: GlobalHeap
  readonly scratch: Scratch
  readonly cacheBytes: number
  readonly maxChunkBytes: number
}

const MOST_CHUNKS_PER_ROW = 2 ** 20

/** True for the header of a dataset. */
export function isDataset({ messages }: ObjectHeader): boolean {
  return messages.some(({ type }) => type === MESSAGE.layout) || messages.some(({ type }) => type === MESSAGE.dataspace)
}

/** What the header of a dataset says, and what its rows are opened with. */
export interface DatasetHeader {
  readonly facts: Hdf5DatasetFacts
  /**
   * Opens its rows, with the index of its chunks.
   * @throws MillraceError `Unsupported` for a filter that is not undone here, `Limit` for rows or chunks above `maxChunkBytes`.
   */
  open(): Promise<Table>
}

/**
 * Reads the header of a dataset. `access` has its path.
 * @throws MillraceError `Unsupported` if its type or its layout is not read here.
 */
export async function readDataset(access: Access, header: ObjectHeader, context: DatasetContext): Promise<DatasetHeader> {
  const place = access.place(header.address)
  if (header.messages.some(({ type }) => type === MESSAGE.externalFiles)) throw unsupported(place, 'its values are in other files')
  const type = readDatatype(access, await required(access, header, MESSAGE.datatype, 'datatype'))
  const space = readDataspace(access, await required(access, header, MESSAGE.dataspace, 'dataspace'))
  const layout = readLayout(access, await required(access, header, MESSAGE.layout, 'data layout'))
  const columns = columnsOf(type, place)
  const filterMessage = layout.kind === 'chunked' ? await findMessage(access, header, MESSAGE.filters) : undefined
  const filters = filterMessage === undefined ? [] : readFilters(access, filterMessage)
  const [rows = 1, ...inner] = space.shape ?? [0]
  const spec = rowSpecOf(columns, inner)
  const rowElements = inner.reduce((product, length) => product * length, 1)
  const rowBytes = rowElements * type.size
  const tooLarge = (bytes: number, what: string): Error =>
    limit(place, `${what} has ${bytes} bytes, more than maxChunkBytes, ${context.maxChunkBytes}`, 'Raise maxChunkBytes if there is memory for some of them')

  async function openRows(): Promise<Rows> {
    // Before anything is made of that size.
    if (Math.max(rowBytes, type.size) > context.maxChunkBytes) throw tooLarge(Math.max(rowBytes, type.size), 'a row')
    const fillValue = await readFillValue(access, header, type.size)
    if (layout.kind !== 'chunked') return contiguousRows(access, layout, rows, rowBytes, fillValue)
    checkChunks(access, layout, space.shape ?? [0], type.size, header)
    const grid = gridOf(space.shape ?? [0], space.maxShape, layout.chunkShape, type.size)
    const blockBytes = Math.min(layout.chunkShape[0] ?? 1, Math.max(rows, 1)) * rowBytes
    if (grid.chunkBytes > context.maxChunkBytes) throw tooLarge(grid.chunkBytes, 'a chunk')
    if (blockBytes > context.maxChunkBytes) throw tooLarge(blockBytes, 'the rows of a chunk')
    if (grid.perRow > MOST_CHUNKS_PER_ROW) throw limit(place, `${grid.perRow} chunks in a row are more than ${MOST_CHUNKS_PER_ROW}`, 'Write the dataset in larger chunks')
    return chunks(access, layout, grid, filters, fillValue, context)
  }

  return {
    facts: await factsOf(access, header, context, { type, space, layout, columns, filters, spec }),
    async open() {
      const source = await openRows()
      return datasetTable({
        access, heap: context.heap, scratch: context.scratch, rows, rowElements, elementBytes: type.size, columns, spec, source, address: header.address
      })
    }
  }
}

function checkChunks(access: Access, layout: Layout & { kind: 'chunked' }, shape: readonly number[], elementBytes: number, header: ObjectHeader): void {
  const place = access.place(header.address)
  if (layout.chunkShape.length !== shape.length) throw corrupt(place, `chunks of ${layout.chunkShape.length} axes do not fit the ${shape.length} of the dataset`)
  if (layout.elementBytes !== elementBytes) throw corrupt(place, `its chunks have values of ${layout.elementBytes} bytes, and its type has ${elementBytes}`)
}

async function chunks(
  access: Access, layout: Layout & { kind: 'chunked' }, grid: Grid, filters: readonly Hdf5Filter[], fillValue: Uint8Array, context: DatasetContext
): Promise<Rows> {
  const pipeline: Pipeline | undefined = filters.length === 0 ? undefined : openPipeline(filters, grid.chunkBytes, access.place(Math.max(0, layout.index.address)))
  const index = await openChunkIndex(access, layout.index, grid, pipeline !== undefined)
  return chunkedRows({
    grid, index, pipeline, fillValue, unfilteredEdges: layout.unfilteredEdges, elementBytes: fillValue.length, cacheBytes: context.cacheBytes, scratch: context.scratch
  })
}

interface FactParts {
  readonly type: Datatype
  readonly space: Dataspace
  readonly layout: Layout
  readonly columns: readonly Column[]
  readonly filters: readonly Hdf5Filter[]
  readonly spec: Hdf5DatasetFacts['spec']
}

async function factsOf(
  access: Access, header: ObjectHeader, { heap }: DatasetContext, { type, space, layout, columns, filters, spec }: FactParts
): Promise<Hdf5DatasetFacts> {
  const { shape, maxShape } = space
  const enums = columns.filter(column => column.names !== undefined).map(column => [column.name, enumValues(column)] as const)
  const growing = shape !== null && maxShape.some((most, axis) => most !== shape[axis])
  return {
    path: access.path ?? '/',
    shape,
    ...(growing ? { maxShape: maxShape.map(most => (most === Infinity ? null : most)) } : {}),
    type: describe(type),
    spec,
    ...(enums.length > 0 ? { enums: Object.fromEntries(enums) } : {}),
    layout: layout.kind,
    ...(layout.kind === 'chunked' ? { chunkShape: layout.chunkShape } : {}),
    filters,
    attributes: await readAttributes(access, heap, header)
  }
}

/** The values of an enumeration by their names. */
function enumValues({ names, dtype, swapBytes: unit }: Column): { readonly [name: string]: number | bigint } {
  return Object.fromEntries((names ?? []).map(([name, stored]): readonly [string, number | bigint] => {
    const bytes = stored.slice()
    swapBytes(bytes, unit)
    const view = new DataView(bytes.buffer)
    switch (dtype) {
      case 'int8': return [name, view.getInt8(0)]
      case 'int16': return [name, view.getInt16(0, true)]
      case 'uint16': return [name, view.getUint16(0, true)]
      case 'int32': return [name, view.getInt32(0, true)]
      case 'uint32': return [name, view.getUint32(0, true)]
      case 'int64': return [name, view.getBigInt64(0, true)]
      case 'uint64': return [name, view.getBigUint64(0, true)]
      default: return [name, view.getUint8(0)]
    }
  }))
}

async function required(access: Access, header: ObjectHeader, type: number, what: string): Promise<Message> {
  const message = await findMessage(access, header, type)
  if (message === undefined) throw corrupt(access.place(header.address), `the dataset has no ${what}`)
  return message
}
