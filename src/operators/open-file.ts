import { isMillraceError } from '../errors.js'
import type { Format, FormatReader } from '../format.js'
import type { ByteSource, ObjectMeta } from '../store.js'
import type { TableReader } from '../table/table.js'

/** A file, and what a listing said of it. */
export interface FileToRead {
  readonly uri: string
  readonly known?: ObjectMeta | undefined
}

/** What is needed to open files of one format. */
export interface FilesOfFormat {
  readonly openFile: (file: FileToRead, signal: AbortSignal) => Promise<ByteSource>
  /** `uri` is that of the file, for formats that are told by the file. */
  readonly format: (source: ByteSource, signal: AbortSignal) => Promise<Format<unknown>>
  readonly options: unknown
}

/** A file with its reader. */
export interface OpenFile {
  readonly uri: string
  readonly byteLength: number
  /** Names these bytes: a file that is replaced has another. */
  readonly version: string
  readonly reader: FormatReader<unknown>
  /** Closes the reader, and then all that was opened for it. */
  close(): Promise<void>
}

/** Opens a file. `check` may refuse what was opened before the format looks at it. */
export async function openFile({ openFile, format, options }: FilesOfFormat, file: FileToRead, signal: AbortSignal, check?: (source: ByteSource) => void): Promise<OpenFile> {
  const sources: ByteSource[] = []
  let reader: FormatReader<unknown> | undefined
  const close = async (): Promise<void> => {
    const [ofReader] = await Promise.allSettled([reader?.close?.()])
    const ofSources = await Promise.allSettled(sources.splice(0).map(source => source.close()))
    for (const outcome of [ofReader, ...ofSources]) if (outcome.status === 'rejected') throw outcome.reason
  }
  try {
    const source = await openFile(file, signal)
    sources.push(source)
    check?.(source)
    const beside = async (ending: string): Promise<ByteSource | null> => {
      try {
        const other = await openFile({ uri: file.uri + ending }, signal)
        sources.push(other)
        return other
      } catch (error) {
        // Who may not list is often told "denied" of what is not there.
        if (isMillraceError(error, 'NotFound') || isMillraceError(error, 'Denied')) return null
        throw error
      }
    }
    reader = await (await format(source, signal)).open(source, options, { signal, beside })
    return { uri: source.uri, byteLength: source.byteLength, version: source.version, reader, close }
  } catch (error) {
    await close().catch(() => undefined)
    throw error
  }
}

/** The reader, if it reads rows of a table. */
export function asTableReader(reader: FormatReader<unknown>): TableReader | undefined {
  return typeof (reader as Partial<TableReader>).stacked === 'function' ? (reader as TableReader) : undefined
}

/** Number of elements of a file, when all its fragments tell. */
export function countOf(reader: Pick<FormatReader<unknown>, 'fragments'>): number | undefined {
  let count = 0
  for (const fragment of reader.fragments) {
    if (fragment.count === undefined) return undefined
    count += fragment.count
  }
  return count
}
