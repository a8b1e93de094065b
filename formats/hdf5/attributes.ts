import { allocate, bfloat16ToFloat, halfToFloat, widthOf } from '../../src/format.js'
import type { Access } from './access.js'
import { columnsOf, type Column } from './columns.js'
import { convertColumn, type ColumnData } from './convert.js'
import { corrupt } from './faults.js'
import { readDense, readDenseInfo } from './groups/dense.js'
import type { GlobalHeap } from './heaps/global-heap.js'
import { readAttribute, type RawAttribute } from './messages/attribute.js'
import type { Hdf5Attributes, Hdf5Value } from './model.js'
import { MESSAGE, resolveShared, type ObjectHeader } from './object-header.js'

/** Reads and decodes all attributes of an object. */
export async function readAttributes(access: Access, heap: GlobalHeap, header: ObjectHeader): Promise<Hdf5Attributes> {
  const raw: RawAttribute[] = []
  for (const message of header.messages) {
    if (message.type === MESSAGE.attribute) {
      const { body, address } = await resolveShared(access, message)
      raw.push(await readAttribute(access, body, address))
    } else if (message.type === MESSAGE.attributeInfo) {
      const storage = readDenseInfo(access, message, 2)
      const found: { readonly bytes: Uint8Array; readonly address: number }[] = []
      if (storage !== undefined) await readDense(access, storage, 8, (bytes, address) => found.push({ bytes, address }))
      for (const { bytes, address } of found) raw.push(await readAttribute(access, bytes, address))
    }
  }
  raw.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  const values: [string, Hdf5Value][] = []
  for (const attribute of raw) values.push([attribute.name, await valueOf(access, heap, attribute)])
  return Object.fromEntries(values)
}

async function valueOf(access: Access, heap: GlobalHeap, { type, space, data, address }: RawAttribute): Promise<Hdf5Value> {
  const { shape } = space
  if (shape === null) return null
  const place = access.place(address)
  let columns: readonly Column[]
  try {
    columns = columnsOf(type, place)
  } catch (error) {
    if ((error as { kind?: unknown }).kind !== 'Unsupported') throw error
    return { unsupported: type.kind === 'unsupported' ? type.what : 'a compound type with members that are not read' }
  }
  const count = data.length / type.size
  const decoded: { readonly column: Column; readonly data: ColumnData }[] = []
  for (const column of columns) {
    const into = allocate(column.dtype, count * column.shape.reduce((product, length) => product * length, 1) * widthOf(column.dtype))
    // A copy, at an offset that typed arrays can begin at.
    await convertColumn({ access, heap, place }, column, data.slice(), type.size, count, into, 0)
    decoded.push({ column, data: into })
  }
  const element = (i: number): Hdf5Value => {
    const values = decoded.map(({ column, data }) => [column.name, nested(column.shape, i, k => itemOf(column, data, k))] as const)
    const [only] = values
    return only?.[0] === '' ? only[1] : Object.fromEntries(values)
  }
  if (!Number.isInteger(count)) throw corrupt(place, 'an attribute does not have the size of its values')
  return nested(shape, 0, element)
}

/** Nested arrays of a shape; `item` gets ordinals, beginning with those of the block `block`. */
function nested(shape: readonly number[], block: number, item: (ordinal: number) => Hdf5Value): Hdf5Value {
  const [length, ...inner] = shape
  if (length === undefined) return item(block)
  return Array.from({ length }, (_, i) => nested(inner, block * length + i, item))
}

function itemOf({ dtype }: Column, data: ColumnData, i: number): Hdf5Value {
  if (dtype === 'complex64' || dtype === 'complex128') return { re: (data[2 * i] ?? 0) as number, im: (data[2 * i + 1] ?? 0) as number }
  const value = data[i] ?? 0
  if (dtype === 'bool') return value !== 0
  if (dtype === 'float16' || dtype === 'bfloat16') return wide(value as number, dtype === 'float16' ? halfToFloat : bfloat16ToFloat)
  return value
}

function wide(bits: number, widen: (from: Uint16Array, into: Float32Array) => void): number {
  const into = new Float32Array(1)
  widen(Uint16Array.of(bits), into)
  return into[0] ?? 0
}
