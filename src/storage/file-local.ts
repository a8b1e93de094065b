import { close, fstat } from 'node:fs'
import { lstat, mkdir, realpath, stat, unlink } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, sep } from 'node:path'
import { promisify } from 'node:util'
import { MillraceError } from '../errors.js'
import type {
  ByteSource, ListOptions, ObjectMeta, ObjectStat, ObjectWriter, OpenOptions, RequestOptions, Store, StoreCapabilities, WriteOptions
} from '../store.js'
import { inParallel } from '../util/parallel.js'
import { allocateFor, checkBytes, checkConditions, checkKnown, checkPrecondition, closedError } from './checks.js'
import { moveFile, pathLock, syncDirectory, versionAt } from './file-commit.js'
import { copyOpened } from './file-copy.js'
import { withFileErrors } from './file-errors.js'
import { walkDirectory, walkFiles, type WalkStart } from './file-list.js'
import { exists, isMissing, rootBound } from './file-root.js'
import { metaOf, notRegular, openRegular, type OpenFile } from './file-source.js'
import { openFileWriter } from './file-writer.js'
import { invalidUri, nameCodec, parseFileName, type FileName, type FileScheme } from './uri.js'

const closeFd = promisify(close)
const statFd = promisify(fstat)

/** Files that are deleted side by side: the threads that Node has for file systems, and some that wait. */
const DELETES = 16

/** What makes a store of local files. */
export interface LocalStoreOptions {
  readonly scheme: FileScheme
  readonly root: string | undefined
  readonly speed: Pick<StoreCapabilities, 'idealRange' | 'idealRequests'>
  readonly openFile: OpenFile
  /** Aborted when the store is closed, for stores that are. */
  readonly ending?: AbortSignal
}

/** The store of local files under a scheme, read as `openFile` does it. */
export function localStore({ scheme, root, speed, openFile, ending }: LocalStoreOptions): Store {
  const bound = root === undefined ? undefined : rootBound(root, scheme)
  const lock = pathLock()

  function checkOpen(uri: string, operation: string): void {
    if (ending?.aborted === true) throw closedError(uri, operation, 'the store was closed')
  }

  function locate(uri: string, operation: string): FileName {
    const name = parseFileName(uri, operation, scheme)
    checkOpen(name.uri, operation)
    const last = name.path.split(sep === '/' ? '/' : /[/\\]/).pop()
    if (last === '' || last === '.' || last === '..') {
      throw invalidUri(uri, operation, 'it names a directory, not a file')
    }
    return { uri: name.uri, path: systemPath(name.path) }
  }

  function systemPath(path: string): string {
    const native = sep === '\\' && /^\/[a-z]:/i.test(path) ? path.slice(1) : path
    return bound === undefined || isAbsolute(native) ? native : `${bound.root}/${native}`
  }

  async function checkBound(uri: string, operation: string, path: string): Promise<void> {
    if (bound !== undefined && !(await bound.holds(path))) throw bound.error(uri, operation)
  }

  function confine(uri: string, operation: string, path: string): (fd: number) => Promise<void> {
    return async (fd) => {
      if (bound !== undefined && !(await bound.holdsOpened(fd, path))) throw bound.error(uri, operation)
    }
  }

  async function openAs(operation: string, name: string, { signal, known }: OpenOptions): Promise<ByteSource> {
    const { uri, path } = locate(name, operation)
    signal?.throwIfAborted()
    // Before opening, since that alone can have effects on a device; and again for what was opened in fact.
    await withFileErrors(operation, uri, signal, () => checkBound(uri, operation, path))
    const source = await openFile(uri, path, confine(uri, operation, path), signal)
    try {
      checkKnown(uri, operation, source.version, known)
    } catch (error) {
      await source.close()
      throw error
    }
    return source
  }

  /** Makes the directories above the path, and resolves them, so that a change of directory later does not matter. */
  async function prepareTarget(uri: string, operation: string, path: string): Promise<string> {
    let existing = dirname(path)
    if (bound !== undefined) {
      while (!(await exists(existing))) existing = dirname(existing)
      await checkBound(uri, operation, existing)
    }
    await mkdir(dirname(path), { recursive: true })
    await checkBound(uri, operation, dirname(path))
    return join(await realpath(dirname(path)), basename(path))
  }

  /** The file to write, after the arguments were checked. */
  async function targetOf({ uri, path }: FileName, operation: string, options: WriteOptions): Promise<string> {
    const target = await prepareTarget(uri, operation, path)
    if (options.ifAbsent === true || options.ifVersion !== undefined) checkPrecondition(uri, operation, options, await versionAt(target))
    return target
  }

  async function describe(uri: string, path: string, operation: string): Promise<ObjectStat> {
    const stats = await stat(path, { bigint: true })
    if (!stats.isFile()) throw notRegular(stats, operation, uri)
    const { mode, uid, gid, nlink } = stats
    const more = { mode: `0${(mode & 0o7777n).toString(8)}`, uid: String(uid), gid: String(gid), links: String(nlink) }
    return { ...metaOf(uri, stats), more }
  }

  function openWriter(name: string, operation: string, options: WriteOptions): Promise<ObjectWriter> {
    const file = locate(name, operation)
    const { uri } = file
    const signal = ending === undefined ? options.signal : AbortSignal.any(options.signal === undefined ? [ending] : [options.signal, ending])
    checkWrite(uri, operation, options)
    return withFileErrors(operation, uri, signal, async () => {
      signal?.throwIfAborted()
      const target = await targetOf(file, operation, options)
      return openFileWriter(uri, target, {
        commit: (temporary) => lock(target, () => moveFile(uri, operation === 'put' ? 'put' : 'finalize', temporary, target, options)),
        async describe(fd) {
          // By the path, as closing may still set the time; by the descriptor, when another file has the name by now.
          const [mine, there] = [await statFd(fd, { bigint: true }), await stat(target, { bigint: true }).catch(() => undefined)]
          return metaOf(uri, there?.ino === mine.ino ? there : mine)
        }
      }, signal)
    })
  }

  async function* list<Page>(prefix: string, request: RequestOptions, walk: (start: WalkStart) => AsyncGenerator<Page>): AsyncGenerator<Page> {
    const slash = Math.max(prefix.lastIndexOf('/'), sep === '\\' ? prefix.lastIndexOf('\\') : -1) + 1
    const codec = nameCodec(prefix)
    const base = slash === 0 ? { uri: '', path: '' } : parseFileName(prefix.slice(0, slash), 'list', scheme)
    const stub = canonicalStub(prefix.slice(slash), codec)
    checkOpen(prefix, 'list')
    request.signal?.throwIfAborted()
    const path = systemPath(base.path)
    const follow = async (link: string): Promise<boolean> => bound === undefined || bound.holds(link)
    try {
      if (bound !== undefined && (await exists(path))) await checkBound(prefix, 'list', path)
      yield* walk({ path, uri: base.uri, stub, codec, follow })
    } catch (error) {
      await withFileErrors('list', prefix, request.signal, () => Promise.reject(error))
    }
  }

  async function copy(from: FileName, to: FileName, operation: string, options: WriteOptions): Promise<ObjectMeta> {
    const { signal } = options
    await withFileErrors(operation, from.uri, signal, () => checkBound(from.uri, operation, from.path))
    const file = await openRegular(from.uri, from.path, 0, confine(from.uri, operation, from.path), signal, operation)
    let target: string
    try {
      target = await withFileErrors(operation, to.uri, signal, () => targetOf(to, operation, options))
    } catch (error) {
      await closeFd(file.fd)
      throw error
    }
    await copyOpened(file, from.path, target, signal, (temporary) => lock(target, () => moveFile(to.uri, operation, temporary, target, options)))
    return described(to.uri, target, operation)
  }

  async function described(uri: string, path: string, operation: string): Promise<ObjectMeta> {
    const { size, version, modified } = await withFileErrors(operation, uri, undefined, () => describe(uri, path, operation))
    return { uri, size, version, modified }
  }

  async function remove(name: string, { signal }: RequestOptions): Promise<void> {
    const { uri, path } = locate(name, 'delete')
    signal?.throwIfAborted()
    await withFileErrors('delete', uri, signal, async () => {
      // The link goes, not what it points at: the directory it is in must be inside.
      if (!(await exists(dirname(path)))) return
      await checkBound(uri, 'delete', dirname(path))
      await unlink(path).catch((error: unknown) => {
        if (!isMissing(error)) throw error
      })
    })
  }

  return {
    scheme,
    capabilities: { write: true, list: true, ...speed },

    async open(name, options = {}) {
      return openAs('open', name, options)
    },

    async get(name, options = {}) {
      const source = await openAs('get', name, options)
      try {
        const { uri, byteLength: size, version } = source
        const bytes = allocateFor(uri, size, options)
        await source.read(0, bytes, { signal: options.signal })
        return { bytes, meta: { uri, size, version }, verified: false }
      } finally {
        await source.close()
      }
    },

    async stat(name, { signal } = {}) {
      const { uri, path } = locate(name, 'stat')
      signal?.throwIfAborted()
      return withFileErrors('stat', uri, signal, async () => {
        await checkBound(uri, 'stat', path)
        return describe(uri, path, 'stat')
      })
    },

    list(prefix, request: ListOptions = {}) {
      return list(prefix, request, (start) => walkFiles(start, request))
    },

    listDirectory(prefix, request: RequestOptions = {}) {
      return list(prefix, request, (start) => walkDirectory(start, request))
    },

    async put(name, bytes, options = {}) {
      checkBytes('put', bytes)
      const writer = await openWriter(name, 'put', options)
      try {
        await writer.write(bytes)
        return await writer.finalize()
      } catch (error) {
        await writer.abort()
        throw error
      }
    },

    async createWriter(name, options = {}) {
      return openWriter(name, 'createWriter', options)
    },

    async copy(name, toName, options = {}) {
      const [from, to] = [locate(name, 'copy'), locate(toName, 'copy')]
      checkWrite(to.uri, 'copy', options)
      options.signal?.throwIfAborted()
      return copy(from, to, 'copy', options)
    },

    async rename(name, toName, options = {}) {
      const [from, to] = [locate(name, 'rename'), locate(toName, 'rename')]
      checkWrite(to.uri, 'rename', options)
      options.signal?.throwIfAborted()
      const link = await withFileErrors('rename', from.uri, options.signal, async () => {
        await checkBound(from.uri, 'rename', dirname(from.path))
        const stats = await lstat(from.path, { bigint: true })
        if (!stats.isFile() && !stats.isSymbolicLink()) throw notRegular(stats, 'rename', from.uri)
        return stats.isSymbolicLink()
      })
      const moved = !link && (await withFileErrors('rename', to.uri, options.signal, async () => {
        const target = await targetOf(to, 'rename', from.path === to.path ? {} : options)
        if ((await realpath(from.path)) === target) return true
        const [mine, there] = [await stat(from.path, { bigint: true }), await lstat(target, { bigint: true }).catch(() => undefined)]
        // Two names of one file: the system would do nothing at all.
        if (there?.ino === mine.ino && there.dev === mine.dev && options.ifAbsent !== true) await unlink(from.path)
        else if (!(await lock(target, () => moveFile(to.uri, 'rename', from.path, target, options).then(() => true, onAnotherDevice)))) return false
        await syncDirectory(dirname(target))
        await syncDirectory(dirname(from.path))
        return true
      }))
      if (moved) return described(to.uri, to.path, 'rename')
      // A link might lead elsewhere from another directory, and devices have no files in common.
      const meta = await copy(from, to, 'rename', options)
      await remove(name, {})
      return meta
    },

    delete: (name, options = {}) => remove(name, options),

    async deleteMany(names, options = {}) {
      options.signal?.throwIfAborted()
      return inParallel(names, DELETES, async (uri) => {
        try {
          await remove(uri, options)
          return { uri }
        } catch (error) {
          if (options.signal?.aborted === true) throw error
          return { uri, error }
        }
      })
    }
  }
}

/** Refuses what a file cannot keep: losing it in silence would be worse. */
function checkWrite(uri: string, operation: string, options: WriteOptions): void {
  checkConditions(operation, options)
  if (options.metadata === undefined || Object.keys(options.metadata).length === 0) return
  throw new MillraceError('Unsupported', `${operation} ${uri}: local files keep no metadata; leave it out, or write it to a file beside`,
    { uri, operation })
}

function onAnotherDevice(error: unknown): false {
  if ((error as { code?: unknown } | null)?.code === 'EXDEV') return false
  throw error
}

/** The beginning of a name as listings write it. It may end in the middle of a percent-encoded character. */
function canonicalStub(stub: string, codec: ReturnType<typeof nameCodec>): string {
  const cut = /%[0-9a-f]?$/i.exec(stub)?.[0] ?? ''
  try {
    return codec.encode(codec.decode(stub.slice(0, stub.length - cut.length))) + cut.toUpperCase()
  } catch {
    return stub.replace(/%[0-9a-f]{2}/gi, (code) => code.toUpperCase())
  }
}
