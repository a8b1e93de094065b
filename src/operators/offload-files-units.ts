import type { Json, MaybePromise } from '../types.js'
import { asTableReader, countOf, openFile, type FileToRead } from './open-file.js'
import type { ReadFilesParams } from './read-files.js'

/** What one worker reads in one go: some files, or some rows of one. */
export interface Unit {
  /** Ordinal of the first file. */
  readonly file: number
  readonly files: readonly FileToRead[]
  /** Where in the file it begins; absent for its beginning, and for the place at which the pass was resumed. */
  readonly place?: Json
  /** Ends after so many records, unless there is an error among them: then it goes on to the end of the file. */
  readonly limit?: number
  /** How many records it has, when that is known. */
  readonly records: number | undefined
}

/** What was found out about a file without reading it. */
interface Look {
  /** Records of each fragment, where all of them tell. */
  readonly counts: readonly number[] | undefined
  readonly byteLength: number
  /** Any record can be reached without reading those before. */
  readonly seek: ((fragment: number, ordinal: number) => Json) | undefined
  /** Places are ordinals. */
  readonly tabular: boolean
}

/** How files are cut into units. */
interface CutOptions {
  readonly params: ReadFilesParams
  readonly files: readonly FileToRead[]
  /** Where the pass begins. */
  readonly first: { readonly [key: string]: unknown } | undefined
  /** Units begin and end at multiples of so many records, where files are cut. */
  readonly rows: number
  /** True when files may be cut: nothing above leaves records out. */
  readonly cuts: boolean
  /** True when the number of records has to be known. */
  readonly counting: boolean
  /** Threads: there are to be several units for each. */
  readonly threads: number
  readonly signal: AbortSignal
  /** Bytes of a unit, roughly. @default 8 MiB */
  readonly unitBytes?: number
}

/** Gives out units, one after the other. */
export interface Cutter {
  /** What is known of the file with which it begins; undefined when nothing can be. */
  look(): Promise<Look | undefined>
  next(): MaybePromise<Unit | null>
  /** Gives out no more of that file. */
  leave(file: number): void
  close(): Promise<void>
}

const UNIT_BYTES = 8 << 20
/** Files that are opened ahead to be looked at. */
const LOOKS_AHEAD = 4
/** Small files that are given out together, so that they cost no message each. */
const MOST_FILES = 64
const SMALL_BYTES = 1 << 20

/** Cuts the files of a pass into units: small files together, large ones by their rows where any row can be reached at once. */
export function cutFiles({ params, files, first, rows, cuts, counting, threads, signal, unitBytes = UNIT_BYTES }: CutOptions): Cutter {
  const begin = (first?.['file'] as number | undefined) ?? 0
  const looks = new Map<number, Promise<Look | undefined>>()
  let file = begin
  let rest: { readonly look: Look; readonly counts: readonly number[]; fragment: number; at: number } | undefined // of the file before `file`
  let tells = true // files tell how many records they have, as far as we know
  const each = params.elementsPerFile

  const look = (ordinal: number): Promise<Look | undefined> => {
    const known = looks.get(ordinal)
    if (known !== undefined) return known
    const looking = lookAt(params, files[ordinal] as FileToRead, signal).catch(() => undefined) // whoever reads it will say
    looks.set(ordinal, looking)
    return looking
  }
  const isLarge = (ordinal: number): boolean => (files[ordinal]?.known?.size ?? 0) > 2 * unitBytes
  const worthLooking = (ordinal: number): boolean => each === undefined && tells && (counting || (cuts && (isLarge(ordinal) || files[ordinal]?.known === undefined)))
  /** Where in the file the pass begins, in records; undefined when that cannot be told. */
  const firstOrdinal = (look: Look): { fragment: number; at: number } | undefined => {
    if (first === undefined) return { fragment: 0, at: 0 }
    const { fragment, from, skip } = first as { readonly fragment: number; readonly from?: Json; readonly skip: number }
    if (from !== undefined && !(look.tabular && typeof from === 'number')) return undefined
    return { fragment, at: ((from as number | undefined) ?? 0) + skip }
  }
  const isAtBeginning = (): boolean => {
    const { fragment = 0, from, skip = 0 } = first ?? {}
    return fragment === 0 && from === undefined && skip === 0
  }
  /** The next rows of a file that is being cut. */
  const nextRows = (): Unit | null => {
    if (rest === undefined) return null
    const { look, counts } = rest
    while (rest.fragment < counts.length && rest.at >= (counts[rest.fragment] as number)) {
      rest.fragment++
      rest.at = 0
    }
    const count = counts[rest.fragment]
    if (count === undefined || look.seek === undefined) {
      rest = undefined
      return null
    }
    const { fragment, at } = rest
    const limit = Math.min(count - at, rowsOfUnit(look))
    rest.at += limit
    const place = { file: 0, fragment, ...(at > 0 && { from: look.seek(fragment, at) }), skip: 0 }
    return { file: file - 1, files: files.slice(file - 1, file), place, limit, records: limit }
  }
  const rowsOfUnit = ({ counts = [], byteLength }: Look): number => {
    const records = counts.reduce((sum, count) => sum + count, 0)
    return Math.max(1, Math.round((unitBytes * records) / Math.max(1, byteLength) / rows)) * rows
  }
  const whole = (looked: Look | undefined): Unit => {
    const ordinal = file++
    const isFirst = ordinal === begin
    const at = looked === undefined ? undefined : isFirst ? firstOrdinal(looked) : { fragment: 0, at: 0 }
    const { counts } = looked ?? {}
    if (each === undefined && looked !== undefined && counts === undefined) tells = false
    if (looked === undefined || counts === undefined || at === undefined) {
      return { file: ordinal, files: files.slice(ordinal, file), records: each === undefined || (isFirst && !isAtBeginning()) ? undefined : each }
    }
    const left = counts.slice(at.fragment).reduce((sum, count) => sum + count, 0) - at.at
    if (!cuts || looked.seek === undefined || looked.byteLength <= 2 * unitBytes || left <= rowsOfUnit(looked)) return { file: ordinal, files: files.slice(ordinal, file), records: Math.max(0, left) }
    // The first rows are read from the place that is given, as it is.
    const inFragment = Math.max(0, (counts[at.fragment] ?? 0) - at.at)
    const limit = Math.min(inFragment, rowsOfUnit(looked))
    rest = { look: looked, counts, fragment: at.fragment, at: at.at + limit }
    if (limit === 0) return nextRows() ?? { file: ordinal, files: files.slice(ordinal, file), records: 0 }
    return { file: ordinal, files: files.slice(ordinal, file), limit, records: limit }
  }
  /** Small files that follow, as many as a share of what is left. */
  const together = (unit: Unit): Unit => {
    if (rest !== undefined || unit.limit !== undefined) return unit
    const share = Math.min(MOST_FILES, Math.ceil((files.length - unit.file) / (4 * threads)))
    let bytes = unit.files[0]?.known?.size ?? Infinity
    let { records } = unit
    while (file < files.length && file - unit.file < share && !worthLooking(file)) {
      bytes += files[file]?.known?.size ?? Infinity
      if (bytes > SMALL_BYTES) break
      records = records === undefined || each === undefined ? undefined : records + each
      file++
    }
    return { ...unit, files: files.slice(unit.file, file), records }
  }
  return {
    look: async () => (file < files.length && each === undefined ? look(file) : undefined),
    next() {
      const rows = nextRows()
      if (rows !== null) return rows
      if (file >= files.length) return null
      if (!worthLooking(file)) return together(whole(undefined))
      for (let ahead = file; ahead < Math.min(files.length, file + LOOKS_AHEAD); ahead++) {
        if (worthLooking(ahead)) look(ahead).catch(() => undefined) // it never fails
      }
      return look(file).then(looked => {
        looks.delete(file)
        return whole(looked)
      })
    },
    leave(ordinal) {
      if (rest !== undefined && file - 1 === ordinal) rest = undefined
    },
    async close() {
      await Promise.all(looks.values())
    }
  }
}

async function lookAt(params: ReadFilesParams, file: FileToRead, signal: AbortSignal): Promise<Look> {
  const opened = await openFile(params, file, signal)
  try {
    const { reader, byteLength } = opened
    const counts = countOf(reader) === undefined ? undefined : reader.fragments.map(({ count }) => count as number)
    // A reader without access by ordinal, such as one of a compressed stream, would begin from the beginning each time.
    const seek = reader.get === undefined ? undefined : reader.seek?.bind(reader)
    return { counts, byteLength, seek, tabular: asTableReader(reader) !== undefined }
  } finally {
    await opened.close()
  }
}
