/** Reads the numbers of a feature into typed arrays: from float_list, int64_list, or the raw bytes of a byte string. */
import { allocate, bytesPerValue, storedValue } from '../array/dtype.js'
import type { BatchPool } from '../array/pool.js'
import { MillraceError } from '../errors.js'
import type { DataOf } from '../types.js'
import { copyBytes, countBytes, countFloats, countInts, nextBytes, readFloats, readInts, type IntSink } from './lists.js'
import type { FeatureDType, FeatureSource } from './spec.js'
import { featureError, type Wire } from './wire.js'

/** The dtypes that typed arrays hold. */
export type ArrayDType = Exclude<FeatureDType, 'bytes' | 'string'>

/** The typed arrays of these dtypes. */
export type NumberData = DataOf[ArrayDType]

/** A typed array, and other views of the same memory that writing wants. */
export interface Numbers {
  readonly data: NumberData
  readonly bytes: Uint8Array
  /** Low and high words in turn, where items have 8 bytes. */
  readonly words: Int32Array
}

/** How the numbers of an opened list are read. */
export interface NumberReader {
  /** Number of values. Leaves the wire where it was. */
  count(wire: Wire): number
  /** Writes the values to `target` from `index` on, at most `room` of them, and returns how many there are. */
  read(wire: Wire, target: Numbers, index: number, room: number): number
}

const NO_WORDS = new Int32Array(0)

/** Throws `Limit` when there is no memory for it. From a pool, the numbers may be anything. */
export function newNumbers(dtype: ArrayDType, length: number, pool?: BatchPool): Numbers {
  const data = newData(dtype, length, pool)
  const { buffer, byteOffset, byteLength } = data
  return {
    data,
    bytes: new Uint8Array(buffer, byteOffset, byteLength),
    words: data.BYTES_PER_ELEMENT === 8 ? new Int32Array(buffer, byteOffset, byteLength / 4) : NO_WORDS
  }
}

function newData(dtype: ArrayDType, length: number, pool: BatchPool | undefined): NumberData {
  try {
    return pool === undefined ? allocate(dtype, length) : pool.take(dtype, length)
  } catch (cause) {
    throw new MillraceError('Limit', `there is no memory for an array of ${length} ${dtype} values`, { cause })
  }
}

/** A default value as the data of a whole shape. Throws `RangeError` for a value that does not fit the dtype. */
export function defaultNumbers(dtype: ArrayDType, size: number, value: unknown): NumberData {
  const { data } = newNumbers(dtype, size)
  for (let i = 0; i < size; i++) {
    const one: unknown = Array.isArray(value) ? value[i] : value
    const stored = storedValue(one, dtype)
    if (stored === undefined) throw new RangeError(`fixedLen: the default value ${String(one)} does not fit ${dtype}`)
    // The stored form is what the array of that dtype takes.
    data[i] = stored as never
  }
  return data
}

export function numberReader(dtype: ArrayDType, from: FeatureSource): NumberReader {
  if (from === 'bytes') return rawReader(dtype)
  if (from === 'float') return dtype === 'float32' ? float32Reader : float64Reader
  const sink = intSink(dtype)
  return { count: countInts, read: (wire, target, index, room) => readInts(wire, sink, target, index, room) }
}

const float32Reader: NumberReader = {
  count: countFloats,
  read: (wire, target, index, room) => readFloats(wire, target.bytes, 4 * index, room)
}

const float64Reader: NumberReader = {
  count: countFloats,
  read(wire, target, index, room) {
    const floats = newNumbers('float32', Math.min(room, countFloats(wire)))
    const count = readFloats(wire, floats.bytes, 0, floats.data.length)
    ;(target.data as Float64Array).set(floats.data as Float32Array, index)
    return count
  }
}

function rawReader(dtype: ArrayDType): NumberReader {
  const size = bytesPerValue(dtype)
  const lengthOf = (wire: Wire): number => {
    const to = nextBytes(wire)
    const from = wire.at
    if (to < 0 || (to < wire.end && countBytes({ ...wire, at: to }) > 0)) {
      wire.at = from
      throw featureError('Mismatch', wire, `raw ${dtype} values are one byte string, and there are ${to < 0 ? 'none' : 'more'}`)
    }
    if ((to - from) % size !== 0) {
      throw featureError('Mismatch', wire, `${to - from} bytes do not divide into ${dtype} values of ${size} bytes`)
    }
    return (to - from) / size
  }
  return {
    count(wire) {
      const start = wire.at
      const count = lengthOf(wire)
      wire.at = start
      return count
    },
    read(wire, target, index, room) {
      const count = lengthOf(wire)
      copyBytes(wire.bytes, wire.at, wire.at + size * Math.min(count, room), target.bytes, size * index)
      return count
    }
  }
}

function intSink(dtype: ArrayDType): IntSink<Numbers> {
  switch (dtype) {
    case 'int64':
      return (wire, { words }, index) => {
        words[2 * index] = wire.low
        words[2 * index + 1] = wire.high
      }
    case 'uint64':
      return (wire, { words }, index) => {
        if (wire.high < 0) throw lossy(wire, dtype)
        words[2 * index] = wire.low
        words[2 * index + 1] = wire.high
      }
    case 'bool': return smallSink(dtype, 0, 1)
    case 'int8': return smallSink(dtype, -128, 127)
    case 'uint8': return smallSink(dtype, 0, 255)
    case 'int16': return smallSink(dtype, -32768, 32767)
    case 'uint16': return smallSink(dtype, 0, 65535)
    case 'int32': return smallSink(dtype, -2147483648, 2147483647)
    case 'uint32':
      return (wire, { data }, index) => {
        if (wire.high !== 0) throw lossy(wire, dtype)
        data[index] = wire.low >>> 0
      }
    default:
      return (wire, { data }, index) => {
        const value = wire.high * 4294967296 + (wire.low >>> 0)
        data[index] = value
        // The sum is exact below 2^53; above, and for float32, what was stored has to be the integer itself.
        if (data[index] !== value || (Math.abs(value) > Number.MAX_SAFE_INTEGER && BigInt(value) !== int64Of(wire))) {
          throw lossy(wire, dtype)
        }
      }
  }
}

function smallSink(dtype: ArrayDType, min: number, max: number): IntSink<Numbers> {
  return (wire, { data }, index) => {
    const { low } = wire
    if (wire.high !== low >> 31 || low < min || low > max) throw lossy(wire, dtype)
    data[index] = low
  }
}

function int64Of(wire: Wire): bigint {
  return (BigInt(wire.high) << 32n) | BigInt(wire.low >>> 0)
}

function lossy(wire: Wire, dtype: ArrayDType): MillraceError {
  return featureError('Lossy', wire, `the integer ${int64Of(wire)} does not fit ${dtype}; read it as int64 or a wider dtype`)
}
