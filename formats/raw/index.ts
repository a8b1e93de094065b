/**
 * Raw: every object is one element, whatever its bytes mean. See `docs/formats/raw.md`.
 */
import { MillraceError, type ByteSource, type Format, type Json } from '../../src/format.js'
import { resolveOptions, type RawOptions, type ResolvedRawOptions } from './options.js'

export type { RawOptions } from './options.js'

/** An object and where it is. */
export interface RawObject {
  /** The canonical URI of the object, without secrets. */
  readonly uri: string
  readonly bytes: Uint8Array
}

/**
 * Reads each object whole: a `Uint8Array`, or a {@link RawObject} with `withUri`. An empty object is an empty array.
 *
 * One fragment with one element; up to 1 MiB is read as soon as the object is open, more when it is asked for. An object above `maxBytes` is a `Limit` error, thrown before
 * memory is taken for it.
 */
export const raw: Format<Uint8Array | RawObject, RawOptions> = {
  name: 'raw',
  extensions: [],
  elementsPerFile: 1,
  async open(source, options, context) {
    const resolved = resolveOptions(options)
    let early = source.byteLength <= EARLY_BYTES && source.byteLength <= resolved.maxBytes ? readWhole(source, resolved, context.signal) : undefined
    early?.catch(() => undefined) // whoever asks for the element is told
    /** The element; what was read in advance is given away once. */
    const element = (signal: AbortSignal): Promise<Uint8Array | RawObject> => {
      const here = early
      early = undefined
      return here ?? readWhole(source, resolved, signal)
    }
    return {
      fragments: [{ count: 1 }],
      async *read(_, { from, signal }) {
        if (behind(source.uri, from)) return
        yield { elements: [await element(signal)], next: 1 }
      },
      get: (_, ordinals, { signal }) => Promise.all(ordinals.map(() => element(signal))),
      seek: (_, ordinal) => ordinal
    }
  }
}

/** Objects up to this size are read when they are opened. */
const EARLY_BYTES = 1 << 20

async function readWhole(source: ByteSource, { withUri, maxBytes }: ResolvedRawOptions, signal: AbortSignal): Promise<Uint8Array | RawObject> {
  const { uri, byteLength } = source
  signal.throwIfAborted()
  if (byteLength > maxBytes) {
    throw new MillraceError('Limit', `${uri}: its ${byteLength} bytes are more than maxBytes, ${maxBytes}. Raise maxBytes if such objects are meant to be there.`,
      { uri, offset: 0, record: 0, operation: 'read' })
  }
  const bytes = new Uint8Array(byteLength)
  if (byteLength > 0) await source.read(0, bytes, { signal })
  return withUri ? { uri, bytes } : bytes
}

/** Whether a position is that behind the only element. */
function behind(uri: string, from: Json | undefined): boolean {
  if (from === undefined || from === 0) return false
  if (from === 1) return true
  throw new MillraceError('Checkpoint', `Cannot go on in ${uri} at ${JSON.stringify(from)}: it is one element, so there is 0 and 1. Begin anew without the checkpoint`,
    { uri, operation: 'read' })
}
