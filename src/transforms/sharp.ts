import { messageOf, MillraceError } from '../errors.js'

/** The part of sharp that is used here. */
export type Sharp = (bytes: Uint8Array, options: { readonly failOn: string; readonly limitInputPixels: number }) => SharpImage

/** An image under way. */
interface SharpImage {
  /** Without an angle: as EXIF says. */
  rotate(): SharpImage
  resize(options: { readonly width?: number; readonly height?: number; readonly fit: string }): SharpImage
  greyscale(): SharpImage
  toColourspace(name: string): SharpImage
  removeAlpha(): SharpImage
  ensureAlpha(): SharpImage
  raw(): SharpImage
  toBuffer(options: { readonly resolveWithObject: true }): Promise<SharpPixels>
}

/** Raw pixels, row by row. */
interface SharpPixels {
  readonly data: Uint8Array<ArrayBuffer>
  readonly info: { readonly width: number; readonly height: number; readonly channels: number }
}

const PACKAGE = 'sharp'
const RANGE = '>=0.33.0'

/**
 * sharp, if it is installed.
 * @throws MillraceError `MissingPackage` that says what to install.
 */
export async function loadSharp(load: (name: string) => Promise<unknown> = name => import(name)): Promise<Sharp> {
  let cause: unknown
  try {
    const module = await load(PACKAGE) as { readonly default?: unknown }
    if (typeof module.default === 'function') return module.default as Sharp
  } catch (error) {
    cause = error
  }
  const why = cause === undefined ? 'What is installed is no function' : messageOf(cause)
  throw new MillraceError('MissingPackage', `sharp is needed to decode images: npm install "${PACKAGE}@${RANGE}". ${why}`, { cause })
}
