import { lookup3 } from '../checksum.js'
import { byteBuilder } from './bytes.js'

/** A message of an object header. */
export interface HeaderMessage {
  readonly type: number
  readonly body: Uint8Array
  /** Never changes; types and the like. */
  readonly constant?: boolean
}

/** Bytes of the superblock, with which a file begins. */
export const SUPERBLOCK_BYTES = 48

/** A superblock of version 2 (specification §II.A). */
export function superblock(root: number, fileBytes: number): Uint8Array {
  return checked(byteBuilder().u8(0x89).text('HDF\r\n\x1a\n').u8(2).u8(8).u8(8).u8(0).u64(0).undefined64().u64(fileBytes).u64(root))
}

/** An object header of version 2, in one piece (§IV.A.1.b). */
export function objectHeader(messages: readonly HeaderMessage[]): Uint8Array {
  const body = byteBuilder()
  for (const { type, body: bytes, constant = false } of messages) body.u8(type).u16(bytes.length).u8(constant ? 1 : 0).bytes(bytes)
  return checked(byteBuilder().text('OHDR').u8(2).u8(2).u32(body.length).bytes(body.done()))
}

/** The messages of a group with its links in its header (§IV.A.2.c, g, k). */
export function groupMessages(links: ReadonlyMap<string, number>): HeaderMessage[] {
  const linkInfo = byteBuilder().u8(0).u8(0).undefined64().undefined64().done()
  const groupInfo = byteBuilder().u8(0).u8(0).done()
  return [
    { type: 0x02, body: linkInfo },
    { type: 0x0a, body: groupInfo, constant: true },
    ...[...links].map(([name, address]) => ({ type: 0x06, body: link(name, address) }))
  ]
}

function link(name: string, address: number): Uint8Array {
  const bytes = new TextEncoder().encode(name)
  const [twoByteLength, hasCharset, utf8] = [1, 1 << 4, 1]
  return byteBuilder().u8(1).u8(twoByteLength | hasCharset).u8(utf8).u16(bytes.length).bytes(bytes).u64(address).done()
}

/** The body of a dataspace message (§IV.A.2.b). `growing` leaves the first axis without a bound. */
export function dataspace(shape: readonly number[], growing = false): Uint8Array {
  const out = byteBuilder().u8(2).u8(shape.length).u8(growing ? 1 : 0).u8(shape.length === 0 ? 0 : 1)
  for (const length of shape) out.u64(length)
  if (growing) {
    out.undefined64()
    for (const length of shape.slice(1)) out.u64(length)
  }
  return out.done()
}

/** An attribute info message of a header that has all attributes in itself (§IV.A.2.v). */
export function attributeInfo(): HeaderMessage {
  return { type: 0x15, body: byteBuilder().u8(0).u8(0).undefined64().undefined64().done() }
}

/** An attribute message (§IV.A.2.m). */
export function attributeMessage(name: string, datatype: Uint8Array, shape: readonly number[], data: Uint8Array): HeaderMessage {
  const nameBytes = new TextEncoder().encode(`${name}\0`)
  const space = dataspace(shape)
  const body = byteBuilder().u8(3).u8(0).u16(nameBytes.length).u16(datatype.length).u16(space.length).u8(1)
    .bytes(nameBytes).bytes(datatype).bytes(space).bytes(data).done()
  return { type: 0x0c, body }
}

/** A fill value message: zeros, which are written only where there is storage (§IV.A.2.f). */
export function fillValue(chunked: boolean): HeaderMessage {
  const [late, incrementally, ifSet] = [2, 3, 2 << 2]
  return { type: 0x05, body: byteBuilder().u8(3).u8((chunked ? incrementally : late) | ifSet).done(), constant: true }
}

/** A layout message of version 3: values in one piece (§IV.A.2.i). */
export function contiguousLayout(address: number, bytes: number): HeaderMessage {
  const out = byteBuilder().u8(3).u8(1)
  return { type: 0x08, body: (bytes === 0 ? out.undefined64() : out.u64(address)).u64(bytes).done() }
}

/** A layout message of version 3: chunks, found by a tree. Without an address there are none. */
export function chunkedLayout(tree: number | undefined, chunkShape: readonly number[], valueBytes: number): HeaderMessage {
  const out = byteBuilder().u8(3).u8(2).u8(chunkShape.length + 1)
  if (tree === undefined) out.undefined64()
  else out.u64(tree)
  for (const length of [...chunkShape, valueBytes]) out.u32(length)
  return { type: 0x08, body: out.done() }
}

/** A filter pipeline message of version 2 (§IV.A.2.l): numbers of filters below 256 with their parameters. */
export function filterPipeline(filters: readonly { readonly id: number; readonly parameters: readonly number[] }[]): HeaderMessage {
  const out = byteBuilder().u8(2).u8(filters.length)
  for (const { id, parameters } of filters) {
    out.u16(id).u16(0).u16(parameters.length)
    for (const parameter of parameters) out.u32(parameter)
  }
  return { type: 0x0b, body: out.done(), constant: true }
}

/** The bytes and their checksum. */
function checked(out: ReturnType<typeof byteBuilder>): Uint8Array {
  const bytes = out.done()
  return out.u32(lookup3(bytes, 0, bytes.length)).done()
}
