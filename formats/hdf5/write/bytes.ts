/** Little-endian bytes that grow. */
export interface ByteBuilder {
  readonly length: number
  u8(value: number): ByteBuilder
  u16(value: number): ByteBuilder
  u32(value: number): ByteBuilder
  /** A number up to 2^53. */
  u64(value: number): ByteBuilder
  /** An address or a length that is not there: all bits are one. */
  undefined64(): ByteBuilder
  text(value: string): ByteBuilder
  bytes(value: Uint8Array): ByteBuilder
  zeros(count: number): ByteBuilder
  /** What was written. */
  done(): Uint8Array<ArrayBuffer>
}

const encoder = new TextEncoder()

/** Begins to write bytes. */
export function byteBuilder(): ByteBuilder {
  let data = new Uint8Array(64)
  let view = new DataView(data.buffer)
  let length = 0

  function room(count: number): number {
    const at = length
    length += count
    if (length > data.length) {
      const grown = new Uint8Array(Math.max(2 * data.length, length))
      grown.set(data)
      data = grown
      view = new DataView(data.buffer)
    }
    return at
  }

  const builder: ByteBuilder = {
    get length() {
      return length
    },
    u8(value) {
      const at = room(1)
      view.setUint8(at, value)
      return builder
    },
    u16(value) {
      const at = room(2)
      view.setUint16(at, value, true)
      return builder
    },
    u32(value) {
      const at = room(4)
      view.setUint32(at, value, true)
      return builder
    },
    u64(value) {
      const at = room(8)
      view.setBigUint64(at, BigInt(value), true)
      return builder
    },
    undefined64() {
      const at = room(8)
      view.setBigInt64(at, -1n, true)
      return builder
    },
    text(value) {
      return builder.bytes(encoder.encode(value))
    },
    bytes(value) {
      const at = room(value.length)
      data.set(value, at)
      return builder
    },
    zeros(count) {
      room(count)
      return builder
    },
    done() {
      return data.slice(0, length)
    }
  }
  return builder
}
