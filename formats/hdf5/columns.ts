import type { DType, LeafSpec, RowSpec } from '../../src/format.js'
import { unsupported, type Place } from './faults.js'
import type { Datatype, EnumType, Padding } from './messages/datatype.js'

/** One column: where its values stand in a value of the file. */
export interface Column {
  /** Names of the members on the way, joined by `.`; `''` when the type is no compound. */
  readonly name: string
  readonly dtype: DType
  /** The axes that the type itself adds. */
  readonly shape: readonly number[]
  /** Bytes of one item in the file. */
  readonly itemBytes: number
  /** Bytes that have to be reversed, or 1. */
  readonly swapBytes: number
  /** Items that stand in one piece: where each piece begins, and its bytes. In the order of the axes. */
  readonly runs: readonly number[]
  readonly runBytes: number
  /** How a string is stored: with padding, or somewhere else (`text`). */
  readonly text: Padding | 'elsewhere' | undefined
  readonly names: EnumType['members'] | undefined
}

interface Axis {
  readonly length: number
  /** Bytes from one value to the next. */
  readonly stride: number
}

const MOST_RUNS = 2 ** 20
const MOST_COLUMNS = 2 ** 14

/** The columns of a datatype: one, or one for each member of a compound that is not a compound itself. */
export function columnsOf(type: Datatype, place: Place): readonly Column[] {
  const columns: Column[] = []
  walk(type, '', 0, [])
  const names = new Set(columns.map(column => column.name))
  if (names.size !== columns.length) throw unsupported(place, 'a compound type has two members of one name')
  return columns

  function walk(type: Datatype, name: string, offset: number, axes: readonly Axis[]): void {
    switch (type.kind) {
      case 'compound':
        for (const member of type.members) walk(member.type, name === '' ? member.name : `${name}.${member.name}`, offset + member.offset, axes)
        break
      case 'array': return walk(type.base, name, offset, [...axes, ...rowMajor(type.shape, type.base.size)])
      case 'opaque': return add(name, offset, [...axes, { length: type.size, stride: 1 }], 'uint8', 1)
      case 'number': return add(name, offset, axes, type.dtype, type.size, { swapBytes: type.bigEndian ? swapUnit(type.dtype, type.size) : 1 })
      case 'enum': return add(name, offset, axes, type.base.dtype, type.size, { swapBytes: type.base.bigEndian ? type.size : 1, names: type.members })
      case 'string': return add(name, offset, axes, 'string', type.size, { text: type.padding })
      case 'text': return add(name, offset, axes, 'string', type.size, { text: 'elsewhere' })
      case 'unsupported': throw unsupported(place, `${name === '' ? 'its values are' : `the values of '${name}' are`} of a type that is not read: ${type.what}`, 'The fallback does not read it either: store numbers or strings, sequences padded to one length')
    }
  }

  function add(name: string, offset: number, axes: readonly Axis[], dtype: DType, itemBytes: number, more: Partial<Column> = {}): void {
    if (columns.length >= MOST_COLUMNS) throw unsupported(place, `a compound type of more than ${MOST_COLUMNS} members is not read`)
    const outer = [...axes]
    let runBytes = itemBytes
    for (let last = outer.at(-1); last !== undefined && last.stride === runBytes; last = outer.at(-1)) {
      runBytes *= last.length
      outer.pop()
    }
    if (outer.reduce((product, axis) => product * axis.length, 1) > MOST_RUNS) throw unsupported(place, 'an array of compounds is too large')
    let runs = [offset]
    for (const { length, stride } of outer) runs = runs.flatMap(start => Array.from({ length }, (_, i) => start + i * stride))
    columns.push({
      name, dtype, shape: axes.map(axis => axis.length), itemBytes, swapBytes: 1, runs, runBytes, text: undefined, names: undefined, ...more
    })
  }
}

/** The structure of a row: `shape` are the axes of the dataset behind the first. */
export function rowSpecOf(columns: readonly Column[], shape: readonly number[]): RowSpec {
  const leaf = (column: Column): LeafSpec => ({ dtype: column.dtype, shape: [...shape, ...column.shape] })
  const [only] = columns
  if (only?.name === '') return leaf(only)
  return Object.fromEntries(columns.map(column => [column.name, leaf(column)]))
}

/** True when the bytes of values are those of the column, but for their order. */
export function isDense(columns: readonly Column[], elementBytes: number): boolean {
  const [only] = columns
  return columns.length === 1 && only?.text === undefined && only?.runs.length === 1 && only.runBytes === elementBytes
}

/** A datatype as text, for people. */
export function describe(type: Datatype): string {
  switch (type.kind) {
    case 'number': return `${type.bigEndian ? '>' : ''}${type.dtype}`
    case 'string': return `string[${type.size}]`
    case 'text': return 'string'
    case 'opaque': return `opaque[${type.size}]`
    case 'enum': return `enum ${describe(type.base)}`
    case 'array': return `${describe(type.base)}[${type.shape.join(', ')}]`
    case 'compound': return `{ ${type.members.map(member => `${member.name}: ${describe(member.type)}`).join(', ')} }`
    case 'unsupported': return type.what
  }
}

function rowMajor(shape: readonly number[], itemBytes: number): readonly Axis[] {
  const axes: Axis[] = []
  let stride = itemBytes
  for (const length of shape.toReversed()) {
    axes.unshift({ length, stride })
    stride *= length
  }
  return axes
}

/** The parts of a complex number are reversed each. */
function swapUnit(dtype: DType, size: number): number {
  return dtype === 'complex64' || dtype === 'complex128' ? size / 2 : size
}
