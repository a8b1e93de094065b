import type { ElementContext } from '../plan/operator.js'
import { checkOptions } from '../util/check.js'
import { checkSize, cropped, type Cropped } from './crop.js'
import { imageAxes } from './image.js'
import { arrayAt } from './leaf.js'
import { applyTree, optionsLeaf, resolveSpec, specOfTree, type HasKeys, type SpecOf } from './spec.js'
import { makeTransform, type Transform } from './transform.js'

/** The size of the part of an image that is kept. */
export interface RandomCropOptions {
  /** Rows of pixels that are kept, at least 1. */
  readonly height: number
  /** Columns of pixels that are kept, at least 1. */
  readonly width: number
}

/** How much is kept of the element, or of parts of it by their keys. */
export type RandomCropSpec = SpecOf<RandomCropOptions>

/** What {@link randomCrop} makes. */
export interface RandomCropTransform<S extends RandomCropSpec> extends Transform {
  <T extends HasKeys<S, RandomCropOptions>>(element: T, context: ElementContext): Cropped<T, S>
}

/**
 * Makes a transform that cuts a part of that size out of images, at a place taken by chance, every place equally likely. Chance
 * depends on (seed, operator, epoch, index) alone. All keys share it: an image and a mask of the same size are cut at the same
 * place.
 *
 * @throws MillraceError `Mismatch` when an image is smaller than the part, for other values and for missing keys. TypeError or
 * RangeError for a wrong spec.
 * @example Dataset.of({ image: ndarray(new Uint8Array(48), [4, 4, 3]) }).map(randomCrop({ image: { height: 2, width: 2 } }), { seed: 1 })
 */
export function randomCrop<const S extends RandomCropSpec>(spec: S): RandomCropTransform<S> {
  const tree = resolveSpec('randomCrop', spec, optionsLeaf, (options, where) => {
    checkOptions(where, options as RandomCropOptions, ['height', 'width'])
    return checkSize(where, options as RandomCropOptions)
  })
  return makeTransform('randomCrop', specOfTree(tree), (element: unknown, context: ElementContext) => {
    const [down, across] = [context.rng.uniform(), context.rng.uniform()]
    return applyTree('randomCrop', tree, element, ({ height, width }, value, path) => {
      const array = arrayAt('randomCrop', value, path)
      const axes = imageAxes('randomCrop', array, 0, path)
      const top = Math.floor(down * Math.max(1, (array.shape[axes.height] as number) - height + 1))
      const left = Math.floor(across * Math.max(1, (array.shape[axes.width] as number) - width + 1))
      return cropped('randomCrop', array, { height, width, top, left }, 0, path)
    })
  })
}
