import type { Operator, Selection } from '../plan/operator.js'
import type { LiveKnob } from '../plan/tuning.js'
import type { Json } from '../types.js'
import { filesAccess } from './files-access.js'
import { filesCursor } from './files-cursor.js'
import type { FilesOfFormat, FileToRead } from './open-file.js'

/** What to do about a file that is not what it was at the beginning of the pass. */
export type OnChanged = 'fail' | 'reread' | 'skip'

/**
 * The elements of files of one format, file after file in the order of their names. Memory: what the format reads ahead.
 *
 * An error at a record is thrown at its place. The next pull goes on behind the record where the format can tell where
 * that is, else with the next file. State: file, fragment, and the place that the format gave for the last chunk.
 * Random access where the format of every file has it.
 */
export interface ReadFilesParams extends FilesOfFormat {
  /** As the user wrote them; `explain()` shows them. */
  readonly patterns: readonly string[]
  /** The files that the patterns mean, in order. */
  readonly list: (signal: AbortSignal) => Promise<readonly FileToRead[]>
  /** How many small files the store of that one is best asked for at the same time. */
  readonly filesAtOnce: (uri: string) => Promise<number>
  /** What may be changed of the store of that one while it reads. */
  readonly storeKnobs?: (uri: string) => Promise<readonly LiveKnob[]>
  readonly onChanged: OnChanged
  readonly formatName: string
  /** What in the options decides which elements come out; JSON. */
  readonly meaning?: Json | undefined
  /** Elements of every file, where that is always the same. */
  readonly elementsPerFile: number | undefined
  /** True when the elements may be rows of tables, which can be had stacked. */
  readonly tabular: boolean
  /** True when whoever pulls keeps no element past the next pull; a rule finds out. */
  readonly transient: boolean
  /** True when whoever pulls wants rows stacked; a rule finds out. */
  readonly stacked: boolean
  /** Which elements there are to be; a rule hands it down. */
  readonly selection: Selection
  /** The request as data, from which another thread makes these params again; absent when a store or a format was given as an object. */
  readonly request?: { readonly format: string; readonly options?: unknown; readonly meaning?: Json } | undefined
}

/** All elements. */
export const ALL: Selection = Object.freeze({ start: 0, step: 1, count: Infinity })

export const readFiles: Operator<ReadFilesParams> = {
  name: 'readFiles',
  describe: ({ patterns, formatName, selection: { start, step, count }, stacked }) => [
    `${formatName}: ${patterns.join(', ')}`,
    ...(start > 0 ? [`from ${start}`] : []), ...(step > 1 ? [`every ${step}.`] : []), ...(count < Infinity ? [`at most ${count}`] : []),
    ...(stacked ? ['stacked'] : [])
  ].join(', '),
  identity: ({ patterns, formatName, meaning, onChanged }) => [
    formatName, patterns, ...(meaning === undefined ? [] : [meaning]), ...(onChanged === 'reread' ? [onChanged] : []) // its states hold more
  ],
  reads: true,
  transient: params => ({ ...params, transient: true }),
  stacked: params => (params.tabular && !params.stacked && params.selection.step === 1 ? { ...params, stacked: true } : null),
  select: ({ selection: { start, step, count }, ...params }, wanted) => ({
    ...params,
    selection: {
      start: start + wanted.start * step,
      step: step * wanted.step,
      count: Math.max(0, Math.min(wanted.count, Math.ceil((count - wanted.start) / wanted.step)))
    }
  }),
  randomAccess: ({ params, ctx }) => (params.onChanged === 'fail' ? filesAccess(params, ctx.signal) : null),
  open: ({ params, saved, ctx }) => filesCursor(params, saved, ctx)
}
