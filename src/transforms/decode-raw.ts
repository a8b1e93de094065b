import { allocate, bytesPerValue, isBytes, isDType, widthOf } from '../array/dtype.js'
import { at, describe, formatShape } from '../array/nest.js'
import { MillraceError } from '../errors.js'
import { swapBytes } from '../kernels/swap-bytes.js'
import type { DType, NdArray, Shape } from '../types.js'
import { checkOptions } from '../util/check.js'
import { refused } from './leaf.js'
import { checkShape, filledShape, type LengthsOf } from './reshape.js'
import { applyTree, optionsLeaf, resolveSpec, specOfTree, type HasKeys, type SpecOf } from './spec.js'
import { makeTransform, type Transform } from './transform.js'

/** What bytes hold. */
export interface DecodeRawOptions {
  /** Every dtype but strings. */
  readonly dtype: Exclude<DType, 'string'>
  /** One axis may be `-1`: whatever is left for it. @default [-1] */
  readonly shape?: Shape
  /** False when the highest byte of a number comes first. @default true */
  readonly littleEndian?: boolean
}

/** What the element holds, or parts of it by their keys. */
export type DecodeRawSpec = SpecOf<DecodeRawOptions>

/** What {@link decodeRaw} makes. */
export interface DecodeRawTransform<S extends DecodeRawSpec> extends Transform {
  <T extends HasKeys<S, DecodeRawOptions>>(element: T): DecodedRaw<T, S>
}

/** An element of type `T` after {@link decodeRaw} by `S`. */
export type DecodedRaw<T, S> = S extends { readonly dtype: infer D extends DType }
  ? unknown extends T ? unknown : T extends Uint8Array ? NdArray<D, S extends { readonly shape: infer P extends Shape } ? LengthsOf<P> : readonly [number]> : never
  : { [K in keyof T]: K extends keyof S ? DecodedRaw<T[K], S[K]> : T[K] }

/**
 * Makes a transform that takes bytes for the numbers of an array, in row-major order, as `tf.io.decode_raw` and
 * `numpy.frombuffer` do.
 *
 * The array is a view of the bytes where they are aligned and in the byte order of this machine, else a copy.
 *
 * @throws MillraceError `Mismatch` when the bytes do not divide into values or do not fit the shape, when a byte of dtype bool
 * is neither 0 nor 1, for other values and for missing keys. TypeError or RangeError for a wrong spec.
 * @example Dataset.of({ image: pixels }).map(decodeRaw({ image: { dtype: 'uint8', shape: [28, 28, 1] } }))
 */
export function decodeRaw<const S extends DecodeRawSpec>(spec: S): DecodeRawTransform<S> {
  const tree = resolveSpec('decodeRaw', spec, optionsLeaf, (options, where) => {
    checkOptions(where, options as DecodeRawOptions, ['dtype', 'shape', 'littleEndian'])
    const { dtype, shape = [-1], littleEndian = true } = options as DecodeRawOptions
    if (!isDType(dtype) || (dtype as DType) === 'string') throw new TypeError(`${where}: dtype must be a dtype of numbers, not ${String(dtype)}`)
    if (typeof littleEndian !== 'boolean') throw new TypeError(`${where}: littleEndian must be a boolean, got ${typeof littleEndian}`)
    return { dtype, shape: checkShape(shape, `${where}: shape`, 1), littleEndian }
  })
  return makeTransform('decodeRaw', specOfTree(tree), (element: unknown) => applyTree('decodeRaw', tree, element, decode))
}

function decode({ dtype, shape, littleEndian }: Required<DecodeRawOptions>, value: unknown, path: string): NdArray {
  if (!isBytes(value)) throw refused('decodeRaw', `there is ${describe(value)}${at(path)}; it takes bytes (Uint8Array)`, path)
  const size = bytesPerValue(dtype)
  const filled = value.length % size === 0 ? filledShape(shape, value.length / size) : undefined
  if (filled === undefined) {
    throw refused('decodeRaw', `${value.length} bytes${at(path)} are not ${dtype} values of ${size} ${size === 1 ? 'byte' : 'bytes'} in the shape ${formatShape(shape)}${neededBytes(shape, size)}`, path)
  }
  if (dtype === 'bool') {
    const wrong = value.findIndex(byte => byte > 1)
    if (wrong >= 0) throw new MillraceError('Mismatch', `decodeRaw: byte ${wrong}${at(path)} is ${value[wrong]}, and a bool is 0 or 1`, { keyPath: path })
  }
  return { dtype, shape: filled, data: numbersOf(value, dtype, littleEndian) }
}

/** How many bytes it should have been, where the shape says so. */
function neededBytes(shape: Shape, size: number): string {
  return shape.includes(-1) ? '' : `, which takes ${shape.reduce((product, length) => product * length, size)}`
}

const HOST_IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** The numbers that bytes hold: a view where that is possible. Their length must be a whole number of values. */
export function numbersOf(bytes: Uint8Array, dtype: Exclude<DType, 'string'>, littleEndian: boolean): NdArray['data'] {
  const itemBytes = bytesPerValue(dtype) / widthOf(dtype)
  const length = bytes.length / itemBytes
  const swap = itemBytes > 1 && littleEndian !== HOST_IS_LITTLE_ENDIAN
  if (!swap && bytes.byteOffset % itemBytes === 0) {
    // Typed arrays know their class, and all classes take the same arguments.
    const View = allocate(dtype, 0).constructor as new (buffer: ArrayBufferLike, offset: number, length: number) => NdArray['data']
    return new View(bytes.buffer, bytes.byteOffset, length)
  }
  const data = allocate(dtype, length)
  const copy = new Uint8Array(data.buffer)
  copy.set(bytes)
  if (swap) swapBytes(copy, itemBytes)
  return data
}
