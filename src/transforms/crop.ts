import { widthOf } from '../array/dtype.js'
import { sizeOf } from '../array/ndarray.js'
import { at } from '../array/nest.js'
import type { DType, NdArray, Shape } from '../types.js'
import { checkInteger, checkOptions } from '../util/check.js'
import { copyBlock } from './blocks.js'
import { imageAxes } from './image.js'
import { arrayAt, batchAt, refused, roomFor, withData } from './leaf.js'
import { applyTree, optionsLeaf, resolveSpec, specOfTree, type HasKeys, type SpecOf } from './spec.js'
import { makeTransform, type Transform } from './transform.js'

/** Which part of an image is kept. */
export interface CropOptions {
  /** Rows of pixels that are kept, at least 1. */
  readonly height: number
  /** Columns of pixels that are kept, at least 1. */
  readonly width: number
  /** The first row. @default the middle, rounded up to the top */
  readonly top?: number
  /** The first column. @default the middle, rounded to the left */
  readonly left?: number
}

/** What is kept of the element, or of parts of it by their keys. */
export type CropSpec = SpecOf<CropOptions>

/** What {@link crop} makes. */
export interface CropTransform<S extends CropSpec> extends Transform {
  <T extends HasKeys<S, CropOptions>>(element: T): Cropped<T, S>
}

/** An element of type `T` after a crop by `S`. */
export type Cropped<T, S> =
  S extends { readonly height: infer H extends number; readonly width: infer W extends number } ? CroppedLeaf<T, H, W>
  : { [K in keyof T]: K extends keyof S ? Cropped<T[K], S[K]> : T[K] }

type CroppedLeaf<T, H extends number, W extends number> =
  unknown extends T ? unknown
  : T extends { readonly dtype: infer D extends DType; readonly shape: infer S extends Shape }
    ? S extends readonly [number, number] ? NdArray<D, readonly [H, W]>
    : S extends readonly [number, number, infer C extends number] ? NdArray<D, readonly [H, W, C]>
    : NdArray<D>
  : never

/**
 * Makes a transform that cuts a part out of images: arrays `[height, width]` or `[…, height, width, channels]` of any dtype.
 * Without `top` and `left` it is the middle, as `tf.image.resize_with_crop_or_pad` has it. The result is a copy.
 *
 * @throws MillraceError `Mismatch` when the part is not inside the image, for other values and for missing keys. TypeError or
 * RangeError for a wrong spec.
 * @example Dataset.of({ image: ndarray(new Uint8Array(48), [4, 4, 3]) }).map(crop({ image: { height: 2, width: 2 } }))
 */
export function crop<const S extends CropSpec>(spec: S): CropTransform<S> {
  const tree = resolveSpec('crop', spec, optionsLeaf, (options, where) => {
    checkOptions(where, options as CropOptions, ['height', 'width', 'top', 'left'])
    const { top, left } = options as CropOptions
    return {
      ...checkSize(where, options as CropOptions),
      ...(top !== undefined && { top: checkInteger(where, 'top', top, 0) }),
      ...(left !== undefined && { left: checkInteger(where, 'left', left, 0) })
    } satisfies CropOptions
  })
  const cut = (array: NdArray, { height, width, top, left }: CropOptions, lead: 0 | 1, path: string): NdArray => {
    const axes = imageAxes('crop', array, lead, path)
    const spare = { height: (array.shape[axes.height] as number) - height, width: (array.shape[axes.width] as number) - width }
    const middle = (length: number): number => Math.max(0, Math.floor(length / 2))
    return cropped('crop', array, { height, width, top: top ?? middle(spare.height), left: left ?? middle(spare.width) }, lead, path)
  }
  return makeTransform('crop', specOfTree(tree),
    (element: unknown) => applyTree('crop', tree, element, (part, value, path) => cut(arrayAt('crop', value, path), part, 0, path)),
    (batch, row) => applyTree('crop', tree, batch,
      (part, value, path, one) => cut(batchAt('crop', value, path, one, 'none'), part, 1, path), row))
}

/** The height and width that options name. */
export function checkSize(where: string, { height, width }: { readonly height: number; readonly width: number }): { readonly height: number; readonly width: number } {
  return { height: checkInteger(where, 'height', height, 1), width: checkInteger(where, 'width', width, 1) }
}

/** A copy of a part of an image. `lead` axes come before those of an image. */
export function cropped(name: string, array: NdArray, { height, width, top, left }: Required<CropOptions>, lead: 0 | 1, path: string): NdArray {
  const axes = imageAxes(name, array, lead, path)
  const shape = array.shape.slice()
  const [rows, columns] = [shape[axes.height] as number, shape[axes.width] as number]
  if (top + height > rows || left + width > columns) {
    const part = `${height} x ${width} from (${top}, ${left})`
    throw refused(name, `${part} is not inside the image of ${rows} x ${columns}${at(path)} (height x width); resize or pad it first`, path)
  }
  shape[axes.height] = height
  shape[axes.width] = width
  const start = shape.map((_, axis) => (axis === axes.height ? top : axis === axes.width ? left : 0))
  const data = roomFor(array, sizeOf(shape) * widthOf(array.dtype))
  copyBlock({ data: array.data, shape: array.shape, start }, { data, shape, start: shape.map(() => 0) }, shape, widthOf(array.dtype))
  return withData(array, shape, data)
}
