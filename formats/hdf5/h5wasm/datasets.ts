import { attempt, Fault } from './faults.js'
import { gather } from './gather.js'
import { leavesOf, specOf, type Leaf } from './leaves.js'
import { provideFilters, type H5Module } from './load.js'
import type { ColumnValues, DatasetSummary, Part } from './protocol.js'

/** The datasets of the opened file, in the thread with h5wasm. */
export interface Datasets {
  describe(path: string): DatasetSummary
  read(part: Part): ColumnValues[]
}

interface Opened extends DatasetSummary {
  readonly path: string
  readonly shape: readonly number[] | null
  readonly leaves: readonly Leaf[]
  readonly asInFile: boolean
  /** Bytes of one value in memory. */
  readonly stride: number
  readonly hasPointers: boolean
}

/** Finds datasets in an opened file, and reads rows of them. */
export function openDatasets(module: H5Module, file: bigint): Datasets {
  const opened = new Map<string, Opened>()

  function find(path: string): Opened {
    const known = opened.get(path)
    if (known !== undefined) return known
    const found = open(module, file, path)
    opened.set(path, found)
    return found
  }

  return {
    describe(path) {
      const { rows, spec, rowBytes, chunk, chunkBytes } = find(path)
      return { rows, spec, rowBytes, chunk, chunkBytes }
    },
    read(part) {
      return read(module, file, find(part.path), part)
    }
  }
}

function open(module: H5Module, file: bigint, name: string): Opened {
  const path = `/${name.split('/').filter(part => part !== '').join('/')}`
  const type = attempt(() => module.get_type(file, path), `${path} cannot be found`)
  if (type === 4) throw new Fault('Unsupported', `${path} is a link to another file`)
  if (type === -1 || type === 3) throw new Fault('NotFound', `there is no ${path} in the file`)
  if (type !== 1) throw new Fault('NotFound', `${path} is ${type === 0 ? 'a group' : 'a type'}, not a dataset`)

  const facts = attempt(() => module.get_dataset_metadata(file, path), `${path} cannot be opened`)
  if (facts.virtual_sources?.some(source => source.file_name !== '.') === true) {
    throw new Fault('Unsupported', `${path} is made of parts of other files`)
  }
  provideFilters(module, path, attempt(() => module.get_dataset_filters(file, path), `${path}: its filters cannot be read`))
  const found = leavesOf(facts)
  if (typeof found === 'string') throw new Fault('Unsupported', `${path} holds ${found}, which are not read`)
  const { shape, size: stride } = facts
  const rowShape = shape?.slice(1) ?? []
  return {
    path, shape, stride, ...found,
    hasPointers: found.leaves.some(leaf => leaf.text === 'pointer'),
    rows: shape === null ? 0 : shape[0] ?? 1,
    spec: specOf(found.leaves, rowShape),
    rowBytes: stride * product(rowShape),
    chunk: facts.chunks,
    chunkBytes: facts.chunks === null ? 0 : stride * product(facts.chunks)
  }
}

function read(module: H5Module, file: bigint, dataset: Opened, { start, count }: Part): ColumnValues[] {
  const { path, shape, leaves, stride, hasPointers } = dataset
  const values = count * product(shape?.slice(1) ?? [])
  const bytes = values * stride
  const what = `rows ${start} to ${start + count - 1} of ${path}`
  if (bytes === 0) return leaves.map(({ name, dtype, text }) => ({ name, dtype, values: text === undefined ? new ArrayBuffer(0) : [] }))
  const pointer = attempt(() => module._malloc(bytes), what)
  if (pointer === 0) throw new Fault('Limit', `${what} need ${bytes} bytes, which h5wasm cannot have`)
  // When HDF5 broke down, its memory is given up as a whole.
  const [selected, from] = shape === null || shape.length === 0
    ? [null, null]
    : [[count, ...shape.slice(1)].map(BigInt), shape.map((_, axis) => BigInt(axis === 0 ? start : 0))]
  try {
    // HDF5 leaves alone what was never written in a dataset without fill value: there must be no old bytes there, and no old pointers.
    module.HEAPU8.fill(0, pointer, pointer + bytes)
    const status = attempt(() => readRaw(module, file, dataset, selected, from, pointer), `${what} cannot be read`)
    if (status < 0) throw new Fault('Corrupt', `${what} cannot be read`)
    const raw = { heap: module.HEAPU8, start: pointer, count: values, stride }
    const columns = leaves.map(leaf => ({ name: leaf.name, dtype: leaf.dtype, values: gather(leaf, raw) }))
    if (hasPointers) {
      if (selected === null) module.reclaim_vlen_memory(file, path, '', BigInt(pointer))
      else module.reclaim_vlen_memory_count(file, path, '', BigInt(pointer), selected)
    }
    return columns
  } finally {
    module._free(pointer)
  }
}

function readRaw(
  module: H5Module, file: bigint, { path, asInFile }: Opened, count: bigint[] | null, from: bigint[] | null, pointer: number
): number {
  const steps = count === null ? null : count.map(() => 1n)
  if (!asInFile) return module.get_dataset_data(file, path, count, from, steps, BigInt(pointer))
  // HDF5 refuses to turn the type round, whereupon h5wasm reads the values as they are.
  module.deactivate_throwing_error_handler()
  try {
    return module.get_dataset_data(file, path, count, from, steps, BigInt(pointer))
  } finally {
    module.activate_throwing_error_handler()
  }
}

function product(lengths: readonly number[]): number {
  return lengths.reduce((all, length) => all * length, 1)
}
