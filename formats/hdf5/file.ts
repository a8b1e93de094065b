import type { ByteSource } from '../../src/format.js'
import { openAccess, type Access } from './access.js'
import { readAttributes } from './attributes.js'
import { boundedCache } from './cache.js'
import { describe } from './columns.js'
import { isDataset, readDataset, type DatasetContext } from './dataset.js'
import { corrupt, limit, notFound, unsupported } from './faults.js'
import { UNDEFINED } from './fields.js'
import { isGroup, readLinks } from './groups/links.js'
import { openGlobalHeap } from './heaps/global-heap.js'
import { readDatatype } from './messages/datatype.js'
import type { Link } from './messages/link.js'
import type { Hdf5File, Hdf5Group, Hdf5Node, Hdf5OpenOptions } from './model.js'
import { findMessage, MESSAGE, readObjectHeader, type ObjectHeader } from './object-header.js'
import { openScratch } from './scratch.js'
import { readSuperblock } from './superblock.js'

const MOST_SOFT_LINKS = 16
const MOST_DEPTH = 64
const MOST_OBJECTS = 2 ** 18
const LINK_CACHE_BYTES = 2 ** 24
const BYTES_PER_LINK = 96
const SCRATCH_BYTES = 2 ** 25

/**
 * Opens an HDF5 file: reads its superblock. Metadata are read through a small cache of blocks, data by their own ranges.
 * @param options `signal` is used until a dataset is open; reading its table has its own.
 * @throws MillraceError `Corrupt`, `Truncated`, `Unsupported`, `Limit` with `uri` and `offset`, or that of the store.
 */
export async function openHdf5File(source: ByteSource, options: Hdf5OpenOptions): Promise<Hdf5File> {
  const { access, root, extension } = await readSuperblock(openAccess(source, options.signal))
  if (extension !== UNDEFINED) await checkExtension(access, extension)
  const context: DatasetContext = {
    heap: openGlobalHeap(), scratch: openScratch(SCRATCH_BYTES), cacheBytes: options.cacheBytes, maxChunkBytes: options.maxChunkBytes
  }
  const groups = boundedCache<number, readonly Link[]>(LINK_CACHE_BYTES, links => BYTES_PER_LINK * (1 + links.length))
  const linksOf = (header: ObjectHeader): Promise<readonly Link[]> =>
    groups.get(header.address, options.signal, () => readLinks(access, header))

  return {
    uri: source.uri,
    async dataset(path) {
      const found = await follow(access, root, linksOf, path)
      const absolute = `/${partsOf(path).join('/')}`
      const file = access.with({ path: absolute })
      if (isGroup(found) || !isDataset(found)) throw notFound(file.place(found.address), `it is a ${isGroup(found) ? 'group' : 'datatype'}, not a dataset`)
      const { facts, open } = await readDataset(file, found, context)
      const table = await open()
      return { ...facts, table: () => table }
    },
    inspect: () => inspectGroups(access, root, linksOf, context)
  }
}

/** A superblock extension may say that the file is not what it seems. */
async function checkExtension(access: Access, address: number): Promise<void> {
  const { messages } = await readObjectHeader(access, address)
  for (const { type, address } of messages) {
    if (type === MESSAGE.driverInfo) throw unsupported(access.place(address), 'its data are spread over several files')
    if (type === MESSAGE.cacheImage) throw unsupported(access.place(address), 'its metadata are in a cache image')
  }
}

type LinksOf = (header: ObjectHeader) => Promise<readonly Link[]>

function partsOf(path: string): readonly string[] {
  return path.split('/').filter(part => part !== '' && part !== '.')
}

/** The object header at the end of a path. */
async function follow(access: Access, root: number, linksOf: LinksOf, path: string): Promise<ObjectHeader> {
  const waiting = [...partsOf(path)]
  /** The groups on the way, beginning with the root: a soft link goes on in the group that it stands in. */
  let header = await readObjectHeader(access, root)
  let softLinks = 0
  for (let part = waiting.shift(); part !== undefined; part = waiting.shift()) {
    const at = header.address
    const links = isGroup(header) ? await linksOf(header) : []
    const link = links.find(({ name }) => name === part)
    if (link === undefined) {
      const what = isGroup(header) ? `there is no '${part}'; there are ${listed(links.map(({ name }) => name))}` : `'${part}' is looked for in what is not a group`
      throw notFound(access.with({ path }).place(at), what)
    }
    switch (link.kind) {
      case 'hard':
        header = await readObjectHeader(access, link.address)
        break
      case 'soft':
        if (++softLinks > MOST_SOFT_LINKS) throw corrupt(access.with({ path }).place(at), `more than ${MOST_SOFT_LINKS} soft links lead to one another`)
        waiting.unshift(...partsOf(link.target))
        if (link.target.startsWith('/')) header = await readObjectHeader(access, root)
        break
      case 'external':
        throw unsupported(access.with({ path }).place(at), `'${part}' is a link to ${link.target} of another file, ${link.file}`, 'Open that file')
      case 'unknown':
        throw unsupported(access.with({ path }).place(at), `'${part}' is a link of a kind that is not known (${link.type})`)
    }
  }
  return header
}

/** Some names, for an error. */
function listed(names: readonly string[]): string {
  if (names.length === 0) return 'no names at all'
  const shown = names.slice(0, 10).map(name => `'${name}'`).join(', ')
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown
}

async function inspectGroups(access: Access, root: number, linksOf: LinksOf, context: DatasetContext): Promise<Hdf5Group> {
  /** Path of each object that was seen. */
  const seen = new Map<number, string>()
  return group(await readObjectHeader(access, root), '/', 0)

  async function group(header: ObjectHeader, path: string, depth: number): Promise<Hdf5Group> {
    const file = access.with({ path })
    seen.set(header.address, path)
    if (seen.size > MOST_OBJECTS) throw limit(file.place(header.address), `more than ${MOST_OBJECTS} objects are not listed`, 'Read datasets by their paths')
    if (depth > MOST_DEPTH) throw limit(file.place(header.address), `groups are nested more than ${MOST_DEPTH} deep`, 'Read datasets by their paths')
    const members: Hdf5Node[] = []
    for (const link of await linksOf(header)) members.push(await member(link, path === '/' ? `/${link.name}` : `${path}/${link.name}`, depth))
    return { kind: 'group', path, attributes: await readAttributes(file, context.heap, header), members }
  }

  async function member(link: Link, path: string, depth: number): Promise<Hdf5Node> {
    if (link.kind === 'soft') return { kind: 'link', path, target: link.target }
    if (link.kind === 'external') return { kind: 'external', path, file: link.file, target: link.target }
    if (link.kind === 'unknown') return { kind: 'unsupported', path, reason: `a link of kind ${link.type}`, attributes: {} }
    const header = await readObjectHeader(access, link.address)
    const file = access.with({ path })
    if (isGroup(header)) {
      const target = seen.get(header.address)
      return target === undefined ? group(header, path, depth + 1) : { kind: 'link', path, target }
    }
    seen.set(header.address, path)
    return isDataset(header) ? dataset(file, header, path) : namedType(file, header, path)
  }

  async function dataset(file: Access, header: ObjectHeader, path: string): Promise<Hdf5Node> {
    try {
      return { kind: 'dataset', ...(await readDataset(file, header, context)).facts }
    } catch (error) {
      const { kind, message } = error as { readonly kind?: unknown; readonly message?: unknown }
      if (kind !== 'Unsupported') throw error
      return { kind: 'unsupported', path, reason: String(message), attributes: await readAttributes(file, context.heap, header) }
    }
  }

  async function namedType(file: Access, header: ObjectHeader, path: string): Promise<Hdf5Node> {
    const message = await findMessage(file, header, MESSAGE.datatype)
    return message === undefined
      ? { kind: 'unsupported', path, reason: 'neither a group, nor a dataset, nor a datatype', attributes: {} }
      : { kind: 'type', path, type: describe(readDatatype(file, message)) }
  }
}
