import type { DType, RowSpec } from '../../../src/format.js'

/** What h5wasm says of a type. Only what is used here. */
export interface H5Type {
  readonly type: number
  /** Bytes of one value in memory. */
  readonly size: number
  readonly signed: boolean
  /** False also for types that have no order. */
  readonly littleEndian: boolean
  /** True for strings of variable length. */
  readonly vlen: boolean
  readonly strpad?: number
  readonly compound_type?: { readonly members: readonly (H5Type & { readonly name: string; readonly offset: number })[] }
  readonly array_type?: H5Type & { readonly shape: readonly number[] }
  readonly enum_type?: { readonly type: number; readonly members: { readonly [name: string]: number } }
}

/** One column of the values of a dataset: where its values lie in one value of the dataset, and what they are. */
export interface Leaf {
  /** Names of members joined by `.`; `''` when the type is no compound. */
  readonly name: string
  readonly dtype: DType
  /** Axes of array types, the outermost first. */
  readonly shape: readonly number[]
  /** Byte offset of each of its values. */
  readonly at: readonly number[]
  /** Bytes of one value. */
  readonly bytes: number
  /** Bytes whose order has to be turned round; 1 for none. */
  readonly swap: number
  /** How texts end: a pointer to a text, or as `strpad` of HDF5 says. */
  readonly text?: 'pointer' | 'null-terminated' | 'null-padded' | 'space-padded'
}

/** Classes of types, as HDF5 numbers them. */
const [INTEGER, FLOAT, TIME, STRING, BITFIELD, OPAQUE, COMPOUND, REFERENCE, ENUM, VLEN, ARRAY, COMPLEX] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
const UNREADABLE: { readonly [type: number]: string } = {
  [TIME as number]: 'times (H5T_TIME)', [REFERENCE as number]: 'references', [VLEN as number]: 'sequences of variable length'
}
const TEXTS = ['null-terminated', 'null-padded', 'space-padded'] as const
/** More values than this in one value of a dataset are no longer listed one by one. */
const MOST_VALUES = 2 ** 20

/** What {@link leavesOf} finds. */
export interface Leaves {
  readonly leaves: readonly Leaf[]
  /** True when h5wasm has to be asked for the bytes as they are in the file, because HDF5 cannot turn enumerations round. */
  readonly asInFile: boolean
}

/**
 * The columns of a type, or why it cannot be read.
 *
 * h5wasm asks HDF5 for little-endian values, which it gets when all members of a compound are big-endian, and not when they are mixed.
 */
export function leavesOf(type: H5Type): Leaves | string {
  const order = orderOf(type)
  const bigEnum = order === 'big' && hasEnum(type)
  if (bigEnum && type.type === COMPOUND) return 'big-endian enumerations in a compound'
  const converted = order === 'big' && !bigEnum
  const found: Leaf[] = []

  function visit(type: H5Type, name: string, shape: readonly number[], at: readonly number[]): string | undefined {
    const swapped = !converted && orderOf(type) === 'big'
    const add = (dtype: DType, swap: number, text?: Leaf['text']): undefined => {
      found.push({ name, dtype, shape, at, bytes: type.size, swap: swapped ? swap : 1, ...(text === undefined ? {} : { text }) })
    }
    switch (type.type) {
      case INTEGER:
      case BITFIELD: {
        const dtype = integer(type.size, type.type === INTEGER && type.signed)
        return dtype === undefined ? `integers of ${type.size} bytes` : add(dtype, type.size)
      }
      case FLOAT: {
        const dtype = ({ 2: 'float16', 4: 'float32', 8: 'float64' } as const)[type.size]
        return dtype === undefined ? `floating-point numbers of ${type.size} bytes` : add(dtype, type.size)
      }
      case ENUM: {
        if (isBoolean(type)) return add('bool', 1)
        const dtype = type.enum_type?.type === INTEGER ? integer(type.size, type.signed) : undefined
        return dtype === undefined ? `enumerations of ${type.size} bytes` : add(dtype, type.size)
      }
      case STRING:
        if (type.vlen) return add('string', 1, 'pointer')
        return add('string', 1, TEXTS[type.strpad ?? 0] ?? 'null-terminated')
      case OPAQUE: {
        if (type.size * at.length > MOST_VALUES) return `opaque values of ${type.size} bytes`
        const bytes = at.flatMap(offset => Array.from({ length: type.size }, (_, i) => offset + i))
        found.push({ name, dtype: 'uint8', shape: [...shape, type.size], at: bytes, bytes: 1, swap: 1 })
        return undefined
      }
      case COMPLEX:
        if (type.size !== 8 && type.size !== 16) return `complex numbers of ${type.size} bytes`
        return add(type.size === 8 ? 'complex64' : 'complex128', type.size / 2)
      case COMPOUND: {
        const part = complexPart(type)
        if (part !== undefined) {
          const swap = !converted && orderOf(part) === 'big' ? part.size : 1
          found.push({ name, dtype: part.size === 4 ? 'complex64' : 'complex128', shape, at, bytes: type.size, swap })
          return undefined
        }
        for (const member of type.compound_type?.members ?? []) {
          const fault = visit(member, name === '' ? member.name : `${name}.${member.name}`, shape, at.map(offset => offset + member.offset))
          if (fault !== undefined) return fault
        }
        return undefined
      }
      case ARRAY: {
        const base = type.array_type
        if (base === undefined) return 'arrays of an unknown type'
        const count = base.shape.reduce((product, length) => product * length, 1)
        if (count * at.length > MOST_VALUES) return `arrays of ${count * at.length} values`
        const offsets = at.flatMap(offset => Array.from({ length: count }, (_, i) => offset + i * base.size))
        return visit(base, name, [...shape, ...base.shape], offsets)
      }
      default:
        return UNREADABLE[type.type] ?? `values of class ${type.type}`
    }
  }

  const fault = visit(type, '', [], [0])
  if (fault !== undefined) return fault
  const names = found.map(leaf => leaf.name)
  if (new Set(names).size < names.length) return `members with the same name (${names.join(', ')})`
  return found.length === 0 ? 'a compound without members' : { leaves: found, asInFile: bigEnum }
}

/** The structure of a row: `rowShape` and then the axes of array types. */
export function specOf(leaves: readonly Leaf[], rowShape: readonly number[]): RowSpec {
  const [only] = leaves
  if (leaves.length === 1 && only?.name === '') return { dtype: only.dtype, shape: [...rowShape, ...only.shape] }
  return Object.fromEntries(leaves.map(({ name, dtype, shape }) => [name, { dtype, shape: [...rowShape, ...shape] }]))
}

/** As `H5Tget_order` has it: none for texts and the like, mixed when members differ. */
function orderOf(type: H5Type): 'little' | 'big' | 'mixed' | 'none' {
  if (type.type !== COMPOUND) {
    if (type.type === ARRAY && type.array_type !== undefined) return orderOf(type.array_type)
    if ((type.type === STRING && !type.vlen) || type.type === OPAQUE) return 'none'
    return type.littleEndian ? 'little' : 'big'
  }
  const orders = new Set((type.compound_type?.members ?? []).map(orderOf).filter(order => order !== 'none'))
  return orders.size > 1 ? 'mixed' : [...orders][0] ?? 'none'
}

function hasEnum(type: H5Type): boolean {
  return type.type === ENUM || (type.array_type !== undefined && hasEnum(type.array_type)) || (type.compound_type?.members ?? []).some(hasEnum)
}

function integer(bytes: number, signed: boolean): DType | undefined {
  const names = { 1: ['int8', 'uint8'], 2: ['int16', 'uint16'], 4: ['int32', 'uint32'], 8: ['int64', 'uint64'] } as const
  return (names as { readonly [bytes: number]: readonly [DType, DType] })[bytes]?.[signed ? 0 : 1]
}

/** What h5py writes for booleans. */
function isBoolean({ size, enum_type: { members } = { type: 0, members: {} } }: H5Type): boolean {
  return size === 1 && Object.keys(members).length === 2 && members['FALSE'] === 0 && members['TRUE'] === 1
}

/** The type of the two parts of a complex number, as h5py writes it. */
function complexPart({ size, compound_type: { members } = { members: [] } }: H5Type): H5Type | undefined {
  const [r, i] = members
  if (members.length !== 2 || r === undefined || i === undefined || r.name !== 'r' || i.name !== 'i') return undefined
  const fits = [r, i].every(part => part.type === FLOAT && (part.size === 4 || part.size === 8) && part.littleEndian === r.littleEndian)
  return fits && r.offset === 0 && i.offset === r.size && i.size === r.size && size === 2 * r.size ? r : undefined
}
