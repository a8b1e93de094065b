import { describe } from './array/nest.js'
import type { ScalarRow } from './array/batched.js'
import type { Format } from './format.js'
import { ALL, type OnChanged, type ReadFilesParams } from './operators/read-files.js'
import { checkFormat, formatParams, listObjects, openUri, resolveStore } from './resolve.js'
import type { Store } from './store.js'
import type { DType, ElementSpec, Json, Leaf, NdArray, Shape } from './types.js'

/**
 * One row of one array: an NdArray view without the first axis; a plain number, boolean, bigint or string where that axis was the only
 * one and the dtype is float32, bool, int64 or string.
 */
export type RowValue = number | boolean | bigint | string | NdArray

/** Whether an element is a row, or all that a file holds. */
export interface ElementOption {
  readonly element?: 'row' | 'file'
}

/** What is under a key of an element. */
export type ValueOf<F extends ElementOption> = F extends { readonly element: 'file' } ? NdArray : RowValue

/** An element of type `T` of which a spec says what its values are: those that are any {@link RowValue} become what it says. */
export type Specified<T, S> =
  ElementSpec extends S ? T
  : [RowValue] extends [T] ? SpecifiedLeaf<S>
  : [T] extends [Leaf] ? T
  : string extends keyof T ? { readonly [K in keyof S]: Specified<T[keyof T], S[K]> }
  : { [K in keyof T]: K extends keyof S ? Specified<T[K], S[K]> : T[K] }

type SpecifiedLeaf<S> =
  S extends { readonly dtype: infer D; readonly shape: infer H }
    ? D extends DType ? H extends readonly [] ? ScalarRow<D> : H extends Shape ? NdArray<D, { readonly [I in keyof H]: H[I] extends -1 ? number : H[I] }> : RowValue : RowValue
    : RowValue

/** How files are to be read. */
export interface FilesRequest {
  readonly files: string | readonly string[]
  readonly format: string | Format<never, never>
  readonly options?: unknown
  readonly store?: Store | undefined
  readonly onChanged?: OnChanged | undefined
  /** What in the options decides which elements come out. */
  readonly meaning?: Json
}

/** Small files that are opened side by side where the store says nothing: a local disk. */
const FILES_AT_ONCE = 8

/** The params of `readFiles` for files of a format. Nothing is looked up before they are read. */
export function filesParams(where: string, { files, format, options, store, onChanged = 'fail', meaning }: FilesRequest): ReadFilesParams {
  const patterns = checkPatterns(where, files)
  checkFormat(format)
  if (!['fail', 'reread', 'skip'].includes(onChanged)) throw new RangeError(`${where}: onChanged must be 'fail', 'reread' or 'skip', got ${JSON.stringify(onChanged)}`)
  return {
    patterns,
    async list(signal) {
      const found = await listObjects(patterns, store, signal)
      return format === 'tfrecord' || format === 'auto' ? withoutIndexes(found) : found
    },
    openFile: ({ uri, known }, signal) => openUri(store === undefined ? uri : { store, uri }, { signal, known }),
    filesAtOnce: async uri => (store ?? await resolveStore(uri)).capabilities.idealRequests ?? FILES_AT_ONCE,
    storeKnobs: async uri => (store ?? await resolveStore(uri)).knobs?.() ?? [],
    onChanged,
    ...formatParams(format as string | Format<unknown>),
    options,
    meaning,
    transient: false,
    stacked: false,
    selection: ALL,
    ...(typeof format === 'string' && store === undefined && { request: { format, options, ...(meaning !== undefined && { meaning }) } })
  }
}

/** The files without those that are the index of another: a pattern such as `train-*` means them too. */
export function withoutIndexes<File extends { readonly uri: string }>(files: readonly File[]): readonly File[] {
  const all = new Set(files.map(({ uri }) => uri))
  return files.filter(({ uri }) => !/\.(mrindex|idx)$/.test(uri) || !all.has(uri.replace(/\.(mrindex|idx)$/, '')))
}

/** Names of files: at least one, and no empty one. */
export function checkPatterns(where: string, patterns: string | readonly string[]): readonly string[] {
  if (typeof patterns !== 'string' && !Array.isArray(patterns)) throw new TypeError(`${where}: files must be a name or an array of names, got ${describe(patterns)}${(patterns as unknown as { href?: string }).href === undefined ? '' : ': pass its href'}`)
  const list = typeof patterns === 'string' ? [patterns] : [...(patterns as readonly string[])]
  if (list.length === 0) throw new RangeError(`${where}: no files are named`)
  for (const pattern of list) if (typeof pattern !== 'string' || pattern === '') throw new TypeError(`${where}: a file name must be a string that is not empty, got ${JSON.stringify(pattern)}`)
  return list
}
