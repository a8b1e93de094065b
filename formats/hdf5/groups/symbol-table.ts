import type { Access } from '../access.js'
import { corrupt } from '../faults.js'
import { fieldsOf } from '../fields.js'
import { readLocalHeap, type LocalHeap } from '../heaps/local-heap.js'
import type { Link } from '../messages/link.js'
import type { Message } from '../object-header.js'

const MOST_LEVELS = 32
/** How a symbol table entry says that it is a soft link. */
const SOFT_LINK = 2

/** The links of a group in the old style: a B-tree of version 1 over tables of symbols (specification §III.A.1, §III.B, §III.C). */
export async function readSymbolTable(access: Access, message: Message): Promise<readonly Link[]> {
  const fields = fieldsOf(access, message.body, message.address, 'a symbol table')
  const tree = fields.address()
  const heap = await readLocalHeap(access, fields.address())
  const links: Link[] = []
  await readNode(access, tree, undefined, heap, links, new Set())
  return links
}

/** @param level The level that the node must have, `undefined` for the root. */
async function readNode(
  access: Access, address: number, level: number | undefined, heap: LocalHeap, links: Link[], seen: Set<number>
): Promise<void> {
  if (seen.has(address)) throw corrupt(access.place(address), 'a node of a group is reached twice')
  seen.add(address)
  const { offsetBytes, lengthBytes } = access
  const headBytes = 8 + 2 * offsetBytes
  const head = fieldsOf(access, await access.read(address, headBytes, 'a node of a group'), address, 'a node of a group')
  head.signature('TREE')
  head.expect([0], 'type')
  const ownLevel = head.u8()
  if (ownLevel !== (level ?? ownLevel) || ownLevel > MOST_LEVELS) throw head.corrupt(`it is of level ${ownLevel}`)
  const count = head.u16()
  const what = 'the entries of a node of a group'
  const bytes = await access.read(address + headBytes, count * (lengthBytes + offsetBytes), what)
  const fields = fieldsOf(access, bytes, address + headBytes, what)
  for (let i = 0; i < count; i++) {
    fields.skip(lengthBytes)
    const child = fields.address()
    if (ownLevel > 0) await readNode(access, child, ownLevel - 1, heap, links, seen)
    else if (seen.has(child)) throw fields.corrupt('a table of symbols is reached twice')
    else await readSymbols(access, child, heap, links)
    seen.add(child)
  }
}

async function readSymbols(access: Access, address: number, heap: LocalHeap, links: Link[]): Promise<void> {
  const what = 'a table of symbols'
  const head = fieldsOf(access, await access.read(address, 8, what), address, what)
  head.signature('SNOD')
  head.expect([1], 'version')
  head.skip(1)
  const count = head.u16()
  const { offsetBytes } = access
  const bytes = await access.read(address + 8, count * (2 * offsetBytes + 24), what)
  const fields = fieldsOf(access, bytes, address + 8, what)
  for (let i = 0; i < count; i++) {
    const name = heap.text(fields.uint(offsetBytes))
    const header = fields.address()
    const kind = fields.u32()
    fields.skip(4)
    const target = fields.u32()
    fields.skip(12)
    links.push(kind === SOFT_LINK ? { kind: 'soft', name, target: heap.text(target) } : { kind: 'hard', name, address: header })
  }
}
