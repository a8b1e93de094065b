import { at, formatShape } from '../array/nest.js'
import { castNumbers } from '../kernels/cast.js'
import { scaleBias, type ScaleBiasSource } from '../kernels/normalize.js'
import type { DType, NdArray, NumericArray, Shape } from '../types.js'
import { checkOptions } from '../util/check.js'
import { arrayOrScalar, batchAt, isPlain, plainScalar, refused } from './leaf.js'
import { applyTree, optionsLeaf, resolveSpec, specOfTree, type HasKeys, type SpecOf } from './spec.js'
import { makeTransform, type Transform } from './transform.js'

/** `(x * scale + bias - mean) / std`. Each is one number, or a list with one per channel: the last axis. */
export interface NormalizeOptions {
  /** @default 1 */
  readonly scale?: number | readonly number[]
  /** @default 0 */
  readonly bias?: number | readonly number[]
  /** @default 0 */
  readonly mean?: number | readonly number[]
  /** @default 1 */
  readonly std?: number | readonly number[]
}

/** What is done to the element, or to parts of it by their keys. */
export type NormalizeSpec = SpecOf<NormalizeOptions>

/** What {@link normalize} makes. */
export interface NormalizeTransform<S extends NormalizeSpec> extends Transform {
  <T extends HasKeys<S, NormalizeOptions>>(element: T): Normalized<T, S>
}

/** An element of type `T` after a normalisation by `S`. */
export type Normalized<T, S> = S extends NormalizeOptions ? NormalizedLeaf<T> : { [K in keyof T]: K extends keyof S ? Normalized<T[K], S[K]> : T[K] }

type NormalizedLeaf<T> =
  unknown extends T ? unknown
  : T extends { readonly dtype: DType; readonly shape: infer S extends Shape } ? NdArray<'float32', S>
  : T extends Uint8Array ? never
  : T extends NumericArray ? NdArray<'float32', readonly [number]>
  : T extends number | bigint | boolean ? number
  : never

/**
 * Makes a transform that scales and shifts numbers: `(x * scale + bias - mean) / std`, as float32.
 *
 * It computes `x * a + b` in float32, where `a = scale / std` and `b = (bias - mean) / std` are rounded to float32 first; the
 * last digit may differ from that of a division. Any real dtype comes in; the shape stays. Plain numbers, bigints and booleans
 * become numbers.
 *
 * @throws MillraceError `Mismatch` for strings, bytes, complex numbers and missing keys, and where the last axis is not as long
 * as the lists. TypeError or RangeError for a wrong spec.
 * @example Dataset.of({ image: images }).map(normalize({ image: { scale: 1 / 255 } }))
 */
export function normalize<const S extends NormalizeSpec>(spec: S): NormalizeTransform<S> {
  const tree = resolveSpec('normalize', spec, optionsLeaf, resolveOptions)
  return makeTransform('normalize', specOfTree(tree, ({ options }) => options),
    (element: unknown) => applyTree('normalize', tree, element, (leaf, value, path) => {
      const result = normalizeArray(arrayOrScalar('normalize', value, path), leaf, 0, path)
      return isPlain(value) ? plainScalar(result) : result
    }),
    (batch, row) => applyTree('normalize', tree, batch,
      (leaf, value, path, part) => normalizeArray(batchAt('normalize', value, path, part, 'any'), leaf, 1, path), row))
}

interface Resolved {
  readonly options: Required<NormalizeOptions>
  readonly factor: Float32Array
  readonly summand: Float32Array
  /** Length of the lists; undefined when there is none. */
  readonly channels: number | undefined
}

function resolveOptions(given: unknown, where: string): Resolved {
  checkOptions(where, given as NormalizeOptions, ['scale', 'bias', 'mean', 'std'])
  const { scale = 1, bias = 0, mean = 0, std = 1 } = given as NormalizeOptions
  const options = {
    scale: checkNumbers(where, 'scale', scale), bias: checkNumbers(where, 'bias', bias),
    mean: checkNumbers(where, 'mean', mean), std: checkNumbers(where, 'std', std)
  }
  const lengths = Object.values(options).filter(Array.isArray).map(list => list.length)
  const [channels] = lengths
  if (lengths.some(length => length !== channels)) throw new RangeError(`${where}: lists of ${lengths.join(' and ')} numbers; every list has one number per channel`)
  const factor = new Float32Array(channels ?? 1)
  const summand = new Float32Array(channels ?? 1)
  for (let c = 0; c < factor.length; c++) {
    const of = (numbers: number | readonly number[]): number => (typeof numbers === 'number' ? numbers : (numbers[c] as number))
    factor[c] = of(scale) / of(std)
    summand[c] = (of(bias) - of(mean)) / of(std)
    if (of(std) === 0) throw new RangeError(`${where}: std must not be 0`)
  }
  return { options, factor, summand, channels }
}

function checkNumbers(where: string, name: string, value: unknown): number | readonly number[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (list.length === 0) throw new RangeError(`${where}: ${name} is an empty list`)
  for (const item of list) if (typeof item !== 'number') throw new TypeError(`${where}: ${name} must be a number or a list of numbers, got ${typeof item}`)
  for (const item of list) if (!Number.isFinite(item)) throw new RangeError(`${where}: ${name} must be finite, got ${String(item)}`)
  return Array.isArray(value) ? Object.freeze((value as readonly number[]).slice()) : (value as number)
}

/** `lead` axes come before those of a row. */
function normalizeArray({ dtype, shape, data }: NdArray, { factor, summand, channels }: Resolved, lead: 0 | 1, path: string): NdArray {
  if (channels !== undefined && (shape.length <= lead || shape.at(-1) !== channels)) {
    const found = formatShape(shape.slice(lead))
    throw refused('normalize', `there are numbers for ${channels} channels, but the shape${at(path)} is ${found}; channels are the last axis`, path)
  }
  const into = new Float32Array(data.length)
  const result: NdArray = { dtype: 'float32', shape, data: into }
  switch (dtype) {
    case 'string':
    case 'complex64':
    case 'complex128':
      throw refused('normalize', `there are ${dtype} values${at(path)}; it takes real numbers`, path)
    case 'int64':
    case 'uint64':
      scaleBias(castNumbers(data as BigInt64Array, dtype, 'float32'), factor, summand, factor.length, into)
      return result
    case 'float16':
    case 'bfloat16':
      scaleBias(data as Uint16Array, factor, summand, factor.length, into, dtype)
      return result
    default:
      scaleBias(data as ScaleBiasSource, factor, summand, factor.length, into)
      return result
  }
}
