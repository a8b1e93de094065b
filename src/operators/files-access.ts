import { MillraceError } from '../errors.js'
import type { RandomAccess } from '../plan/operator.js'
import type { ByteSource } from '../store.js'
import { blockCache } from '../table/block-cache.js'
import { inParallel } from '../util/parallel.js'
import { asTableReader, countOf, openFile, type FileToRead, type OpenFile } from './open-file.js'
import type { ReadFilesParams } from './read-files.js'
import { selectedCount } from './select.js'

/** Files that are kept open. */
const OPEN_FILES = 64
/** Bytes of decoded blocks of all files together. */
const CACHE_BYTES = 256 << 20

/** Elements of files by ordinal; `null` when the format of one of them cannot tell or reach them. */
export async function filesAccess(params: ReadFilesParams, signal: AbortSignal): Promise<RandomAccess | null> {
  const files = await params.list(signal)
  const atOnce = files[0] === undefined ? 1 : Math.min(OPEN_FILES, await params.filesAtOnce(files[0].uri))
  const kept = new Map<string, Promise<OpenFile>>() // those used last, last
  const busy = new Map<string, number>()

  const cache = blockCache(CACHE_BYTES)
  const versions = new Map<string, string>() // of files that were opened: ordinals mean nothing in any other
  const open = async (listed: FileToRead): Promise<OpenFile> => {
    const { uri } = listed
    const file = await openFile(params, listed, signal, ({ version }: ByteSource) => {
      if ((versions.get(uri) ?? version) === version) return
      throw new MillraceError('Changed', `readFiles: ${uri} was replaced while its elements were read by their ordinals. Begin anew`, { uri, operation: 'open' })
    })
    versions.set(uri, file.version)
    asTableReader(file.reader)?.useCache(cache)
    return file
  }
  const acquire = (listed: FileToRead): Promise<OpenFile> => {
    const { uri } = listed
    const file = kept.get(uri) ?? open(listed)
    kept.delete(uri)
    kept.set(uri, file)
    busy.set(uri, (busy.get(uri) ?? 0) + 1)
    return file
  }
  const release = async (uri: string): Promise<void> => {
    const users = (busy.get(uri) as number) - 1
    if (users > 0) busy.set(uri, users)
    else busy.delete(uri)
    for (const [idle, file] of kept) {
      if (kept.size <= OPEN_FILES) return
      if (busy.has(idle)) continue
      kept.delete(idle)
      await (await file).close()
    }
  }
  /** Opens a file, or finds it open, for the time of a call. What could not be opened is tried anew the next time. */
  const using = async <T>(listed: FileToRead, use: (file: OpenFile) => Promise<T> | T): Promise<T> => {
    const file = acquire(listed)
    try {
      return await use(await file)
    } catch (error) {
      await file.catch(() => { if (kept.get(listed.uri) === file) kept.delete(listed.uri) }) // it may have been opened anew
      throw error
    } finally {
      await release(listed.uri)
    }
  }
  const close = async (): Promise<void> => {
    const all = [...kept.values()]
    kept.clear()
    const outcomes = await Promise.allSettled(all.map(async file => (await file.catch(() => undefined))?.close()))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  /** Ordinal of the first element of each file, and the number of all. */
  const starts = [0]
  try {
    const counts = params.elementsPerFile === undefined
      ? await inParallel(files, atOnce, file => using(file, ({ reader }) => (reader.get === undefined ? undefined : countOf(reader))))
      : files.map(() => params.elementsPerFile)
    for (const count of counts) {
      if (count === undefined) {
        await close()
        return null
      }
      starts.push((starts.at(-1) as number) + count)
    }
  } catch (error) {
    await close().catch(() => undefined)
    throw error
  }

  const { start, step } = params.selection
  return {
    length: selectedCount(params.selection, starts.at(-1)) as number,
    async get(indices) {
      const byFile = new Map<number, number[]>() // places in `indices`
      indices.forEach((index, place) => {
        const file = fileOf(starts, start + index * step)
        const places = byFile.get(file)
        if (places === undefined) byFile.set(file, [place])
        else places.push(place)
      })
      const out = new Array<unknown>(indices.length)
      await inParallel([...byFile], atOnce, ([file, places]) => using(files[file] as FileToRead, async ({ reader }) => {
        const ordinals = places.map(place => start + (indices[place] as number) * step - (starts[file] as number))
        const elements = await elementsByOrdinal(reader, ordinals, signal)
        elements.forEach((element, k) => { out[places[k] as number] = element })
      }))
      return out
    },
    close
  }
}

/** Elements of one file, whatever fragments they are in. */
async function elementsByOrdinal(reader: OpenFile['reader'], ordinals: readonly number[], signal: AbortSignal): Promise<readonly unknown[]> {
  const get = reader.get as NonNullable<OpenFile['reader']['get']>
  if (reader.fragments.length === 1) return get(0, ordinals, { signal })
  const starts = [0]
  for (const { count } of reader.fragments) starts.push((starts.at(-1) as number) + (count as number))
  const out = new Array<unknown>(ordinals.length)
  const byFragment = new Map<number, number[]>()
  ordinals.forEach((ordinal, place) => {
    const fragment = fileOf(starts, ordinal)
    byFragment.set(fragment, [...(byFragment.get(fragment) ?? []), place])
  })
  for (const [fragment, places] of byFragment) {
    const elements = await get(fragment, places.map(place => (ordinals[place] as number) - (starts[fragment] as number)), { signal })
    elements.forEach((element, k) => { out[places[k] as number] = element })
  }
  return out
}

/** The last `k` with `starts[k] <= ordinal`. */
function fileOf(starts: readonly number[], ordinal: number): number {
  let [low, high] = [0, starts.length - 1]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if ((starts[middle] as number) <= ordinal) low = middle
    else high = middle
  }
  return low
}
