import { batchPool } from '../array/pool.js'
import { isMillraceError, MillraceError } from '../errors.js'
import type { FormatChunk, FormatReader } from '../format.js'
import type { Cursor, OpenContext } from '../plan/operator.js'
import type { LiveKnob } from '../plan/tuning.js'
import { badState, savedCount, savedObject } from '../plan/saved.js'
import type { StackedRows, StackedRun, TableReader } from '../table/table.js'
import type { Json, MaybePromise } from '../types.js'
import { chain } from '../util/promise.js'
import { asTableReader, countOf, openFile, type FileToRead, type OpenFile } from './open-file.js'
import type { ReadFilesParams } from './read-files.js'
import { stackedChunk } from './stacked-chunk.js'

/** Where reading stands; JSON. */
interface Place {
  readonly file: number
  /** Name and size of that file, once it was opened. Its version is no good here: a copy on another machine has another. */
  readonly uri?: string
  readonly byteLength?: number
  readonly fragment: number
  /** Where the chunk begins, as the format names it. */
  readonly from?: Json
  /** Elements of that chunk that were delivered or passed over. */
  readonly skip: number
  /** Ordinal, among the elements of all files, of the next element, and of the first of the fragment. Left out where they are not needed. */
  readonly passed?: number
  readonly base?: number
  /** The first of the file, and the one up to which all that was read before a change is passed over. Left out unless changed files are read again. */
  readonly fileBase?: number
  readonly upTo?: number
}

const START: Place = { file: 0, fragment: 0, skip: 0 }
/** The most files that a tuner has opened at the same time. */
const MOST_AT_ONCE = 256
/** How often one file is read again because it changed. */
const REREADS = 3
/** A jump over fewer elements than so many chunks costs more than reading them. */
const JUMP_CHUNKS = 4

/** The place, checked; `from` is the format's own. */
function savedPlace(saved: Json, selecting: boolean, rereading: boolean): Place {
  const { uri, byteLength, from, ...place } = savedObject('readFiles', saved)
  if (uri !== undefined && typeof uri !== 'string') throw badState('readFiles', 'the name of the file')
  return {
    file: savedCount('readFiles', place['file'], 'the ordinal of the file'),
    ...(uri !== undefined && { uri }),
    ...(byteLength !== undefined && { byteLength: savedCount('readFiles', byteLength, 'the size of the file') }),
    fragment: savedCount('readFiles', place['fragment'], 'the fragment'),
    ...(from !== undefined && { from: from as Json }),
    skip: savedCount('readFiles', place['skip'], 'skip'),
    ...(selecting && {
      passed: savedCount('readFiles', place['passed'], 'the ordinal of the next element'),
      base: savedCount('readFiles', place['base'], 'the ordinal of the first element of the fragment', place['passed'] as number)
    }),
    ...(rereading && {
      fileBase: savedCount('readFiles', place['fileBase'], 'the ordinal of the first element of the file', place['base'] as number),
      upTo: savedCount('readFiles', place['upTo'], 'the ordinal up to which the file was read before it changed')
    })
  }
}

/** The same knob under the name of the operator. `get` and `set` may need the store's own object. */
const ofReading = (knob: LiveKnob): LiveKnob => ({ ...knob, name: `readFiles.${knob.name}`, get: () => knob.get(), set: value => { knob.set(value) } })

/** What reading files needs of a context. */
type FilesContext = Pick<OpenContext, 'signal' | 'memo' | 'note' | 'meter' | 'memory' | 'knob' | 'span'>

/** Reads files in order: their elements, stacked rows, or a selection of either. */
export function filesCursor(params: ReadFilesParams, saved: Json | undefined, ctx: FilesContext): Cursor<unknown> {
  const { signal, memo, note, meter, memory } = ctx
  const { selection, stacked, onChanged } = params
  const pool = stacked ? batchPool({ memo }) : undefined
  const { start, step, count } = selection
  const rereading = onChanged === 'reread'
  const selecting = rereading || start > 0 || step > 1 || count < Infinity
  let place = saved === undefined ? START : savedPlace(saved, selecting, rereading)
  let { passed = 0, base = 0, fileBase = 0, upTo = 0 } = place
  let rereads = 0 // of the file that is open
  let files: readonly FileToRead[] | undefined
  let atOnce: number | undefined
  let listed = false
  let offered = false // the knobs of the store
  let opened: OpenFile | undefined
  let spanEnds: (() => void) | undefined // of the file that is open
  let iterator: AsyncIterator<FormatChunk<unknown>> | undefined
  let run: StackedRun | undefined
  let chunk: readonly unknown[] = []
  let next: Json | undefined // where the chunk after this one begins
  const opensAhead = params.elementsPerFile === 1 && start === 0 && step === 1 && count === Infinity
  const ahead = new Map<number, Promise<OpenFile>>() // files that are opened before their turn, by their ordinals
  const there = new Set<number>() // those of them that are open
  let single = 0 // after a failure of access by ordinal: elements to be asked for one by one

  /** Ordinal of the next element that is wanted. */
  const wanted = (): number => {
    const from = Math.max(passed, upTo)
    return from <= start ? start : start + Math.ceil((from - start) / step) * step
  }
  const end = start + step * count // no element from here on is wanted

  const deliver = (max: number): unknown[] => {
    const { skip } = place
    if (!selecting) {
      const out = chunk.slice(skip, skip + max)
      place = { ...place, skip: skip + out.length }
      return out
    }
    const out: unknown[] = []
    let at = skip
    while (out.length < max && at < chunk.length) {
      const gap = wanted() - passed
      if (passed + gap >= end || at + gap >= chunk.length) {
        passed += chunk.length - at
        at = chunk.length
        break
      }
      passed += gap + 1
      out.push(chunk[at + gap])
      at += gap + 1
    }
    place = { ...place, skip: at }
    return out
  }
  const closeIterator = async (): Promise<void> => {
    const [ending, endingRun] = [iterator, run]
    iterator = run = undefined
    try {
      await ending?.return?.()
    } finally {
      await endingRun?.close()
    }
  }
  const closeFile = async (): Promise<void> => {
    const ending = opened
    opened = undefined
    spanEnds?.()
    spanEnds = undefined
    try {
      await closeIterator()
    } finally {
      await ending?.close()
    }
  }
  const forget = (): void => {
    chunk = []
    next = undefined
  }
  const toNextFile = async (): Promise<void> => {
    place = { ...START, file: place.file + 1 }
    base = fileBase = passed
    rereads = 0
    forget()
    await closeFile()
  }
  const toNextFragment = (): void => {
    const { from: _, ...file } = place
    place = { ...file, fragment: place.fragment + 1, skip: 0 }
    base = passed
    forget()
  }
  /** Opens files that hold one element each before it is their turn: most of their time goes to opening them. */
  const openAhead = (all: readonly FileToRead[], most: number): void => {
    for (let file = place.file + 1; file < place.file + most; file++) {
      const listed = all[file]
      if (listed === undefined || ahead.has(file)) continue
      if (ahead.size > 0 && !memory.hasRoom) return void meter.full++
      const opening = metered(openFile(params, listed, signal))
      opening.then(() => arrived(file), () => undefined) // thrown in its turn
      ahead.set(file, opening)
    }
  }
  const arrived = (file: number): void => {
    if (!ahead.has(file)) return // its turn came first
    there.add(file)
    meter.queued++
  }
  const metered = async <T>(opening: Promise<T>): Promise<T> => {
    const begun = performance.now()
    meter.inFlight++
    try {
      return await opening
    } finally {
      meter.inFlight--
      meter.served++
      meter.serviceMs += performance.now() - begun
    }
  }
  /** How many files are opened side by side; known once the store was asked. */
  const offerKnob = (): void => ctx.knob({
    name: 'readFiles.filesAtOnce',
    auto: true,
    least: 1,
    most: MOST_AT_ONCE,
    resource: 'request',
    get: () => atOnce ?? 1,
    set(value) {
      atOnce = Math.max(1, value)
    }
  })
  const closeAhead = async (): Promise<void> => {
    const all = [...ahead.values()]
    ahead.clear()
    meter.queued -= there.size
    there.clear()
    await Promise.all(all.map(async opening => (await opening.catch(() => undefined))?.close()))
  }
  const open = async (listed: FileToRead): Promise<OpenFile> => {
    const early = ahead.get(place.file)
    if (early === undefined) return openHere(listed)
    ahead.delete(place.file)
    if (there.delete(place.file)) meter.queued--
    else meter.starved++
    const file = await early
    place = { ...place, uri: file.uri, byteLength: file.byteLength }
    return file
  }
  const openHere = ({ uri, known }: FileToRead): Promise<OpenFile> =>
    openFile(params, rereads > 0 ? { uri } : { uri, known }, signal, source => {
      if (place.uri !== undefined && place.uri !== source.uri) {
        throw new MillraceError('Checkpoint', `readFiles: file ${place.file} is ${source.uri} now and was ${place.uri} when the checkpoint was taken: the patterns mean other files`, { uri: source.uri })
      }
      if (place.byteLength !== undefined && place.byteLength !== source.byteLength) {
        throw new MillraceError('Changed', `readFiles: ${source.uri} has ${source.byteLength} bytes and had ${place.byteLength} when the checkpoint was taken`, { uri: source.uri })
      }
      place = { ...place, uri: source.uri, byteLength: source.byteLength }
    })

  /** Passes over what is not wanted, if that can be done without reading it. True when the fragment was left. */
  const jump = async (reader: FormatReader<unknown>): Promise<boolean> => {
    const count = reader.fragments[place.fragment]?.count
    const gap = wanted() - passed
    if (count === undefined || gap === 0) return false
    if (wanted() >= base + count) {
      passed = base + count
      await closeIterator()
      toNextFragment()
      return true
    }
    if (reader.seek !== undefined && step === 1 && gap > JUMP_CHUNKS * chunk.length) {
      await closeIterator()
      passed += gap
      forget()
      place = { ...place, from: reader.seek(place.fragment, passed - base), skip: 0 }
    }
    return false
  }
  /** Elements far apart, by their ordinals; `null` when the fragment has no more. */
  const fetch = async (reader: FormatReader<unknown>, count: number, max: number): Promise<unknown[] | null> => {
    const ordinals: number[] = []
    const most = single > 0 ? 1 : max
    for (let ordinal = wanted(); ordinal < Math.min(end, base + count) && ordinals.length < most; ordinal += step) ordinals.push(ordinal - base)
    if (ordinals.length === 0) return null
    const leave = (): void => {
      single = Math.max(0, single - 1)
      passed = base + (ordinals.at(-1) as number) + 1
      const { from: _, ...file } = place
      place = { ...file, skip: passed - base } // as one who reads from the beginning of the fragment would have it
    }
    try {
      const elements = await (reader.get as NonNullable<FormatReader<unknown>['get']>)(place.fragment, ordinals, { signal })
      leave()
      return [...elements]
    } catch (error) {
      if (signal.aborted || (onChanged !== 'fail' && isMillraceError(error, 'Changed'))) throw error
      if (ordinals.length > 1) {
        single = ordinals.length
        return fetch(reader, count, 1)
      }
      leave()
      throw Object.defineProperty(new Passed(), 'cause', { value: error })
    }
  }
  const nextRun = async (table: TableReader, max: number): Promise<unknown[] | null> => {
    if (run === undefined) {
      const from = ((place.from as number | undefined) ?? 0) + place.skip
      place = { ...place, from, skip: 0 }
      run = table.stacked(place.fragment, { from, signal, pool })
    }
    return nextRows(run, max)
  }
  const nextRows = (run: StackedRun, max: number): MaybePromise<unknown[] | null> => {
    return chain(run.next(Math.min(max, selecting ? end - passed : Infinity)), rows => (rows === null ? null : took(rows)))
  }
  const took = ({ rows, stacked }: StackedRows): unknown[] => {
    place = { ...place, from: (place.from as number) + rows }
    passed += rows
    return stackedChunk(rows, stacked)
  }
  const nextChunk = async (reader: FormatReader<unknown>): Promise<boolean> => {
    iterator ??= reader.read(place.fragment, { from: place.from, signal, transient: params.transient })[Symbol.asyncIterator]()
    const result = await iterator.next()
    if (result.done === true) {
      iterator = undefined
      if (place.skip > chunk.length) throw badState('readFiles', `element ${place.skip} of ${chunk.length}`)
      return false
    }
    // A restored place may count more elements than the chunk there has now: chunks are as long as reads are.
    if (next !== undefined) place = { ...place, from: next, skip: place.skip - chunk.length }
    chunk = result.value.elements
    next = result.value.next
    return true
  }
  const advance = async (max: number): Promise<unknown[] | null> => {
    if (files === undefined) {
      if (listed) return null // that failed: there is no file to go on with
      listed = true
      files = await params.list(signal)
      if (place.file > files.length) throw badState('readFiles', `file ${place.file} of ${files.length}`)
    }
    for (;;) {
      const listed = files[place.file]
      if (listed === undefined || (selecting && wanted() >= end)) return null
      if (opened === undefined) {
        if (!offered) {
          offered = true
          for (const knob of (await params.storeKnobs?.(listed.uri)) ?? []) ctx.knob(ofReading(knob))
        }
        if (opensAhead) {
          if (atOnce === undefined) {
            atOnce = await params.filesAtOnce(listed.uri)
            offerKnob()
          }
          openAhead(files, atOnce)
        }
        opened = await open(listed)
        spanEnds = ctx.span?.('file', { 'millrace.uri': opened.uri, 'millrace.bytes': opened.byteLength })
      }
      const { reader } = opened
      if (place.fragment > reader.fragments.length) throw badState('readFiles', `fragment ${place.fragment} of ${reader.fragments.length}`)
      if (place.fragment >= reader.fragments.length) {
        await toNextFile()
        continue
      }
      if (selecting && (await jump(reader))) continue
      const { count } = reader.fragments[place.fragment] ?? {}
      const table = stacked ? asTableReader(reader) : undefined
      if (step > 1 && count !== undefined && reader.get !== undefined) {
        const elements = await fetch(reader, count, max)
        if (elements !== null) return elements
        passed = base + count
        toNextFragment()
      } else if (table !== undefined) {
        const rows = await nextRun(table, max)
        if (rows !== null) return rows
        await closeIterator()
        toNextFragment()
      } else if (!(await nextChunk(reader))) toNextFragment()
      else if (place.skip < chunk.length) {
        const out = deliver(max)
        if (out.length > 0) return out
      }
    }
  }
  /** What is lost of this file keeps its ordinals, if they are known: other shards may have read it. */
  const passRest = (): void => {
    if (!selecting || opened === undefined) return
    passed = Math.max(passed, base + (countOf({ fragments: opened.reader.fragments.slice(place.fragment) }) ?? 0))
  }
  /** Goes on after a change as the policy says, where it says so. */
  const afterChange = async (): Promise<boolean> => {
    if (onChanged === 'fail' || files === undefined || (rereading && ++rereads > REREADS)) return false
    note(rereading ? 'files read again because they changed' : 'files left out in part because they changed')
    if (rereading) {
      place = { ...START, file: place.file }
      upTo = Math.max(upTo, passed)
      base = passed = fileBase
      forget()
      await closeFile().catch(() => undefined)
    } else {
      passRest()
      await toNextFile().catch(() => undefined)
    }
    return true
  }
  /** After an error: behind the record if the format says where that is, else the next file. */
  const recover = async (error: unknown, max: number): Promise<unknown[] | null> => {
    if (error instanceof Passed) throw error.cause
    if (!signal.aborted && isMillraceError(error, 'Changed') && await afterChange()) return pull(max)
    if (!signal.aborted && files !== undefined) {
      const behind = (error as { next?: Json } | null)?.next
      if (behind === undefined) {
        passRest()
        await toNextFile().catch(() => undefined)
      } else {
        // Rows of a table have their ordinals whatever is lost before them; a damaged record has none.
        if (opened !== undefined && asTableReader(opened.reader) !== undefined) passed = base + (behind as number)
        place = { ...place, from: behind, skip: 0 }
        forget()
        await closeIterator().catch(() => undefined)
      }
    }
    throw error
  }
  const pull = (max: number): MaybePromise<unknown[] | null> => {
    if (place.skip < chunk.length) {
      const out = deliver(max)
      if (out.length > 0) return out
    }
    if (run?.ready() === true && !(selecting && passed >= end)) return nextRows(run, max)
    return advance(max).catch((error: unknown) => recover(error, max))
  }
  return {
    pull,
    save() {
      const now = place.skip > 0 && place.skip === chunk.length && next !== undefined ? { ...place, from: next, skip: 0 } : place
      return { self: (selecting ? { ...now, passed, base, ...(rereading && { fileBase, upTo }) } : now) as unknown as Json }
    },
    async close() {
      pool?.close()
      try {
        await closeFile()
      } finally {
        await closeAhead()
      }
    }
  }
}

/** An error at one element, behind which the cursor stands already. */
class Passed extends Error {}
