import { isMillraceError, MillraceError, type ByteSource, type LeafSpec, type RowSpec } from '../../../src/format.js'
import { openAccess, type Access } from '../access.js'
import { columnsOf, rowSpecOf } from '../columns.js'
import { UNDEFINED } from '../fields.js'
import { readLinks } from '../groups/links.js'
import { readDataspace } from '../messages/dataspace.js'
import { readDatatype } from '../messages/datatype.js'
import { findMessage, MESSAGE, readObjectHeader, type ObjectHeader } from '../object-header.js'
import { readSuperblock } from '../superblock.js'

const MOST_LINKS = 64

/**
 * The structure of the rows of datasets as our own reader sees it; `undefined` for those that it does not find its way to.
 *
 * h5wasm tells the size of a number, but not where in it its bits are: without this a bfloat16 would be taken for a float16, and an
 * integer of 12 bits for one of 16. It also checks that the file is as long as it should be.
 *
 * @throws MillraceError `Unsupported` for a type that is not read, `Truncated` or `Corrupt`
 */
export async function ownSpecs(source: ByteSource, paths: readonly string[], signal: AbortSignal): Promise<(RowSpec | undefined)[]> {
  const opened = await orUnsupported(readSuperblock(openAccess(source, signal)))
  if (opened === undefined) return paths.map(() => undefined)
  const specs: (RowSpec | undefined)[] = []
  for (const path of paths) specs.push(await specAt(opened.access.with({ path }), opened.root, path))
  return specs
}

/**
 * The structure that both readers agree on.
 * @throws MillraceError `Corrupt` when they do not
 */
export function agreed(uri: string, found: RowSpec, own: RowSpec | undefined): RowSpec {
  if (own === undefined) return found
  const both = [leavesIn(found), leavesIn(own)] as const
  const same = both[0].length === both[1].length && both[0].every(([name, leaf], i) => {
    const [ownName, ownLeaf] = both[1][i] ?? []
    const known = leaf.dtype === ownLeaf?.dtype || (leaf.dtype === 'float16' && ownLeaf?.dtype === 'bfloat16')
    return known && name === ownName && String(leaf.shape) === String(ownLeaf?.shape)
  })
  if (same) return own
  throw new MillraceError('Corrupt', `${uri}: h5wasm sees rows of ${JSON.stringify(found)}, and the headers of the file say ${JSON.stringify(own)}`, { uri })
}

/** The leaves of a row by name, `''` for the only one. */
export function leavesIn(spec: RowSpec): (readonly [name: string, leaf: LeafSpec])[] {
  return Array.isArray((spec as LeafSpec).shape) ? [['', spec as LeafSpec]] : Object.entries(spec as { readonly [key: string]: LeafSpec })
}

async function specAt(access: Access, root: number, path: string): Promise<RowSpec | undefined> {
  const header = await orUnsupported(headerAt(access, root, path))
  if (header === undefined) return undefined
  const [type, space] = [await findMessage(access, header, MESSAGE.datatype), await findMessage(access, header, MESSAGE.dataspace)]
  if (type === undefined || space === undefined) return undefined
  return rowSpecOf(columnsOf(readDatatype(access, type), access.place(header.address)), readDataspace(access, space).shape?.slice(1) ?? [])
}

async function headerAt(access: Access, root: number, path: string): Promise<ObjectHeader | undefined> {
  const partsOf = (path: string): string[] => path.split('/').filter(part => part !== '' && part !== '.')
  const waiting = partsOf(path)
  let address = root
  for (let part = waiting.shift(), links = 0; part !== undefined; part = waiting.shift()) {
    const name = part
    const link = (await readLinks(access, await readObjectHeader(access, address))).find(link => link.name === name)
    if (link?.kind === 'hard' && link.address !== UNDEFINED) {
      address = link.address
    } else if (link?.kind === 'soft' && ++links <= MOST_LINKS) {
      if (link.target.startsWith('/')) address = root
      waiting.unshift(...partsOf(link.target))
    } else {
      return undefined
    }
  }
  return readObjectHeader(access, address)
}

async function orUnsupported<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (error) {
    if (isMillraceError(error, 'Unsupported')) return undefined
    throw error
  }
}
