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
 * One fragment with one element; it is read when it is asked for. An object above `maxBytes` is a `Limit` error, thrown before
 * memory is taken for it.
 */
export const raw: Format<Uint8Array | RawObject, RawOptions> = {
  name: 'raw',
  extensions: [],
  elementsPerFile: 1,
  async open(source, options) {
    const resolved = resolveOptions(options)
    return {
      fragments: [{ count: 1 }],
      async *read(_, { from, signal }) {
        if (behind(source.uri, from)) return
        yield { elements: [await readWhole(source, resolved, signal)], next: 1 }
      },
      get: (_, ordinals, { signal }) => Promise.all(ordinals.map(() => readWhole(source, resolved, signal))),
      seek: (_, ordinal) => ordinal
    }
  }
}

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
