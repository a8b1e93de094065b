import type { DType } from '../../../src/format.js'
import type { Access } from '../access.js'
import { fieldsOf, type Fields } from '../fields.js'
import type { Message } from '../object-header.js'

/** The type of a value in the file. `size` is its bytes. */
export type Datatype =
  | NumberType
  | { readonly kind: 'string'; readonly size: number; readonly padding: Padding }
  | { readonly kind: 'text'; readonly size: number }
  | { readonly kind: 'opaque'; readonly size: number }
  | EnumType
  | { readonly kind: 'compound'; readonly size: number; readonly members: readonly Member[] }
  | { readonly kind: 'array'; readonly size: number; readonly shape: readonly number[]; readonly base: Datatype }
  | { readonly kind: 'unsupported'; readonly size: number; readonly what: string }

/** An integer or a floating-point number. */
export interface NumberType {
  readonly kind: 'number'
  readonly size: number
  readonly dtype: DType
  readonly bigEndian: boolean
}

/** An enumeration: an integer whose values have names. */
export interface EnumType {
  readonly kind: 'enum'
  readonly size: number
  readonly base: NumberType
  readonly members: readonly (readonly [name: string, value: Uint8Array])[]
}

/** One member of a compound. */
export interface Member {
  readonly name: string
  /** Where it begins in the compound, in bytes. */
  readonly offset: number
  readonly type: Datatype
}

/** How a string of fixed size is filled up. */
export type Padding = 'zero-terminated' | 'zero-padded' | 'space-padded'

const MOST_NESTING = 16
const MOST_MEMBERS = 2 ** 16

/** Reads a datatype message (specification §IV.A.2.d). Types that are not read give `unsupported`, which says what they are. */
export function readDatatype(access: Access, message: Message): Datatype {
  return parse(fieldsOf(access, message.body, message.address, 'a datatype'), 0)
}

/** Reads a datatype that stands in the middle of something, up to its end. */
function parse(fields: Fields, depth: number): Datatype {
  if (depth > MOST_NESTING) throw fields.corrupt(`types are nested more than ${MOST_NESTING} deep`)
  const head = fields.u8()
  const version = head >>> 4
  const type = head & 0x0f
  const bits = fields.uint(3)
  const size = fields.u32()
  if (version < 1 || version > 5) throw fields.corrupt(`version ${version} is not known`)
  if (size === 0) throw fields.corrupt('a value of no bytes is not possible')
  switch (type) {
    case 0: return integer(fields, bits, size, 'an integer')
    case 1: return float(fields, bits, size)
    case 2: return unsupportedType(fields, 2, size, 'a time')
    case 3: return { kind: 'string', size, padding: padding(fields, bits) }
    case 4: return integer(fields, bits & ~8, size, 'a bit field')
    case 5: return opaque(fields, bits, size)
    case 6: return compound(fields, bits & 0xffff, version, size, depth)
    case 7: return { kind: 'unsupported', size, what: 'a reference' }
    case 8: return enumeration(fields, bits & 0xffff, version, size, depth)
    case 9: return variable(fields, bits, size, depth)
    case 10: return array(fields, version, size, depth)
    case 11: return complex(fields, size, depth)
    default: return { kind: 'unsupported', size, what: `a type of class ${type}` }
  }
}

function unsupportedType(fields: Fields, bytes: number, size: number, what: string): Datatype {
  fields.skip(bytes)
  return { kind: 'unsupported', size, what }
}

function integer(fields: Fields, bits: number, size: number, what: string): Datatype {
  const offset = fields.u16()
  const precision = fields.u16()
  if (offset + precision > 8 * size || precision === 0) throw fields.corrupt(`${precision} bits from bit ${offset} on do not fit ${size} bytes`)
  if (![1, 2, 4, 8].includes(size)) return { kind: 'unsupported', size, what: `${what} of ${size} bytes` }
  if (offset !== 0 || precision !== 8 * size) return { kind: 'unsupported', size, what: `${what} of ${precision} bits in ${8 * size}` }
  const dtype = `${(bits & 8) === 0 ? 'u' : ''}int${8 * size}` as DType
  return { kind: 'number', size, dtype, bigEndian: size > 1 && (bits & 1) === 1 }
}

/** Where sign, exponent and mantissa are: bit of the sign, first bit and size of the others, bias. */
const FLOATS: readonly (readonly [dtype: DType, size: number, layout: string])[] = [
  ['float16', 2, '15 10 5 0 10 15'],
  ['bfloat16', 2, '15 7 8 0 7 127'],
  ['float32', 4, '31 23 8 0 23 127'],
  ['float64', 8, '63 52 11 0 52 1023']
]

function float(fields: Fields, bits: number, size: number): Datatype {
  const offset = fields.u16()
  const precision = fields.u16()
  const layout = [(bits >>> 8) & 0xff, fields.u8(), fields.u8(), fields.u8(), fields.u8(), fields.u32()].join(' ')
  const implied = ((bits >>> 4) & 3) === 2
  const found = FLOATS.find(([, bytes, fields]) => bytes === size && fields === layout)
  if (found === undefined || !implied || offset !== 0 || precision !== 8 * size || (bits & 0x40) !== 0) {
    return { kind: 'unsupported', size, what: `a floating-point number of ${precision} bits that is not one of IEEE 754` }
  }
  return { kind: 'number', size, dtype: found[0], bigEndian: (bits & 1) === 1 }
}

function padding(fields: Fields, bits: number): Padding {
  const names = ['zero-terminated', 'zero-padded', 'space-padded'] as const
  const name = names[bits & 0x0f]
  if (name === undefined) throw fields.corrupt(`strings padded in way ${bits & 0x0f} are not known`)
  return name
}

function opaque(fields: Fields, bits: number, size: number): Datatype {
  fields.skip(bits & 0xff)
  return { kind: 'opaque', size }
}

function compound(fields: Fields, count: number, version: number, size: number, depth: number): Datatype {
  if (count === 0 || count > MOST_MEMBERS) throw fields.corrupt(`a compound of ${count} members is not possible`)
  const members: Member[] = []
  for (let i = 0; i < count; i++) {
    const name = memberName(fields, version)
    if (name === '') throw fields.corrupt('a member of a compound has no name')
    const offset = version >= 3 ? fields.uint(bytesFor(size)) : fields.u32()
    let shape: readonly number[] = []
    if (version === 1) {
      const rank = fields.u8()
      fields.skip(3 + 4 + 4)
      const lengths = [fields.u32(), fields.u32(), fields.u32(), fields.u32()]
      if (rank > 4) throw fields.corrupt(`a member of ${rank} axes is not possible`)
      shape = lengths.slice(0, rank)
    }
    const base = parse(fields, depth + 1)
    const type = shape.length === 0 ? base : arrayOf(fields, base, shape, shape.reduce((a, b) => a * b, base.size))
    if (offset + type.size > size) throw fields.corrupt(`the member '${name}' does not fit its compound`)
    members.push({ name, offset, type })
  }
  return complexOf(members, size) ?? { kind: 'compound', size, members }
}

/** How h5py and others write complex numbers: a compound of `r` and `i`. */
function complexOf([r, i, more]: readonly Member[], size: number): NumberType | undefined {
  if (more !== undefined || r?.name !== 'r' || i?.name !== 'i' || r.type.kind !== 'number' || i.type.kind !== 'number') return undefined
  const { dtype, bigEndian } = r.type
  if (dtype !== i.type.dtype || bigEndian !== i.type.bigEndian || r.offset !== 0 || i.offset !== r.type.size || size !== 2 * r.type.size) {
    return undefined
  }
  if (dtype !== 'float32' && dtype !== 'float64') return undefined
  return { kind: 'number', size, dtype: dtype === 'float32' ? 'complex64' : 'complex128', bigEndian }
}

function complex(fields: Fields, size: number, depth: number): Datatype {
  const part = parse(fields, depth + 1)
  const member = { name: 'r', offset: 0, type: part }
  return complexOf([member, { name: 'i', offset: part.size, type: part }], size) ?? { kind: 'unsupported', size, what: 'a complex number of this size' }
}

function enumeration(fields: Fields, count: number, version: number, size: number, depth: number): Datatype {
  const base = parse(fields, depth + 1)
  if (base.size !== size) throw fields.corrupt('an enumeration and its integers differ in size')
  const names = Array.from({ length: count }, () => memberName(fields, version))
  const members = names.map(name => [name, fields.bytes(size)] as const)
  if (base.kind !== 'number') return { kind: 'unsupported', size, what: base.kind === 'unsupported' ? base.what : 'an enumeration of no integers' }
  if (size === 1 && count === 2 && members.every(([name, value]) => name === (value[0] === 0 ? 'FALSE' : value[0] === 1 ? 'TRUE' : ''))) {
    return { kind: 'number', size, dtype: 'bool', bigEndian: false }
  }
  return { kind: 'enum', size, base, members }
}

function variable(fields: Fields, bits: number, size: number, depth: number): Datatype {
  const base = parse(fields, depth + 1)
  if ((bits & 0x0f) === 1 && base.size === 1) return { kind: 'text', size }
  return { kind: 'unsupported', size, what: 'a sequence of variable length' }
}

function array(fields: Fields, version: number, size: number, depth: number): Datatype {
  const rank = fields.u8()
  if (rank > 32) throw fields.corrupt(`an array of ${rank} axes is not possible`)
  if (version < 3) fields.skip(3)
  const shape = Array.from({ length: rank }, () => fields.u32())
  if (version < 3) fields.skip(4 * rank)
  return arrayOf(fields, parse(fields, depth + 1), shape, size)
}

function arrayOf(fields: Fields, base: Datatype, shape: readonly number[], size: number): Datatype {
  if (shape.reduce((product, length) => product * length, base.size) !== size) throw fields.corrupt(`an array of [${shape.join(', ')}] does not have ${size} bytes`)
  return { kind: 'array', size, shape, base }
}

/** Names are filled up to a multiple of 8 bytes in old versions. */
function memberName(fields: Fields, version: number): string {
  const start = fields.at
  const name = fields.text()
  if (version < 3) fields.skip((8 - ((fields.at - start) % 8)) % 8)
  return name
}

function bytesFor(size: number): number {
  return size < 2 ** 8 ? 1 : size < 2 ** 16 ? 2 : size < 2 ** 24 ? 3 : 4
}
