import type { Access } from '../access.js'
import { fieldsOf, type Fields } from '../fields.js'
import { followShared, MESSAGE, type Message } from '../object-header.js'
import { readDataspace, type Dataspace } from './dataspace.js'
import { readDatatype, type Datatype } from './datatype.js'

/** An attribute, not decoded. */
export interface RawAttribute {
  readonly name: string
  readonly type: Datatype
  readonly space: Dataspace
  readonly data: Uint8Array
  /** Address of `data`, for errors. */
  readonly address: number
}

/** Reads an attribute message (specification §IV.A.2.m). */
export async function readAttribute(access: Access, bytes: Uint8Array, address: number): Promise<RawAttribute> {
  const fields = fieldsOf(access, bytes, address, 'an attribute')
  const version = fields.expect([1, 2, 3], 'version')
  const flags = fields.u8()
  const [nameBytes, typeBytes, spaceBytes] = [fields.u16(), fields.u16(), fields.u16()]
  if (version === 3) fields.skip(1)
  const padded = (length: number): number => (version === 1 ? Math.ceil(length / 8) * 8 : length)
  const nameField = fields.bytes(padded(nameBytes))
  const end = nameField.indexOf(0)
  const name = new TextDecoder('utf-8', { ignoreBOM: true }).decode(end < 0 ? nameField : nameField.subarray(0, end))
  const part = async (type: number, length: number, shared: boolean): Promise<Message> => {
    const at = address + fields.at
    const body = fields.bytes(padded(length))
    return shared ? followShared(access, fieldsOf(access, body, at, 'a shared message'), type) : { type, body, address: at, shared: false }
  }
  const type = readDatatype(access, await part(MESSAGE.datatype, typeBytes, version > 1 && (flags & 1) !== 0))
  const space = readDataspace(access, await part(MESSAGE.dataspace, spaceBytes, version > 1 && (flags & 2) !== 0))
  return { name, type, space, address: address + fields.at, data: dataOf(fields, type, space) }
}

function dataOf(fields: Fields, type: Datatype, { shape }: Dataspace): Uint8Array {
  if (shape === null) return new Uint8Array(0)
  return fields.bytes(shape.reduce((product, length) => product * length, type.size))
}
