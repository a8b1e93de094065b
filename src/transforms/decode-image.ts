import { isBytes } from '../array/dtype.js'
import { at, describe } from '../array/nest.js'
import { messageOf, MillraceError } from '../errors.js'
import { scaleBias } from '../kernels/normalize.js'
import type { NdArray } from '../types.js'
import { checkInteger, checkOptions } from '../util/check.js'
import { refused } from './leaf.js'
import { loadSharp, type Sharp } from './sharp.js'
import { applyTreeLater, optionsLeaf, resolveSpec, specOfTree, type HasKeys, type SpecOf } from './spec.js'
import { makeTransform, type Transform } from './transform.js'

/** How an image becomes an array. */
export interface DecodeImageOptions {
  /** Pixels across. With `height` alone it follows from the shape of the image. @default that of the image */
  readonly width?: number
  /** Pixels down. With `width` alone it follows from the shape of the image. @default that of the image */
  readonly height?: number
  /**
   * What happens when `width` and `height` have another shape than the image: cut off what is too much, add black bars, distort
   * it, or make it fit into the size or around it, in which case one side has another length. @default 'cover'
   */
  readonly fit?: 'cover' | 'contain' | 'fill' | 'inside' | 'outside'
  /** 1 is grey, 3 is red, green, blue, and 4 has an alpha channel. With fewer, alpha is dropped. @default 3 */
  readonly channels?: 1 | 3 | 4
  /** `'uint8'` is 0 to 255, `'float32'` is 0 to 1: divided by 255, as `tf.image.convert_image_dtype` does it. @default 'uint8' */
  readonly dtype?: 'uint8' | 'float32'
  /** Turn the image as its EXIF orientation says. TensorFlow does not. @default false */
  readonly autoOrient?: boolean
  /**
   * The least damage that is an error: warnings of the decoder, its errors, or data that end too early; what is damaged less
   * comes as the decoder made it of what was there. @default 'warning'
   */
  readonly failOn?: 'warning' | 'error' | 'truncated' | 'none'
  /** No image of more pixels is decoded: small files can hold very large ones. @default 2 ** 27 */
  readonly maxPixels?: number
}

/** How the element is decoded, or parts of it by their keys. */
export type DecodeImageSpec = SpecOf<DecodeImageOptions>

/** What {@link decodeImage} makes. */
export interface DecodeImageTransform<S extends DecodeImageSpec> extends Transform {
  <T extends HasKeys<S, DecodeImageOptions>>(element: T): Promise<DecodedImage<T, S>>
}

/** An element of type `T` after {@link decodeImage} by `S`. */
export type DecodedImage<T, S> = S extends DecodeImageOptions
  ? unknown extends T ? unknown : T extends Uint8Array ? NdArray<OptionOf<S, 'dtype', 'uint8'>, ImageShape<S>> : never
  : { [K in keyof T]: K extends keyof S ? DecodedImage<T[K], S[K]> : T[K] }

type OptionOf<S, K extends keyof DecodeImageOptions, Default> =
  S extends { readonly [key in K]: infer V extends NonNullable<DecodeImageOptions[K]> } ? V
  : Default

type ImageShape<S> =
  S extends { readonly height: number; readonly width: number; readonly fit: 'inside' | 'outside' } ? readonly [number, number, OptionOf<S, 'channels', 3>]
  : readonly [OptionOf<S, 'height', number>, OptionOf<S, 'width', number>, OptionOf<S, 'channels', 3>]

/**
 * Makes a transform that decodes JPEG, PNG and WebP images to arrays `[height, width, channels]`, with the package
 * [sharp](https://sharp.pixelplumbing.com), which has to be installed. It is asynchronous: `parallel` of `map` says how many
 * images are decoded at once, on other threads. Of an animation it is the first picture; 16 bits per channel become 8.
 *
 * A JPEG that is to become smaller is decoded to a smaller size right away, which is faster and differs a little from decoding
 * and resizing. Resizing is by Lanczos's kernel.
 *
 * @throws MillraceError `Corrupt` for damaged images, `Unsupported` for other formats, `Limit` above `maxPixels`,
 * `MissingPackage` without sharp, `Mismatch` for other values and for missing keys. TypeError or RangeError for a wrong spec.
 */
export function decodeImage<const S extends DecodeImageSpec = Record<never, never>>(spec: S = {} as S): DecodeImageTransform<S> {
  const tree = resolveSpec('decodeImage', spec, optionsLeaf, resolveOptions)
  return makeTransform('decodeImage', specOfTree(tree), (element: unknown) => applyTreeLater('decodeImage', tree, element, decode))
}

type Resolved = Required<Omit<DecodeImageOptions, 'width' | 'height'>> & Pick<DecodeImageOptions, 'width' | 'height'>

const CHOICES = {
  fit: ['cover', 'contain', 'fill', 'inside', 'outside'],
  channels: [1, 3, 4],
  dtype: ['uint8', 'float32'],
  failOn: ['warning', 'error', 'truncated', 'none'],
  autoOrient: [false, true]
} as const

function resolveOptions(options: unknown, where: string): Resolved {
  checkOptions(where, options as DecodeImageOptions, ['width', 'height', 'fit', 'channels', 'dtype', 'autoOrient', 'failOn', 'maxPixels'])
  const { width, height, fit = 'cover', channels = 3, dtype = 'uint8', autoOrient = false, failOn = 'warning', maxPixels = 2 ** 27 } = options as DecodeImageOptions
  const chosen = { fit, channels, dtype, autoOrient, failOn }
  for (const [name, choices] of Object.entries(CHOICES)) {
    const value: unknown = chosen[name as keyof typeof chosen]
    if (!(choices as readonly unknown[]).includes(value)) throw new TypeError(`${where}: ${name} must be one of ${choices.join(', ')}, not ${String(value)}`)
  }
  return {
    ...(width !== undefined && { width: checkInteger(where, 'width', width, 1) }),
    ...(height !== undefined && { height: checkInteger(where, 'height', height, 1) }),
    ...chosen,
    maxPixels: checkInteger(where, 'maxPixels', maxPixels, 1)
  }
}

let sharp: Sharp | undefined

async function decode(options: Resolved, value: unknown, path: string): Promise<NdArray> {
  if (!isBytes(value)) throw refused('decodeImage', `there is ${describe(value)}${at(path)}; it takes bytes (Uint8Array)`, path)
  const { width, height, fit, channels, dtype, autoOrient, failOn, maxPixels } = options
  const type = checkType(value, path)
  sharp ??= await loadSharp()
  let image = sharp(value, { failOn, limitInputPixels: maxPixels })
  if (autoOrient) image = image.rotate()
  if (width !== undefined || height !== undefined) image = image.resize({ ...(width !== undefined && { width }), ...(height !== undefined && { height }), fit })
  image = channels === 1 ? image.greyscale().removeAlpha() : channels === 3 ? image.toColourspace('srgb').removeAlpha() : image.toColourspace('srgb').ensureAlpha()
  try {
    const { data, info } = await image.raw().toBuffer({ resolveWithObject: true })
    const shape = [info.height, info.width, info.channels]
    if (info.channels !== channels) throw new Error(`sharp made ${info.channels} channels of it, not ${channels}`)
    const pixels = new Uint8Array(data.buffer, data.byteOffset, data.length)
    if (dtype === 'uint8') return { dtype, shape, data: pixels }
    const floats = new Float32Array(pixels.length)
    scaleBias(pixels, 1 / 255, 0, 1, floats)
    return { dtype, shape, data: floats }
  } catch (cause) {
    const message = messageOf(cause)
    const kind = /pixel limit/i.test(message) ? 'Limit' : 'Corrupt'
    throw new MillraceError(kind, `decodeImage: the ${type} image of ${value.length} bytes${at(path)} cannot be decoded: ${message}`, { keyPath: path, cause })
  }
}

/** sharp can read more than we promise, SVG and what else is installed: what a record holds is not for it to say. */
function checkType(bytes: Uint8Array, path: string): string {
  const type = imageType(bytes)
  if (type !== undefined) return type
  const first = Array.from(bytes.subarray(0, 8), byte => byte.toString(16).padStart(2, '0')).join(' ')
  const what = bytes.length === 0 ? 'there are no bytes' : `${bytes.length} bytes${at(path)} that begin with ${first} are no JPEG, PNG or WebP image`
  throw new MillraceError(bytes.length === 0 ? 'Corrupt' : 'Unsupported', `decodeImage: ${what}`, { keyPath: path })
}

/** The format of an image by its first bytes; `undefined` for any other. */
function imageType(bytes: Uint8Array): 'JPEG' | 'PNG' | 'WebP' | undefined {
  const has = (at: number, ...expected: readonly number[]): boolean => expected.every((byte, i) => bytes[at + i] === byte)
  if (has(0, 0xff, 0xd8, 0xff)) return 'JPEG'
  if (has(0, 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return 'PNG'
  return has(0, 0x52, 0x49, 0x46, 0x46) && has(8, 0x57, 0x45, 0x42, 0x50) ? 'WebP' : undefined
}
