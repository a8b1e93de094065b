/** Arrays as images: `[height, width]`, or `[…, height, width, channels]`. */
import { describe } from '../array/nest.js'
import type { NdArray } from '../types.js'
import { refused } from './leaf.js'

/** Which axes of an array are those of an image. */
export interface ImageAxes {
  readonly height: number
  readonly width: number
}

/** The axes of the image in a row of `array`, before which `lead` axes of the batch come. */
export function imageAxes(name: string, array: NdArray, lead: 0 | 1, path: string): ImageAxes {
  const rank = array.shape.length - lead
  if (rank === 2) return { height: lead, width: lead + 1 }
  if (rank > 2) return { height: array.shape.length - 3, width: array.shape.length - 2 }
  throw refused(name, `${describe(array)}${path === '' ? '' : ` at ${path}`} is no image; an image is [height, width], or [height, width, channels]`, path)
}
