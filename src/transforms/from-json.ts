import { MillraceError } from '../errors.js'
import type { ElementContext } from '../plan/operator.js'
import { cast } from './cast.js'
import { crop } from './crop.js'
import { decodeImage } from './decode-image.js'
import { decodeRaw } from './decode-raw.js'
import { flip } from './flip.js'
import { dropKeys, renameKeys, selectKeys } from './keys.js'
import { normalize } from './normalize.js'
import { oneHot } from './one-hot.js'
import { padTo } from './pad-to.js'
import { parseExample } from './parse-example.js'
import { parseTensor } from './parse-tensor.js'
import { randomCrop } from './random-crop.js'
import { randomFlip } from './random-flip.js'
import { reshape } from './reshape.js'
import { paramsOf, type Transform, type TransformJson } from './transform.js'

const MAKERS = {
  cast, crop, decodeImage, decodeRaw, dropKeys, flip, normalize, oneHot, padTo, parseExample, parseTensor, randomCrop, randomFlip, renameKeys, reshape, selectKeys
} as const

/**
 * Makes a transform again from what its `transform` property says: one that is equal and does the same.
 *
 * @throws MillraceError `Unsupported` for a name that this version does not have. TypeError or RangeError for params that the
 * transform refuses.
 */
export function transformFromJson({ name, params }: TransformJson): Transform & ((element: unknown, context: ElementContext) => unknown) {
  if (!Object.hasOwn(MAKERS, name)) {
    throw new MillraceError('Unsupported', `there is no transform ${JSON.stringify(name)} in this version of millrace; there are ${Object.keys(MAKERS).join(', ')}`)
  }
  // Every maker checks what it is given; and what a transform takes is a matter of its spec, which is known at run time only.
  const make = MAKERS[name as keyof typeof MAKERS] as (params: unknown) => unknown
  return make(paramsOf(params)) as Transform & ((element: unknown, context: ElementContext) => unknown)
}
