import { MillraceError } from '../errors.js'
import type { Format, FormatChunk, FormatReader } from '../format.js'
import type { Operator } from '../plan/operator.js'
import { badState, savedCount, savedObject } from '../plan/saved.js'
import type { ByteSource } from '../store.js'
import type { Json, MaybePromise } from '../types.js'

/**
 * The elements of files of one format, file after file in the order of their names. Memory: what the format reads ahead.
 *
 * An error at a record is thrown at its place. The next pull goes on behind the record where the format can tell where
 * that is, else with the next file. State: file, fragment, and the place that the format gave for the last chunk.
 */
export interface ReadFilesParams {
  /** As the user wrote them; `explain()` shows them. */
  readonly patterns: readonly string[]
  /** The files that the patterns mean, in order. */
  readonly list: (signal: AbortSignal) => Promise<readonly string[]>
  readonly openFile: (uri: string, signal: AbortSignal) => Promise<ByteSource>
  readonly format: () => Promise<Format<unknown>>
  readonly formatName: string
  readonly options: unknown
  /** True when whoever pulls keeps no element past the next pull; a rule finds out. */
  readonly transient: boolean
}

/** Where reading stands; JSON. */
interface Place {
  readonly file: number
  /** Name and size of that file, once it was opened. Its version is no good here: a copy on another machine has another. */
  readonly uri?: string
  readonly byteLength?: number
  readonly fragment: number
  /** Where the chunk begins, as the format names it. */
  readonly from?: Json
  /** Elements of that chunk that were delivered. */
  readonly skip: number
}

const START: Place = { file: 0, fragment: 0, skip: 0 }

/** The place, checked; `from` is the format's own. */
function savedPlace(saved: Json): Place {
  const { uri, byteLength, from, ...place } = savedObject('readFiles', saved)
  if (uri !== undefined && typeof uri !== 'string') throw badState('readFiles', 'the name of the file')
  return {
    file: savedCount('readFiles', place['file'], 'the ordinal of the file'),
    ...(uri !== undefined && { uri }),
    ...(byteLength !== undefined && { byteLength: savedCount('readFiles', byteLength, 'the size of the file') }),
    fragment: savedCount('readFiles', place['fragment'], 'the fragment'),
    ...(from !== undefined && { from: from as Json }),
    skip: savedCount('readFiles', place['skip'], 'skip')
  }
}

export const readFiles: Operator<ReadFilesParams> = {
  name: 'readFiles',
  describe: ({ patterns, formatName }) => `${formatName}: ${patterns.join(', ')}`,
  identity: ({ patterns, formatName }) => [formatName, patterns],
  reads: true,
  transient: params => ({ ...params, transient: true }),

  open({ params, saved, ctx: { signal } }) {
    let place = saved === undefined ? START : savedPlace(saved)
    let files: readonly string[] | undefined
    let source: ByteSource | undefined
    let reader: FormatReader<unknown> | undefined
    let iterator: AsyncIterator<FormatChunk<unknown>> | undefined
    let chunk: readonly unknown[] = []
    let next: Json | undefined // where the chunk after this one begins

    const deliver = (max: number): unknown[] => {
      const { skip } = place
      const out = chunk.slice(skip, skip + max)
      place = { ...place, skip: skip + out.length }
      return out
    }
    const closeIterator = async (): Promise<void> => {
      const ending = iterator
      iterator = undefined
      await ending?.return?.()
    }
    const closeFile = async (): Promise<void> => {
      const ending = source
      reader = source = undefined
      try {
        await closeIterator()
      } finally {
        await ending?.close()
      }
    }
    const toNextFile = async (): Promise<void> => {
      place = { ...START, file: place.file + 1 }
      chunk = []
      next = undefined
      await closeFile()
    }
    const open = async (uri: string): Promise<FormatReader<unknown>> => {
      const format = await params.format()
      source = await params.openFile(uri, signal)
      if (place.uri !== undefined && place.uri !== source.uri) {
        throw new MillraceError('Checkpoint', `readFiles: file ${place.file} is ${source.uri} now and was ${place.uri} when the checkpoint was taken: the patterns mean other files`, { uri: source.uri })
      }
      if (place.byteLength !== undefined && place.byteLength !== source.byteLength) {
        throw new MillraceError('Changed', `readFiles: ${source.uri} has ${source.byteLength} bytes and had ${place.byteLength} when the checkpoint was taken`, { uri: source.uri })
      }
      place = { ...place, uri: source.uri, byteLength: source.byteLength }
      return format.open(source, params.options, { signal })
    }
    const advance = async (max: number): Promise<unknown[] | null> => {
      files ??= await params.list(signal)
      if (place.file > files.length) throw badState('readFiles', `file ${place.file} of ${files.length}`)
      for (;;) {
        const uri = files[place.file]
        if (uri === undefined) return null
        reader ??= await open(uri)
        if (place.fragment > reader.fragments.length) throw badState('readFiles', `fragment ${place.fragment} of ${reader.fragments.length}`)
        if (place.fragment >= reader.fragments.length) {
          await toNextFile()
          continue
        }
        iterator ??= reader.read(place.fragment, { from: place.from, signal, transient: params.transient })[Symbol.asyncIterator]()
        const step = await iterator.next()
        if (step.done === true) {
          iterator = undefined
          if (place.skip > chunk.length) throw badState('readFiles', `element ${place.skip} of ${chunk.length}`)
          const { from: _, ...file } = place
          place = { ...file, fragment: place.fragment + 1, skip: 0 }
          chunk = []
          next = undefined
          continue
        }
        // A restored place may count more elements than the chunk there has now: chunks are as long as reads are.
        if (next !== undefined) place = { ...place, from: next, skip: place.skip - chunk.length }
        chunk = step.value.elements
        next = step.value.next
        if (place.skip < chunk.length) return deliver(max)
      }
    }
    /** After an error: behind the record if the format says where that is, else the next file. */
    const recover = async (error: unknown): Promise<never> => {
      if (!signal.aborted && files !== undefined) {
        const behind = (error as { next?: Json }).next
        if (behind === undefined) await toNextFile().catch(() => undefined)
        else {
          place = { ...place, from: behind, skip: 0 }
          chunk = []
          next = undefined
          await closeIterator().catch(() => undefined)
        }
      }
      throw error
    }
    return {
      pull(max): MaybePromise<unknown[] | null> {
        if (place.skip < chunk.length) return deliver(max)
        return advance(max).catch(recover)
      },
      save: () => ({ self: (place.skip > 0 && place.skip === chunk.length && next !== undefined ? { ...place, from: next, skip: 0 } : place) as unknown as Json }),
      close: closeFile
    }
  }
}
