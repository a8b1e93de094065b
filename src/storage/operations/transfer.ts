import { isMillraceError, MillraceError } from '../../errors.js'
import type { ObjectMeta, RequestOptions, Store } from '../../store.js'
import { checkInteger } from '../../util/check.js'
import { invalidUri, isPercentEncoded, nameCodec, parseFileName, schemeOf } from '../uri.js'
import { eachOf, failuresOf } from './bounded.js'
import { copyObject } from './copy.js'
import { objectExists } from './read.js'

/** How much was done. */
export interface Progress {
  readonly objects: number
  readonly bytes: number
}

export interface ProgressOption {
  /** Called whenever more is done. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** Options of copies of many objects. */
export interface TransferOptions extends RequestOptions, ProgressOption {
  /** Objects that are copied side by side, of 8 MiB of memory each at most. @default 16 */
  readonly concurrency?: number | undefined
  /** What is there already is left alone, and not counted. @default false: it is replaced */
  readonly ifAbsent?: boolean | undefined
  /** Whether copies have the media types and metadata of the originals, where both stores keep them. @default true; false to and from local files */
  readonly keepMetadata?: boolean | undefined
}

/** A prefix, and the store that it is in. */
export interface Tree {
  readonly store: Store
  readonly prefix: string
}

/**
 * Copies all objects below a prefix to another place. Names are taken over from behind the last `/` of the prefix; `to` is a directory, with
 * or without a `/` at its end. What cannot be copied does not keep the others from it: it is thrown at the end.
 */
export async function copyTree(operation: string, from: Tree, to: Tree, options: TransferOptions = {}): Promise<Progress> {
  const { signal, concurrency = 16, ifAbsent = false, onProgress } = options
  checkInteger(operation, 'concurrency', concurrency, 1)
  const base = directoryOf(from.prefix)
  const target = to.prefix === '' || to.prefix.endsWith('/') ? to.prefix : `${to.prefix}/`
  const keepMetadata = options.keepMetadata ?? !(isLocal(from.prefix) || isLocal(target))
  let [objects, bytes] = [0, 0]
  const failures = failuresOf(operation, from.prefix, () => `${objects} objects were copied`)

  async function copy(known: ObjectMeta): Promise<void> {
    try {
      const uri = target + translated(operation, known.uri, base, target)
      if (ifAbsent && (await objectExists(to.store, uri, { signal }))) return // before its bytes are fetched
      await copyObject({ store: from.store, uri: known.uri }, { store: to.store, uri }, { signal, known, keepMetadata, ifAbsent })
    } catch (error) {
      if (signal?.aborted === true) throw error
      if (!(ifAbsent && isMillraceError(error, 'Precondition'))) failures.add(known.uri, error)
      return
    }
    objects++
    bytes += known.size
    onProgress?.({ objects, bytes })
  }

  await eachOf(objectsOf(from, signal), concurrency, copy)
  failures.finish()
  return { objects, bytes }
}

/** Without the marks that some tools leave for directories. */
async function* objectsOf({ store, prefix }: Tree, signal: AbortSignal | undefined): AsyncGenerator<ObjectMeta, void, undefined> {
  for await (const page of store.list(prefix, { signal })) yield* page.filter((meta) => !meta.uri.endsWith('/'))
}

/** The part of a prefix that is a directory, as listings write it. */
function directoryOf(prefix: string): string {
  const directory = prefix.slice(0, prefix.lastIndexOf('/') + 1)
  const scheme = schemeOf(directory)
  if (scheme === 'file' || scheme === 'direct') return parseFileName(directory, 'list', scheme).uri
  return scheme + directory.slice(scheme.length)
}

/**
 * The name of an object below a directory, as it is written below another.
 * @throws MillraceError `InvalidUri` for names that would lead out of a local directory, or that a file cannot have
 */
function translated(operation: string, uri: string, base: string, target: string): string {
  if (!uri.startsWith(base)) {
    throw new MillraceError('Unsupported', `${operation} ${uri}: the listing does not name it below ${base}; write the prefix as the store writes URIs`,
      { uri, operation })
  }
  const [read, write] = [nameCodec(base), nameCodec(target)]
  const notOfFiles = globalThis.process?.platform === 'win32' ? /[/\\:\0]/ : /[/\0]/
  return uri.slice(base.length).split('/').map((text) => {
    const name = read.decode(text)
    if (isLocal(target) && (name === '' || name === '.' || name === '..' || notOfFiles.test(name))) {
      throw invalidUri(uri, operation, `no file below a directory can have this name, because of ${JSON.stringify(name)}; copy the object by itself`)
    }
    return write.encode(name)
  }).join('/')
}

function isLocal(uri: string): boolean {
  return schemeOf(uri) === '' || isPercentEncoded(uri)
}
