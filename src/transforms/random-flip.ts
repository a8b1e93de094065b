import type { ElementContext } from '../plan/operator.js'
import { checkOptions } from '../util/check.js'
import { flipped } from './flip.js'
import { imageAxes } from './image.js'
import { arrayAt } from './leaf.js'
import { applyTree, optionsLeaf, resolveSpec, specOfTree, type HasKeys, type SpecOf } from './spec.js'
import { makeTransform, type Transform } from './transform.js'

/** How often an image is flipped. */
export interface RandomFlipOptions {
  /** Probability that left and right are swapped. @default 0.5, or 0 if `vertical` is given */
  readonly horizontal?: number
  /** Probability that top and bottom are swapped. @default 0 */
  readonly vertical?: number
}

/** What is done to the element, or to parts of it by their keys. */
export type RandomFlipSpec = SpecOf<RandomFlipOptions>

/** What {@link randomFlip} makes. */
export interface RandomFlipTransform<S extends RandomFlipSpec> extends Transform {
  <T extends HasKeys<S, RandomFlipOptions>>(element: T, context: ElementContext): T
}

/**
 * Makes a transform that flips images by chance, as `flip` does. Chance depends on (seed, operator, epoch, index) alone, so a
 * run can be repeated and resumed. All keys share it: with equal probabilities an image and its mask are flipped together. An
 * image that is not flipped is not copied.
 *
 * @throws MillraceError `Mismatch` for values that are no images, and for missing keys. TypeError or RangeError for a wrong
 * spec.
 * @example Dataset.of({ image: images, mask: images }).map(randomFlip({ image: { horizontal: 0.5 }, mask: { horizontal: 0.5 } }), { seed: 1 })
 */
export function randomFlip<const S extends RandomFlipSpec = Record<never, never>>(spec: S = {} as S): RandomFlipTransform<S> {
  const tree = resolveSpec('randomFlip', spec, optionsLeaf, resolveOptions)
  return makeTransform('randomFlip', specOfTree(tree), (element: unknown, context: ElementContext) => {
    const [across, down] = [context.rng.uniform(), context.rng.uniform()]
    return applyTree('randomFlip', tree, element, ({ horizontal, vertical }, value, path) => {
      const array = arrayAt('randomFlip', value, path)
      imageAxes('randomFlip', array, 0, path)
      const [swapAcross, swapDown] = [across < horizontal, down < vertical]
      if (!swapAcross && !swapDown) return value
      return flipped('randomFlip', array, swapAcross && swapDown ? 'both' : swapAcross ? 'horizontal' : 'vertical', 0, path)
    })
  })
}

function resolveOptions(given: unknown, where: string): Required<RandomFlipOptions> {
  checkOptions(where, given as RandomFlipOptions, ['horizontal', 'vertical'])
  const { horizontal, vertical } = given as RandomFlipOptions
  const probability = (name: string, value: unknown): number => {
    if (typeof value !== 'number') throw new TypeError(`${where}: ${name} must be a number, got ${typeof value}`)
    if (!(value >= 0 && value <= 1)) throw new RangeError(`${where}: ${name} must be a probability from 0 to 1, got ${value}`)
    return value
  }
  return { horizontal: probability('horizontal', horizontal ?? (vertical === undefined ? 0.5 : 0)), vertical: probability('vertical', vertical ?? 0) }
}
