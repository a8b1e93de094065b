/** A spec made ready for reading: the key, the expected list and the reader of each feature, and its value in one record. */
import { sizeOf } from '../array/ndarray.js'
import { formatShape, joinPath } from '../array/nest.js'
import type { NdArray, RaggedArray } from '../types.js'
import { openFound, type Found } from './features.js'
import { LIST, LIST_NAMES, nextBytes, openList, readText, type List } from './lists.js'
import {
  defaultNumbers, newNumbers, numberReader, type ArrayDType, type NumberData, type NumberReader, type Numbers
} from './numbers.js'
import type { ExampleSpec, Feature } from './spec.js'
import { featureError, type Wire } from './wire.js'

/** One feature of a spec, ready for reading. */
export interface Field {
  readonly ordinal: number
  readonly key: string
  /** The key, behind the part of a SequenceExample that it is in. */
  readonly keyPath: string
  readonly feature: Feature
  readonly list: List
  /** Number of values of a fixedLen feature; −1 for any number. */
  readonly size: number
  /** True when the value is a single one and not an array. */
  readonly scalar: boolean
  /** Absent for bytes and strings. */
  readonly reader: NumberReader | null
  readonly dtype: ArrayDType
  /** Takes a single number on its way. */
  readonly scratch: Numbers
  /** The values of a missing feature. */
  readonly defaults: NumberData | readonly string[] | readonly Uint8Array[] | null
}

const LISTS = { bytes: LIST.bytes, float: LIST.float, int64: LIST.int64 } as const

export function compileFields(spec: ExampleSpec, prefix = ''): readonly Field[] {
  return Object.entries(spec).map(([key, feature], ordinal) => {
    const { kind } = feature as { kind?: unknown }
    if (kind !== 'fixedLen' && kind !== 'varLen' && kind !== 'ragged') {
      throw new TypeError(`the spec of feature "${key}" must come from fixedLen, varLen or ragged`)
    }
    const isNumber = feature.dtype !== 'bytes' && feature.dtype !== 'string'
    const dtype: ArrayDType = feature.dtype === 'bytes' || feature.dtype === 'string' ? 'uint8' : feature.dtype
    return {
      ordinal,
      key,
      keyPath: joinPath(prefix, key),
      feature,
      list: LISTS[feature.from],
      size: feature.kind === 'fixedLen' ? sizeOf(feature.shape) : -1,
      scalar: feature.kind === 'fixedLen' && feature.shape.length === 0,
      reader: isNumber ? numberReader(dtype, feature.from) : null,
      dtype,
      scratch: newNumbers(dtype, 1),
      defaults: defaultsOf(feature)
    }
  })
}

function defaultsOf(feature: Feature): Field['defaults'] {
  if (feature.kind !== 'fixedLen' || feature.defaultValue === undefined) return null
  const { dtype, shape, defaultValue } = feature
  if (dtype !== 'bytes' && dtype !== 'string') return defaultNumbers(dtype, sizeOf(shape), defaultValue)
  const values: readonly unknown[] = Array.isArray(defaultValue)
    ? defaultValue
    : new Array<unknown>(sizeOf(shape)).fill(defaultValue)
  return values as readonly string[] | readonly Uint8Array[]
}

/** Opens the list of a field: false when the record does not have the feature. Another kind of list is an error. */
export function openField(wire: Wire, field: Field, found: Found, bytes: Uint8Array, origin: number): boolean {
  wire.keyPath = field.keyPath
  return openFound(wire, found, field.ordinal, bytes, origin) && openFeature(wire, field)
}

/** Opens the list of the Feature at `[wire.at, wire.end)`: false when its kind is not set. */
export function openFeature(wire: Wire, field: Field): boolean {
  const list = openList(wire)
  if (list === field.list) return true
  if (list === LIST.none) return false
  const wanted = `${field.feature.dtype} is read from ${LIST_NAMES[field.list]}`
  throw featureError('Mismatch', wire, `it is ${LIST_NAMES[list]}, and ${wanted}${hint(list, field)}`)
}

function hint(list: List, { feature }: Field): string {
  const { dtype } = feature
  const floats = dtype === 'float32' || dtype === 'float64'
  if (list === LIST.bytes && dtype !== 'bool') return '; if it is raw numbers, pass { from: \'bytes\' }'
  if (list === LIST.int64 && floats) return '; for integers as floats pass { from: \'int64\' }'
  if (list === LIST.float && floats) return '; pass { from: \'float\' }'
  return '; change the dtype in the spec'
}

/** The value of an opened field in one record. */
export function decodeField(wire: Wire, field: Field): unknown {
  const { feature, reader, dtype, size, scratch } = field
  if (reader === null) {
    const values: unknown[] = []
    const isBytes = feature.dtype === 'bytes'
    const count = isBytes ? readViews(wire, values as Uint8Array[], size) : readTexts(wire, values as string[], 0, size)
    checkCount(wire, field, count)
    return field.scalar ? values[0] : shaped(field, values as readonly string[] | readonly Uint8Array[])
  }
  if (field.scalar) {
    checkCount(wire, field, reader.read(wire, scratch, 0, 1))
    return single(field, scratch.data)
  }
  const numbers = newNumbers(dtype, size < 0 ? reader.count(wire) : size)
  checkCount(wire, field, reader.read(wire, numbers, 0, numbers.data.length))
  return shaped(field, numbers.data)
}

/** The value of a field that a record does not have. */
export function missingField(wire: Wire, field: Field): unknown {
  const { feature, defaults } = field
  if (defaults !== null) {
    return field.scalar ? single(field, defaults) : shaped(field, defaults.slice())
  }
  if (feature.kind === 'fixedLen') throw missingError(wire)
  return shaped(field, field.reader === null ? [] : newNumbers(field.dtype, 0).data)
}

export function missingError(wire: Wire): Error {
  const what = 'the record does not have it, and the spec has no default value'
  return featureError('Mismatch', wire, `${what}; pass { defaultValue } or read it with varLen`)
}

/** The first of `data` as a number, bigint, boolean, string or byte string. */
export function single(field: Field, data: NonNullable<Field['defaults']>): unknown {
  return field.feature.dtype === 'bool' ? data[0] !== 0 : data[0]
}

function shaped(field: Field, data: NonNullable<Field['defaults']>): unknown {
  const { feature } = field
  if (feature.dtype === 'bytes') return data
  const values = data as (NdArray | RaggedArray)['data']
  return feature.kind === 'ragged'
    ? { dtype: feature.dtype, data: values, rowSplits: [] }
    : { dtype: feature.dtype, shape: feature.kind === 'fixedLen' ? feature.shape : [data.length], data: values }
}

/** Throws when a fixedLen feature has not as many values as its shape. */
export function checkCount(wire: Wire, field: Field, count: number): void {
  if (field.size < 0 || count === field.size) return
  const { feature } = field
  const shape = feature.kind === 'fixedLen' ? formatShape(feature.shape) : ''
  const values = count === 1 ? '1 value' : `${count} values`
  throw featureError('Mismatch', wire, `it has ${values}, and shape ${shape} needs ${field.size}`)
}

/** Appends views of the byte strings of the list, at most `room` of them (all if negative), and returns how many there are. */
export function readViews(wire: Wire, values: Uint8Array[], room: number): number {
  const { bytes } = wire
  let count = 0
  for (let to = nextBytes(wire); to >= 0; to = nextBytes(wire)) {
    if (room < 0 || count < room) values.push(bytes.subarray(wire.at, to))
    wire.at = to
    count++
  }
  return count
}

/** Puts the texts of the list to `values` from `index` on, at most `room` (all if negative); returns how many there are. */
export function readTexts(wire: Wire, values: string[], index: number, room: number): number {
  let count = 0
  for (let to = nextBytes(wire); to >= 0; to = nextBytes(wire)) {
    if (room < 0 || count < room) values[index + count] = readText(wire, wire.at, to)
    wire.at = to
    count++
  }
  return count
}
