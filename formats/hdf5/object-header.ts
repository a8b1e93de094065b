import type { Access } from './access.js'
import { corrupt, limit, unsupported } from './faults.js'
import { fieldsOf, type Fields } from './fields.js'

/** What a message of an object header is about (specification §IV.A.2). */
export const MESSAGE = {
  nil: 0x00, dataspace: 0x01, linkInfo: 0x02, datatype: 0x03, oldFillValue: 0x04, fillValue: 0x05, link: 0x06, externalFiles: 0x07,
  layout: 0x08, groupInfo: 0x0a, filters: 0x0b, attribute: 0x0c, sharedTable: 0x0f, continuation: 0x10, symbolTable: 0x11,
  driverInfo: 0x14, attributeInfo: 0x15, cacheImage: 0x18
} as const

/** The last type that the specification gives: the free space of the file 0x17, the cache image 0x18. */
const LAST_KNOWN = 0x18
/** A message that is not known and has this flag must not be passed over. */
const FAIL_IF_UNKNOWN = 0x80
const SHARED = 0x02
/** Object headers are small; attributes of at most 64 KiB each are the largest part. */
const MOST_BYTES = 2 ** 26
const MOST_BLOCKS = 2 ** 16

/** One message. */
export interface Message {
  readonly type: number
  readonly body: Uint8Array
  /** The address of `body`, for errors. */
  readonly address: number
  /** True when `body` only says where the message is. */
  readonly shared: boolean
}

/** An object of the file: a group, a dataset or a named datatype, as messages. */
export interface ObjectHeader {
  readonly address: number
  readonly messages: readonly Message[]
}

/** Reads an object header of either version, with its continuations (specification §IV.A.1). */
export async function readObjectHeader(access: Access, address: number): Promise<ObjectHeader> {
  const head = await access.readSome(address, 64, 'an object header')
  const messages: Message[] = []
  const blocks = head[0] === 0x4f ? await newHeader(access, address, head, messages) : await oldHeader(access, address, head, messages)
  const seen = new Set([address])
  let bytes = 0
  for (let block = blocks.waiting.shift(); block !== undefined; block = blocks.waiting.shift()) {
    if (seen.has(block.address)) throw corrupt(access.place(block.address), 'an object header goes on in a part of it that was read already')
    seen.add(block.address)
    bytes += block.length
    if (bytes > MOST_BYTES || seen.size > MOST_BLOCKS) {
      throw limit(access.place(address), `its object header has more than ${MOST_BYTES} bytes`, 'Store large attributes as datasets')
    }
    const data = await access.read(block.address, block.length, 'the continuation of an object header')
    blocks.parse(block.address, data)
  }
  return { address, messages }
}

/** The one message of a type, following it to where it is shared; `undefined` if there is none. */
export async function findMessage(access: Access, header: ObjectHeader, type: number): Promise<Message | undefined> {
  const message = header.messages.find(message => message.type === type)
  return message === undefined ? undefined : resolveShared(access, message)
}

/** The message itself, if this one only says where it is. */
export async function resolveShared(access: Access, message: Message): Promise<Message> {
  if (!message.shared) return message
  const fields = fieldsOf(access, message.body, message.address, 'a shared message')
  return followShared(access, fields, message.type)
}

/** Reads where a shared message is, and that message (specification §IV.A.2, "Shared Message"). */
export async function followShared(access: Access, fields: Fields, type: number): Promise<Message> {
  const version = fields.expect([1, 2, 3], 'version')
  const kind = fields.u8()
  if (version === 3 && kind === 1) throw unsupported(access.place(0), 'messages in a shared heap of the file are not read')
  if (version === 1) fields.skip(6)
  const header = await readObjectHeader(access, fields.address())
  const message = header.messages.find(message => message.type === type)
  if (message === undefined || message.shared) throw fields.corrupt('it is not where it should be')
  return message
}

interface Blocks {
  readonly waiting: { readonly address: number; readonly length: number }[]
  parse(address: number, bytes: Uint8Array): void
}

async function oldHeader(access: Access, address: number, head: Uint8Array, messages: Message[]): Promise<Blocks> {
  const prefix = fieldsOf(access, head, address, 'an object header')
  prefix.expect([1], 'version')
  prefix.skip(1)
  prefix.u16() // the number of messages: some writers count differently
  prefix.skip(4)
  const size = prefix.u32()
  prefix.skip(4)
  const waiting: { address: number; length: number }[] = []

  function parse(start: number, bytes: Uint8Array): void {
    const fields = fieldsOf(access, bytes, start, 'an object header')
    while (fields.left >= 8) {
      const type = fields.u16()
      const length = fields.u16()
      const flags = fields.u8()
      fields.skip(3)
      const at = start + fields.at
      addMessage(access, messages, waiting, { type, flags, body: fields.bytes(length), address: at })
    }
  }

  parse(address + 16, await access.read(address + 16, size, 'an object header'))
  return { waiting, parse }
}

async function newHeader(access: Access, address: number, head: Uint8Array, messages: Message[]): Promise<Blocks> {
  const prefix = fieldsOf(access, head, address, 'an object header')
  prefix.signature('OHDR')
  prefix.expect([2], 'version')
  const flags = prefix.u8()
  if ((flags & 0x20) !== 0) prefix.skip(16)
  if ((flags & 0x10) !== 0) prefix.skip(4)
  const size = prefix.uint(1 << (flags & 3))
  const headBytes = 4 + ((flags & 4) !== 0 ? 2 : 0)
  const waiting: { address: number; length: number }[] = []

  function parseMessages(start: number, bytes: Uint8Array, from: number): void {
    const fields = fieldsOf(access, bytes, start, 'an object header')
    fields.skip(bytes.length - 4)
    fields.checksum()
    const body = fieldsOf(access, bytes.subarray(0, bytes.length - 4), start, 'an object header')
    body.skip(from)
    while (body.left >= headBytes) {
      const type = body.u8()
      const length = body.u16()
      const flags = body.u8()
      body.skip(headBytes - 4)
      const at = start + body.at
      addMessage(access, messages, waiting, { type, flags, body: body.bytes(length), address: at })
    }
  }

  const from = prefix.at
  parseMessages(address, await access.read(address, from + size + 4, 'an object header'), from)
  return {
    waiting,
    parse(start, bytes) {
      fieldsOf(access, bytes, start, 'the continuation of an object header').signature('OCHK')
      if (bytes.length < 8) throw corrupt(access.place(start), 'the continuation of an object header is too short')
      parseMessages(start, bytes, 4)
    }
  }
}

function addMessage(
  access: Access, messages: Message[], waiting: { address: number; length: number }[],
  message: { readonly type: number; readonly flags: number; readonly body: Uint8Array; readonly address: number }
): void {
  const { type, flags, body, address } = message
  if (type === MESSAGE.nil) return
  if (type === MESSAGE.continuation) {
    const fields = fieldsOf(access, body, address, 'a continuation message')
    waiting.push({ address: fields.address(), length: fields.length() })
    return
  }
  if (type > LAST_KNOWN && (flags & FAIL_IF_UNKNOWN) !== 0) {
    throw unsupported(access.place(address), `an object header has a message of type ${type}, which is not known and must not be passed over`)
  }
  messages.push({ type, body, address, shared: (flags & SHARED) !== 0 })
}
