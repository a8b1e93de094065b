import type { Access } from '../access.js'
import { fieldsOf } from '../fields.js'

/** What a name in a group stands for. */
export type Link =
  | { readonly kind: 'hard'; readonly name: string; readonly address: number }
  | { readonly kind: 'soft'; readonly name: string; readonly target: string }
  | { readonly kind: 'external'; readonly name: string; readonly file: string; readonly target: string }
  | { readonly kind: 'unknown'; readonly name: string; readonly type: number }

/** Reads a link message (specification §IV.A.2.g). */
export function readLink(access: Access, bytes: Uint8Array, address: number): Link {
  const fields = fieldsOf(access, bytes, address, 'a link')
  fields.expect([1], 'version')
  const flags = fields.u8()
  const type = (flags & 8) === 0 ? 0 : fields.u8()
  if ((flags & 4) !== 0) fields.skip(8)
  if ((flags & 16) !== 0) fields.skip(1)
  const name = text(fields.bytes(fields.uint(1 << (flags & 3))))
  if (type === 0) return { kind: 'hard', name, address: fields.address() }
  if (type === 1) return { kind: 'soft', name, target: text(fields.bytes(fields.u16())) }
  if (type !== 64) return { kind: 'unknown', name, type }
  const end = fields.at + 2 + fields.u16()
  fields.skip(1)
  const link = { kind: 'external', name, file: fields.text(), target: fields.text() } as const
  if (fields.at > end) throw fields.corrupt('the target of an external link is longer than the link')
  return link
}

function text(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}
