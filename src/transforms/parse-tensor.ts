import { isBytes, isDType } from '../array/dtype.js'
import { at, describe, formatShape } from '../array/nest.js'
import type { DType, NdArray, Shape } from '../types.js'
import { checkInteger, checkOptions } from '../util/check.js'
import { refused } from './leaf.js'
import { checkShape, type LengthsOf } from './reshape.js'
import { applyTree, optionsLeaf, resolveSpec, specOfTree, type HasKeys, type SpecOf } from './spec.js'
import { readTensor } from './tensor-proto.js'
import { makeTransform, type Transform } from './transform.js'

/** What a tensor is to be. */
export interface ParseTensorOptions {
  /** @default any */
  readonly dtype?: DType
  /** `-1` is an axis of any length. @default any */
  readonly shape?: Shape
  /** No memory is taken for a tensor of more bytes: a few bytes can announce any size. @default 256 MiB */
  readonly maxBytes?: number
}

/** What the element is to be, or parts of it by their keys. */
export type ParseTensorSpec = SpecOf<ParseTensorOptions>

/** What {@link parseTensor} makes. */
export interface ParseTensorTransform<S extends ParseTensorSpec> extends Transform {
  <T extends HasKeys<S, ParseTensorOptions>>(element: T): ParsedTensor<T, S>
}

/** An element of type `T` after {@link parseTensor} by `S`. */
export type ParsedTensor<T, S> = S extends ParseTensorOptions
  ? unknown extends T ? unknown : T extends Uint8Array ? TensorOf<S> : never
  : { [K in keyof T]: K extends keyof S ? ParsedTensor<T[K], S[K]> : T[K] }

type TensorOf<S> = NdArray<
  S extends { readonly dtype: infer D extends DType } ? D : DType,
  S extends { readonly shape: infer P extends Shape } ? LengthsOf<P> : Shape
>

/**
 * Makes a transform that reads tensors which `tf.io.serialize_tensor` (or `encodeTensor`) wrote: a `tf.TensorProto`, as
 * `tf.io.parse_tensor` does it. Numbers are views of the bytes where they are aligned. Strings are UTF-8.
 *
 * @throws MillraceError `Corrupt` with the offset for damaged bytes, `Unsupported` for quantised numbers, resources and
 * variants, `Mismatch` for another dtype or shape than asked for, for other values and for missing keys, `Limit` above
 * `maxBytes`. TypeError or RangeError for a wrong spec.
 * @example Dataset.of({ x: encodeTensor(new Float32Array(3)) }).map(parseTensor({ x: { dtype: 'float32', shape: [3] } }))
 */
export function parseTensor<const S extends ParseTensorSpec = Record<never, never>>(spec: S = {} as S): ParseTensorTransform<S> {
  const tree = resolveSpec('parseTensor', spec, optionsLeaf, resolveOptions)
  return makeTransform('parseTensor', specOfTree(tree), (element: unknown) => applyTree('parseTensor', tree, element, parse))
}

function resolveOptions(options: unknown, where: string): ParseTensorOptions & { readonly maxBytes: number } {
  checkOptions(where, options as ParseTensorOptions, ['dtype', 'shape', 'maxBytes'])
  const { dtype, shape, maxBytes = 2 ** 28 } = options as ParseTensorOptions
  if (dtype !== undefined && !isDType(dtype)) throw new TypeError(`${where}: unknown dtype ${String(dtype)}`)
  return {
    ...(dtype !== undefined && { dtype }),
    ...(shape !== undefined && { shape: checkShape(shape, `${where}: shape`, Infinity) }),
    maxBytes: checkInteger(where, 'maxBytes', maxBytes, 0)
  }
}

function parse({ dtype, shape, maxBytes }: ParseTensorOptions & { readonly maxBytes: number }, value: unknown, path: string): NdArray {
  if (!isBytes(value)) throw refused('parseTensor', `there is ${describe(value)}${at(path)}; it takes bytes (Uint8Array)`, path)
  const tensor = readTensor(value, maxBytes, path)
  const fits = shape === undefined || (shape.length === tensor.shape.length && shape.every((length, axis) => length === -1 || length === tensor.shape[axis]))
  if ((dtype === undefined || dtype === tensor.dtype) && fits) return tensor
  const asked = `${dtype ?? 'any dtype'} ${shape === undefined ? 'of any shape' : formatShape(shape)}`
  throw refused('parseTensor', `the tensor${at(path)} is ${tensor.dtype} ${formatShape(tensor.shape)}, and ${asked} was asked for`, path)
}
