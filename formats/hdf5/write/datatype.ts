import { bytesPerValue, type DType } from '../../../src/format.js'
import { byteBuilder } from './bytes.js'

/** Bytes of a text in a dataset: its length, the address of a heap of texts, and its number there. */
export const TEXT_BYTES = 16

/** Bytes of one value in the file. */
export function sizeInFile(dtype: DType): number {
  return dtype === 'string' ? TEXT_BYTES : bytesPerValue(dtype)
}

/** Where sign, exponent and mantissa of a floating-point number are: their bits and the bias. */
const FLOATS = {
  float16: { size: 2, sign: 15, exponent: [10, 5], mantissa: 10, bias: 15 },
  bfloat16: { size: 2, sign: 15, exponent: [7, 8], mantissa: 7, bias: 127 },
  float32: { size: 4, sign: 31, exponent: [23, 8], mantissa: 23, bias: 127 },
  float64: { size: 8, sign: 63, exponent: [52, 11], mantissa: 52, bias: 1023 }
} as const

/**
 * The datatype message of a dtype (specification §IV.A.2.d), little-endian. As h5py does it, booleans are an enumeration of `FALSE` and
 * `TRUE`, complex numbers a compound of `r` and `i`, and strings are of variable length in UTF-8.
 */
export function datatypeMessage(dtype: DType): Uint8Array {
  switch (dtype) {
    case 'bool':
      return head(3, 8, 2, 1).bytes(integer(1, true)).text('FALSE\0TRUE\0').u8(0).u8(1).done()
    case 'float16':
    case 'bfloat16':
    case 'float32':
    case 'float64':
      return float(dtype)
    case 'complex64':
    case 'complex128': {
      const part = dtype === 'complex64' ? 'float32' : 'float64'
      const { size } = FLOATS[part]
      return head(3, 6, 2, 2 * size).text('r\0').u8(0).bytes(float(part)).text('i\0').u8(size).bytes(float(part)).done()
    }
    case 'string': {
      const [kind, utf8] = [1, 1]
      return head(1, 9, kind | (utf8 << 8), TEXT_BYTES).bytes(integer(1, false)).done()
    }
    default:
      return integer(bytesPerValue(dtype), !dtype.startsWith('u'))
  }
}

function head(version: number, type: number, bits: number, size: number): ReturnType<typeof byteBuilder> {
  return byteBuilder().u8((version << 4) | type).u8(bits & 0xff).u16(bits >>> 8).u32(size)
}

function integer(size: number, signed: boolean): Uint8Array {
  return head(1, 0, signed ? 8 : 0, size).u16(0).u16(8 * size).done()
}

function float(dtype: keyof typeof FLOATS): Uint8Array {
  const { size, sign, exponent, mantissa, bias } = FLOATS[dtype]
  const impliedBit = 2 << 4
  return head(1, 1, impliedBit | (sign << 8), size).u16(0).u16(8 * size).u8(exponent[0]).u8(exponent[1]).u8(0).u8(mantissa).u32(bias).done()
}
