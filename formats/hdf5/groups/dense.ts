import type { Access } from '../access.js'
import { fieldsOf, UNDEFINED } from '../fields.js'
import { openFractalHeap } from '../heaps/fractal-heap.js'
import type { Message } from '../object-header.js'
import { openTree2 } from '../trees/tree2.js'

/** Where the links or attributes of an object are that has too many of them for its header. */
export interface DenseStorage {
  readonly heap: number
  /** A B-tree of version 2, by name. */
  readonly tree: number
}

/** Most links of a group, or attributes of an object. */
const MOST_ENTRIES = 2 ** 22

/** Reads a link info or attribute info message (specification §IV.A.2.c, §IV.A.2.v); `undefined` when nothing is stored that way. */
export function readDenseInfo(access: Access, message: Message, counterBytes: number): DenseStorage | undefined {
  const fields = fieldsOf(access, message.body, message.address, 'where links or attributes are')
  fields.expect([0], 'version')
  if ((fields.u8() & 1) !== 0) fields.skip(counterBytes)
  const heap = fields.address()
  const tree = fields.address()
  return heap === UNDEFINED || tree === UNDEFINED ? undefined : { heap, tree }
}

/** What is stored: the messages of links (tree type 5) or of attributes (8), as bytes. In the order of a hash of their names. */
export async function readDense(
  access: Access, storage: DenseStorage, type: 5 | 8, visit: (bytes: Uint8Array, address: number, flags: number) => void
): Promise<void> {
  const heap = await openFractalHeap(access, storage.heap)
  const tree = await openTree2(access, storage.tree)
  const idAt = type === 5 ? 4 : 0
  const idBytes = type === 5 ? 7 : 8
  const place = fieldsOf(access, new Uint8Array(0), storage.tree, 'the names of links or attributes')
  if (tree.type !== type || tree.recordBytes < idAt + idBytes + (type === 5 ? 0 : 1)) throw place.corrupt(`it is a tree of type ${tree.type}`)
  if (tree.records > MOST_ENTRIES) throw place.corrupt(`${tree.records} entries are more than ${MOST_ENTRIES}`)
  const found: { readonly id: Uint8Array; readonly flags: number }[] = []
  await tree.scan(access, () => 0, (view, at) => {
    const id = new Uint8Array(view.buffer, view.byteOffset + at + idAt, idBytes)
    found.push({ id, flags: type === 5 ? 0 : view.getUint8(at + 8) })
  })
  for (const { id, flags } of found) {
    const { bytes, address } = await heap.get(access, id)
    visit(bytes, address, flags)
  }
}
