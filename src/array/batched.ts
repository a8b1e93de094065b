import type { DType, NdArray, NumericArray, RaggedArray, Shape } from '../types.js'
import type { DTypeOfArray } from './dtype.js'

/**
 * The type of a batch of `N` elements of type `T`: what `stack` gives. `D` is the dtype that plain numbers get.
 *
 * number, boolean, bigint and string become an {@link NdArray} of shape `[N]`; an NdArray gets `N` as its first axis; bytes
 * become a list; objects and arrays keep their structure. `never` for what cannot be stacked, `unknown` for `unknown`.
 */
export type Batched<T, N extends number = number, D extends DType = 'float32'> = BatchedAt<T, N, D, []>

type BatchedAt<T, N extends number, D extends DType, Depth extends 0[]> =
  unknown extends T ? unknown
  : [T] extends [never] ? never
  : [T] extends [number] ? NdArray<D, readonly [N]>
  : [T] extends [boolean] ? NdArray<'bool', readonly [N]>
  : [T] extends [string] ? NdArray<'string', readonly [N]>
  : T extends number ? NdArray<D, readonly [N]>
  : T extends boolean ? NdArray<'bool', readonly [N]>
  : T extends bigint ? NdArray<'int64', readonly [N]>
  : T extends string ? NdArray<'string', readonly [N]>
  : T extends Uint8Array ? Uint8Array[]
  : T extends NumericArray ? NdArray<DTypeOfArray<T>, readonly [N, number]>
  : T extends NdArrayLike ? NdArray<T['dtype'], readonly [N, ...T['shape']]>
  : T extends RaggedArray ? RaggedArray<T['dtype']>
  : T extends Unstackable ? never
  : TooDeep<T, Depth> extends true ? unknown
  : { [K in keyof T]: BatchedAt<T[K], N, D, [...Depth, 0]> }

/** The type of a padded batch: as {@link Batched}, but no axis keeps a literal length except the first. */
export type PaddedBatched<T, N extends number = number, D extends DType = 'float32'> = PaddedAt<T, N, D, []>

type PaddedAt<T, N extends number, D extends DType, Depth extends 0[]> =
  unknown extends T ? unknown
  : T extends number | boolean | bigint | string | Uint8Array | NumericArray | RaggedArray | Unstackable ? Batched<T, N, D>
  : T extends NdArrayLike ? NdArray<T['dtype'], readonly [N, ...AnyLengths<T['shape']>]>
  : TooDeep<T, Depth> extends true ? unknown
  : { [K in keyof T]: PaddedAt<T[K], N, D, [...Depth, 0]> }

/** The type of one row of a batch: what `unstack` gives, the inverse of {@link Batched}. */
export type Unbatched<B> = UnbatchedAt<B, []>

type UnbatchedAt<B, Depth extends 0[]> =
  unknown extends B ? unknown
  : B extends NdArrayLike ? Row<B['dtype'], B['shape']>
  : B extends RaggedArray ? RaggedArray<B['dtype']>
  : B extends NumericArray ? Row<DTypeOfArray<B>, readonly [number]>
  : B extends readonly Uint8Array[] ? Uint8Array
  : B extends number | boolean | bigint | string | Uint8Array | Unstackable ? never
  : TooDeep<B, Depth> extends true ? unknown
  : { [K in keyof B]: UnbatchedAt<B[K], [...Depth, 0]> }

/**
 * The type of one slice of a nest along its first axes: as {@link Unbatched}, and plain arrays of scalars and typed arrays are
 * sliced into scalars.
 */
export type Sliced<B> = SlicedAt<B, []>

type SlicedAt<B, Depth extends 0[]> =
  unknown extends B ? unknown
  : B extends NdArrayLike ? Row<B['dtype'], B['shape']>
  : B extends RaggedArray ? RaggedArray<B['dtype']>
  : B extends BigInt64Array | BigUint64Array ? bigint
  : B extends NumericArray | Uint8Array ? number
  : B extends readonly (number | boolean | bigint | string | Uint8Array)[] ? B[number]
  : B extends number | boolean | bigint | string | Unstackable ? never
  : TooDeep<B, Depth> extends true ? unknown
  : { [K in keyof B]: SlicedAt<B[K], [...Depth, 0]> }

interface NdArrayLike {
  readonly dtype: DType
  readonly shape: Shape
  readonly data: unknown
}

type Unstackable =
  | null | undefined | symbol | Date | RegExp | ReadonlyMap<unknown, unknown> | ReadonlySet<unknown> | PromiseLike<unknown>
  | ((...args: never) => unknown)

/**
 * The compiler opens arrays at once (objects only when asked), so a type that contains arrays of itself, like Json, needs an
 * end.
 */
type TooDeep<T, Depth extends 0[]> = T extends readonly unknown[] ? (Depth['length'] extends 6 ? true : false) : false

type AnyLengths<S extends Shape> = { [K in keyof S]: number }

type Row<D extends DType, S extends Shape> =
  S extends readonly [] ? never
  : S extends readonly [number] ? ScalarRow<D>
  : S extends readonly [number, ...infer R extends Shape] ? NdArray<D, Readonly<R>>
  : ScalarRow<D> | NdArray<D>

export type ScalarRow<D extends DType> =
  D extends 'float32' ? number
  : D extends 'bool' ? boolean
  : D extends 'int64' ? bigint
  : D extends 'string' ? string
  : NdArray<D, readonly []>
