import { crc32, deflateRawSync } from 'node:zlib'

/** A member as it is to be written, rightly or not. */
export interface RawMember {
  readonly name: string
  readonly data: Uint8Array
  /** 0 or 8. */
  readonly method: number
  readonly crcError?: boolean
  /** The size that the headers say. */
  readonly claim?: number
  /** The directory says that it is where the first one is. */
  readonly sharesWithFirst?: boolean
}

/** A ZIP archive, written by the letter, so that it can be wrong on purpose. */
export function zipFile(members: readonly RawMember[], comment: Uint8Array = new Uint8Array(0)): Uint8Array {
  const parts: Buffer[] = []
  const entries: Buffer[] = []
  let at = 0
  for (const { name, data, method, crcError = false, claim = data.length, sharesWithFirst = false } of members) {
    const packed = method === 8 ? deflateRawSync(data) : Buffer.from(data)
    const wide = claim > 0xfffffffe
    const extra = Buffer.alloc(wide ? 12 : 0)
    if (wide) {
      extra.writeUInt16LE(1, 0)
      extra.writeUInt16LE(8, 2)
      extra.writeBigUInt64LE(BigInt(claim), 4)
    }
    const common = Buffer.alloc(26)
    common.writeUInt16LE(45, 0)
    common.writeUInt16LE(method, 4)
    common.writeUInt32LE((crc32(data) ^ Number(crcError)) >>> 0, 10)
    common.writeUInt32LE(packed.length, 14)
    common.writeUInt32LE(wide ? 0xffffffff : claim, 18)
    common.writeUInt16LE(name.length, 22)
    common.writeUInt16LE(extra.length, 24)
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, Buffer.from(name), extra, packed])
    const rest = Buffer.alloc(14)
    rest.writeUInt32LE(sharesWithFirst ? 0 : at, 10)
    entries.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common, rest, Buffer.from(name), extra]))
    parts.push(local)
    at += local.length
  }
  const directory = Buffer.concat(entries)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 0, 'latin1')
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(at, 16)
  end.writeUInt16LE(comment.length, 20)
  return new Uint8Array(Buffer.concat([...parts, directory, end, comment]))
}

/** An NPY file. */
export function npyFile(descr: string, shape: readonly number[], data: ArrayBufferView, fortran = false): Uint8Array {
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (${shape.map((length) => `${length},`).join(' ')}), }`
  const header = Buffer.from(`${text.padEnd(117)}\n`)
  return new Uint8Array(Buffer.concat([Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length, 0]), header, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]))
}
