import type { Access } from '../access.js'
import { fieldsOf } from '../fields.js'

/** The names of a group in the old style. */
export interface LocalHeap {
  /** The text at an offset. */
  text(offset: number): string
}

/** Reads a local heap (specification §III.D). */
export async function readLocalHeap(access: Access, address: number): Promise<LocalHeap> {
  const { offsetBytes, lengthBytes } = access
  const fields = fieldsOf(access, await access.read(address, 8 + 2 * lengthBytes + offsetBytes, 'a local heap'), address, 'a local heap')
  fields.signature('HEAP')
  fields.expect([0], 'version')
  fields.skip(3)
  const size = fields.length()
  fields.skip(lengthBytes)
  const at = fields.address()
  const data = await access.read(at, size, 'the data of a local heap')
  return {
    text(offset) {
      const text = fieldsOf(access, data, at, 'a name in a local heap')
      text.skip(offset)
      return text.text()
    }
  }
}
