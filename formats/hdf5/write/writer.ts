import { MillraceError, type NdArray, type ObjectMeta, type ObjectWriter } from '../../../src/format.js'
import { attributeMessages } from './attributes.js'
import { contiguousRows } from './contiguous.js'
import { datasetRows, type DatasetRows, type Placement } from './dataset.js'
import { groupMessages, objectHeader, superblock, SUPERBLOCK_BYTES, type HeaderMessage } from './headers.js'
import { resolveDatasetOptions, type Attributes, type Hdf5DatasetOptions } from './options.js'
import { spool } from './spool.js'

export type { Hdf5DatasetOptions } from './options.js'

/** A dataset that is being written. */
export interface Hdf5DatasetWriter {
  /**
   * Appends rows: an array whose first axis counts them. Its data may be reused when the promise resolves, and waiting for it keeps
   * memory bounded. Calls that are not awaited keep their order.
   * @throws MillraceError `Mismatch` for rows of another dtype or shape, `Closed` after `finalize` or `abort`
   */
  append(rows: NdArray): Promise<void>
}

/** Writes datasets into one HDF5 file. */
export interface Hdf5Writer {
  /**
   * Begins a dataset; several may grow side by side. Groups on the way to it are made.
   * @param path Names joined by `/`.
   * @throws RangeError or TypeError for an option that is none, or a path that is taken
   */
  dataset(path: string, options?: Hdf5DatasetOptions): Hdf5DatasetWriter
  /** Sets the attributes of a group, which is made if it is not there. `/` is the root. */
  group(path: string, attributes?: Attributes): void
  /** Writes what is buffered and makes the file visible. */
  finalize(): Promise<ObjectMeta>
  /** Gives the file up; nothing of it stays behind. */
  abort(): Promise<void>
}

/** How {@link hdf5Writer} works. */
export interface Hdf5WriterOptions {
  /**
   * Bytes of the file that are kept in memory until it is complete; what comes after them waits in a temporary file (in Node).
   * HDF5 begins with the size of the whole file, so that nothing can be handed on before.
   * @default 67108864
   */
  readonly memoryBytes?: number | undefined
}

const MEMORY_BYTES = 2 ** 26

interface Group {
  readonly groups: Map<string, Group>
  readonly datasets: Map<string, OpenDataset>
  attributes: Attributes
}

interface OpenDataset {
  readonly rows: DatasetRows
  readonly attributes: Attributes
}

/**
 * Writes an HDF5 file that HDF5 1.8 and later, h5py and all others read: datasets in chunks with shuffle and deflate, groups, and
 * attributes. Chunks are compressed side by side on Node's thread pool.
 *
 * Every dtype can be written: booleans and complex numbers as h5py writes them, strings with variable length in UTF-8, float16 and
 * bfloat16 as floating-point numbers of 16 bits.
 *
 * Memory: `memoryBytes`, and for each dataset the rows of one chunk and up to four chunks that are being compressed.
 */
export function hdf5Writer(writer: ObjectWriter, options: Hdf5WriterOptions = {}): Hdf5Writer {
  const { memoryBytes = MEMORY_BYTES } = options
  if (!(memoryBytes >= 0)) throw new RangeError(`memoryBytes must be a number from 0 on, not ${String(memoryBytes)}`)
  const spooled = spool(memoryBytes)
  const root = newGroup()
  let state: 'open' | 'closed' = 'open'
  let last: Promise<unknown> = Promise.resolve()
  let placed = SUPERBLOCK_BYTES

  /** One after the other: the addresses of what is written follow from what was written before. */
  function inOrder<T>(step: () => Promise<T>): Promise<T> {
    const next = last.then(step)
    last = next.catch(() => undefined)
    return next
  }

  let spooling: Promise<void> = Promise.resolve()
  const place: Placement = {
    address: () => placed,
    async write(bytes) {
      const address = placed
      // Everything begins at a multiple of 8.
      const padding = new Uint8Array((8 - (bytes.length % 8)) % 8)
      placed += bytes.length + padding.length
      spooling = spooling.then(async () => {
        await spooled.write(bytes)
        await spooled.write(padding)
      })
      await spooling
      return address
    }
  }

  function checkOpen(): void {
    if (state !== 'open') throw new MillraceError('Closed', 'This HDF5 file is finished already: open another writer')
  }

  function groupAt(names: readonly string[]): Group {
    let group = root
    for (const name of names) {
      if (group.datasets.has(name)) throw new RangeError(`/${names.join('/')}: ${name} is a dataset, and cannot be a group too`)
      let next = group.groups.get(name)
      if (next === undefined) group.groups.set(name, next = newGroup())
      group = next
    }
    return group
  }

  async function writeHeader(messages: readonly HeaderMessage[], path: string, attributes: Attributes): Promise<number> {
    const heaps: Uint8Array[] = []
    let address = placed
    const extra = attributeMessages(path, attributes, {
      address: () => address,
      write(bytes) {
        heaps.push(bytes)
        address += bytes.length
      }
    })
    await Promise.all(heaps.map(bytes => place.write(bytes)))
    return place.write(objectHeader([...messages, ...extra]))
  }

  async function writeGroup(group: Group, path: string): Promise<number> {
    const links = new Map<string, number>()
    for (const [name, { rows, attributes }] of group.datasets) links.set(name, await writeHeader(await rows.finish(), `${path}${name}`, attributes))
    for (const [name, inner] of group.groups) links.set(name, await writeGroup(inner, `${path}${name}/`))
    return writeHeader(groupMessages(links), path, group.attributes)
  }

  return {
    dataset(path, datasetOptions = {}) {
      checkOpen()
      const names = namesOf(path)
      const name = names.pop()
      if (name === undefined) throw new RangeError('a dataset needs a name: the root is a group')
      const group = groupAt(names)
      if (group.datasets.has(name) || group.groups.has(name)) throw new RangeError(`there is a ${path} already`)
      const resolved = resolveDatasetOptions(path, datasetOptions)
      const rows = (resolved.chunks === false ? contiguousRows : datasetRows)(path, resolved, place)
      group.datasets.set(name, { rows, attributes: resolved.attributes })
      return {
        append: async array => {
          checkOpen()
          return inOrder(() => rows.append(array))
        }
      }
    },
    group(path, attributes = {}) {
      checkOpen()
      const group = groupAt(namesOf(path))
      group.attributes = { ...group.attributes, ...attributes }
    },
    async finalize() {
      checkOpen()
      state = 'closed'
      try {
        const address = await inOrder(() => writeGroup(root, '/'))
        await writer.write(superblock(address, placed))
        await spooled.drain(bytes => writer.write(bytes))
        return await writer.finalize()
      } finally {
        await spooled.close()
      }
    },
    async abort() {
      state = 'closed'
      await last
      await spooling.catch(() => undefined)
      await spooled.close()
      await writer.abort()
    }
  }
}

function newGroup(): Group {
  return { groups: new Map(), datasets: new Map(), attributes: {} }
}

function namesOf(path: string): string[] {
  const names = path.split('/').filter(name => name !== '')
  if (names.some(name => name === '.' || name === '..' || name.includes('\0'))) throw new RangeError(`${path}: a name cannot be . or .. in HDF5`)
  return names
}
