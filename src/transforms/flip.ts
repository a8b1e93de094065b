import { widthOf } from '../array/dtype.js'
import { sizeOf } from '../array/ndarray.js'
import type { NdArray } from '../types.js'
import { reverseAxis } from './blocks.js'
import { imageAxes } from './image.js'
import { arrayAt, batchAt, roomFor, withData } from './leaf.js'
import { applyTree, resolveSpec, specOfTree, valueLeaf, type HasKeys, type SpecOf } from './spec.js'
import { makeTransform, type Transform } from './transform.js'

/** `'horizontal'` swaps left and right, `'vertical'` top and bottom; `'both'` turns by 180 degrees. */
export type FlipDirection = 'horizontal' | 'vertical' | 'both'

/** How the element is flipped, or parts of it by their keys. */
export type FlipSpec = SpecOf<FlipDirection>

/** What {@link flip} makes. */
export interface FlipTransform<S extends FlipSpec> extends Transform {
  <T extends HasKeys<S, FlipDirection>>(element: T): T
}

/**
 * Makes a transform that flips images: arrays `[height, width]` or `[…, height, width, channels]` of any dtype. For one by
 * chance see `randomFlip`.
 *
 * @throws MillraceError `Mismatch` for other values and missing keys. TypeError for a wrong spec.
 * @example Dataset.of({ image: ndarray(new Uint8Array(12), [2, 2, 3]) }).map(flip({ image: 'horizontal' }))
 */
export function flip<const S extends FlipSpec>(spec: S): FlipTransform<S> {
  const tree = resolveSpec('flip', spec, valueLeaf, checkDirection)
  return makeTransform('flip', specOfTree(tree),
    (element: unknown) => applyTree('flip', tree, element, (direction, value, path) => flipped('flip', arrayAt('flip', value, path), direction, 0, path)),
    (batch, row) => applyTree('flip', tree, batch,
      (direction, value, path, part) => flipped('flip', batchAt('flip', value, path, part, 'none'), direction, 1, path), row))
}

function checkDirection(direction: unknown, where: string): FlipDirection {
  if (direction === 'horizontal' || direction === 'vertical' || direction === 'both') return direction
  throw new TypeError(`${where} must be 'horizontal', 'vertical' or 'both', not ${typeof direction === 'string' ? `'${direction}'` : typeof direction}`)
}

/** A flipped copy. `lead` axes come before those of an image. */
export function flipped(name: string, array: NdArray, direction: FlipDirection, lead: 0 | 1, path: string): NdArray {
  const { height, width } = imageAxes(name, array, lead, path)
  let result = array
  if (direction !== 'horizontal') result = reversed(result, height)
  if (direction !== 'vertical') result = reversed(result, width)
  return result
}

function reversed(array: NdArray, axis: number): NdArray {
  const { dtype, shape, data } = array
  const into = roomFor(array, data.length)
  reverseAxis(data, into, sizeOf(shape.slice(0, axis)), shape[axis] as number, sizeOf(shape.slice(axis + 1)) * widthOf(dtype))
  return withData(array, shape, into)
}
