import { expectTypeOf } from 'expect-type'
import { test } from '@jest/globals'
import { Dataset, type NdArray, type RowValue } from '../../src/index.js'

type Row = { readonly xs: NdArray<'uint8'>; readonly ys: bigint }

test('rows of files have the keys that were asked for, or the type that was given', () => {
  const [npy, npz, h5] = ['a.npy', 'a.npz', 'a.h5']
  expectTypeOf(Dataset.npy(npy)).toEqualTypeOf<Dataset<RowValue>>()
  expectTypeOf(Dataset.npy(npy, { element: 'file' })).toEqualTypeOf<Dataset<NdArray>>()
  expectTypeOf(Dataset.npy<NdArray<'float32'>>(npy)).toEqualTypeOf<Dataset<NdArray<'float32'>>>()
  expectTypeOf(Dataset.idx<NdArray<'uint8'>>('a.idx')).toEqualTypeOf<Dataset<NdArray<'uint8'>>>()
  expectTypeOf(Dataset.npz(npz)).toEqualTypeOf<Dataset<{ readonly [key: string]: RowValue }>>()
  expectTypeOf(Dataset.npz(npz, { keys: { xs: 'images', ys: 'labels' } })).toEqualTypeOf<Dataset<{ readonly xs: RowValue; readonly ys: RowValue }>>()
  expectTypeOf(Dataset.npz(npz, { keys: ['xs', 'ys'] })).toEqualTypeOf<Dataset<{ readonly xs: RowValue; readonly ys: RowValue }>>()
  expectTypeOf(Dataset.npz(npz, { keys: ['xs'], element: 'file' })).toEqualTypeOf<Dataset<{ readonly xs: NdArray }>>()
  expectTypeOf(Dataset.npz<Row>(npz, { keys: { xs: 'images', ys: 'labels' } })).toEqualTypeOf<Dataset<Row>>()
  expectTypeOf(Dataset.npz<{ name: string }>(npz, { keys: ['name'] })).toEqualTypeOf<Dataset<{ name: string }>>()
  expectTypeOf(Dataset.hdf5(h5, '/xs')).toEqualTypeOf<Dataset<RowValue>>()
  expectTypeOf(Dataset.hdf5(h5, { xs: '/images', ys: '/labels' })).toEqualTypeOf<Dataset<{ readonly xs: RowValue; readonly ys: RowValue }>>()
  expectTypeOf(Dataset.hdf5<Row>(h5, { xs: '/images', ys: '/labels' })).toEqualTypeOf<Dataset<Row>>()
  expectTypeOf(Dataset.hdf5<NdArray<'uint8'>>(h5, '/xs')).toEqualTypeOf<Dataset<NdArray<'uint8'>>>()
  expectTypeOf(Dataset.zip({ xs: Dataset.idx('a'), ys: Dataset.npy(npy) })).toEqualTypeOf<Dataset<{ readonly xs: RowValue; readonly ys: RowValue }>>()
  const asserted = Dataset.npz(npz, { keys: ['xs', 'ys'] }).assertElementSpec({ xs: { dtype: 'uint8', shape: [28, -1] }, ys: { dtype: 'int64', shape: [] } })
  expectTypeOf(asserted).toEqualTypeOf<Dataset<{ readonly xs: NdArray<'uint8', readonly [28, number]>; readonly ys: bigint }>>()
  expectTypeOf(Dataset.npz(npz).assertElementSpec({ xs: { dtype: 'float32', shape: [3] } })).toEqualTypeOf<Dataset<{ readonly xs: NdArray<'float32', readonly [3]> }>>()
  expectTypeOf(Dataset.npy(npy).assertElementSpec({ dtype: 'int32', shape: [] })).toEqualTypeOf<Dataset<NdArray<'int32', readonly []>>>()
  expectTypeOf(Dataset.of(new Float32Array(3)).assertElementSpec({ dtype: 'float32', shape: [3] })).toEqualTypeOf<Dataset<Float32Array<ArrayBuffer>>>()
  // @ts-expect-error -- a type is given to the call, not to the variable
  const hidden: Dataset<NdArray<'uint8'>> = Dataset.npy(npy)
  void hidden
})
