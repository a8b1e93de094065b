import { bytesPerValue, widthOf } from '../array/dtype.js'
import { arrayOrScalar } from './leaf.js'
import { joinBytes } from '../example/wire.js'
import { swapBytes } from '../kernels/swap-bytes.js'
import type { NdArray, NumericArray } from '../types.js'
import { DTYPE_NUMBERS } from './tensor-proto.js'

/**
 * The bytes of a `tf.TensorProto`, exactly as `tf.io.serialize_tensor` writes them; `parseTensor` and `tf.io.parse_tensor` read
 * them. Plain scalars have the dtype that they are stacked to.
 *
 * @throws MillraceError `Mismatch` for what is no array; `Lossy` for a number that float32, or a bigint that int64 cannot hold.
 */
export function encodeTensor(tensor: NdArray | NumericArray | number | boolean | bigint | string): Uint8Array {
  const { dtype, shape, data } = arrayOrScalar('encodeTensor', tensor, '')
  const dims = shape.map(length => {
    // proto3 leaves out what is zero.
    const dim = length === 0 ? [] : [8, ...varint(length)]
    return Uint8Array.from([18, ...varint(dim.length), ...dim])
  })
  const dimBytes = joinBytes(dims)
  const values = ArrayBuffer.isView(data) ? content(littleEndian(data, bytesPerValue(dtype) / widthOf(dtype))) : texts(data)
  return joinBytes([
    Uint8Array.from([8, ...varint(DTYPE_NUMBERS[dtype]), 18, ...varint(dimBytes.length)]),
    dimBytes,
    ...values
  ])
}

function varint(value: number): number[] {
  const bytes: number[] = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128)
  return [...bytes, value]
}

const HOST_IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

function littleEndian(data: ArrayBufferView, itemBytes: number): Uint8Array {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  if (HOST_IS_LITTLE_ENDIAN || itemBytes === 1) return bytes
  const copy = bytes.slice()
  swapBytes(copy, itemBytes)
  return copy
}

/** The field `tensor_content`. */
const content = (bytes: Uint8Array): Uint8Array[] => (bytes.length === 0 ? [] : [Uint8Array.from([34, ...varint(bytes.length)]), bytes])

/** One field `string_val` per text. */
function texts(values: readonly string[]): Uint8Array[] {
  const encoder = new TextEncoder()
  return values.flatMap(value => {
    const text = encoder.encode(value)
    return [Uint8Array.from([66, ...varint(text.length)]), text]
  })
}
