import { mkdir, readlink, realpath, stat, unlink } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, sep } from 'node:path'
import { MillraceError } from '../errors.js'
import type { ByteSource, ObjectMeta, ObjectWriter, Store } from '../store.js'
import { withFileErrors } from './file-errors.js'
import { walkFiles } from './file-list.js'
import { notRegular, openFileSource, versionOf } from './file-source.js'
import { openFileWriter } from './file-writer.js'
import { invalidUri, nameCodec, parseFileName } from './uri.js'

/** Options of {@link fileStore}. */
export interface FileStoreOptions {
  /**
   * A directory. Relative paths begin there, and nothing outside can be read, listed, written or deleted, through `..` or
   * symbolic links either.
   * @default the working directory for relative paths, and no bound
   */
  readonly root?: string
}

/**
 * Makes the store of local files: `file:///absolute/path`, `file://localhost/…`, and absolute and relative plain paths.
 * Only `file://` URIs are percent-decoded.
 *
 * Sources read regular files only; anything else is refused before it could block. A file that changes while it is open
 * fails with `Changed`; one that is replaced by renaming goes on being read as it was. Writes are atomic and make missing
 * directories. `docs/stores.md` says what each operation promises.
 */
export function fileStore(options: FileStoreOptions = {}): Store {
  const bound = options.root === undefined ? undefined : rootBound(options.root)

  function locate(uri: string, operation: string): { readonly uri: string; readonly path: string } {
    const name = parseFileName(uri, operation)
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

  async function describe(uri: string, path: string, operation: string): Promise<ObjectMeta> {
    const stats = await stat(path, { bigint: true })
    if (!stats.isFile()) throw notRegular(stats, operation, uri)
    return { uri, size: Number(stats.size), version: versionOf(stats) }
  }

  function openWriter(name: string, operation: string, signal: AbortSignal | undefined): Promise<ObjectWriter> {
    const { uri, path } = locate(name, operation)
    return withFileErrors(operation, uri, signal, async () => {
      signal?.throwIfAborted()
      const target = await prepareTarget(uri, operation, path)
      return openFileWriter(uri, target, () => describe(uri, target, operation), signal)
    })
  }

  return {
    scheme: 'file',
    capabilities: { write: true, list: true, idealRange: 1 << 20 },

    async open(name, { signal } = {}): Promise<ByteSource> {
      const { uri, path } = locate(name, 'open')
      signal?.throwIfAborted()
      // Before opening, since that alone can have effects on a device; and again for what was opened in fact.
      await withFileErrors('open', uri, signal, () => checkBound(uri, 'open', path))
      return openFileSource(uri, path, async (fd) => {
        if (bound !== undefined && !(await bound.holdsOpened(fd, path))) throw bound.error(uri, 'open')
      }, signal)
    },

    async stat(name, { signal } = {}) {
      const { uri, path } = locate(name, 'stat')
      signal?.throwIfAborted()
      return withFileErrors('stat', uri, signal, async () => {
        await checkBound(uri, 'stat', path)
        return describe(uri, path, 'stat')
      })
    },

    async *list(prefix, request = {}) {
      const slash = Math.max(prefix.lastIndexOf('/'), sep === '\\' ? prefix.lastIndexOf('\\') : -1) + 1
      const codec = nameCodec(prefix)
      const base = slash === 0 ? { uri: '', path: '' } : parseFileName(prefix.slice(0, slash), 'list')
      const stub = canonicalStub(prefix.slice(slash), codec)
      request.signal?.throwIfAborted()
      const path = systemPath(base.path)
      const follow = async (link: string): Promise<boolean> => bound === undefined || bound.holds(link)
      try {
        if (bound !== undefined && (await exists(path))) await checkBound(prefix, 'list', path)
        yield* walkFiles({ path, uri: base.uri, stub, codec, follow }, request)
      } catch (error) {
        await withFileErrors('list', prefix, request.signal, () => Promise.reject(error))
      }
    },

    async put(name, bytes, { signal } = {}) {
      const writer = await openWriter(name, 'put', signal)
      try {
        await writer.write(bytes)
        return await writer.finalize()
      } catch (error) {
        await writer.abort()
        throw error
      }
    },

    async createWriter(name, { signal } = {}) {
      return openWriter(name, 'createWriter', signal)
    },

    async delete(name, { signal } = {}) {
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
  }
}

/** What may be reached when there is a root. */
interface Bound {
  readonly root: string
  holds(path: string): Promise<boolean>
  holdsOpened(fd: number, path: string): Promise<boolean>
  error(uri: string, operation: string): MillraceError
}

function rootBound(given: string): Bound {
  const { path } = parseFileName(given, 'fileStore')
  const root = join(isAbsolute(path) ? path : join(process.cwd(), path), '.').replace(/(?<=.)[/\\]$/, '')

  async function inside(resolved: string): Promise<boolean> {
    const real = await realpath(root)
    return resolved === real || resolved.startsWith(real.endsWith(sep) ? real : real + sep)
  }

  return {
    root,
    holds: async (path) => inside(await realpath(path)),
    // The path may have been turned into a link after it was checked; the descriptor cannot be.
    holdsOpened: async (fd, path) =>
      inside(process.platform === 'linux' ? await readlink(`/proc/self/fd/${fd}`) : await realpath(path)),
    error: (uri, operation) => new MillraceError('Denied',
      `${operation} ${uri}: it is outside the root of this store, ${root}; use a store with another root`, { uri, operation })
  }
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

async function exists(path: string): Promise<boolean> {
  try {
    await realpath(path)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

function isMissing(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return code === 'ENOENT' || code === 'ENOTDIR'
}
