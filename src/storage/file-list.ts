import { opendir, stat } from 'node:fs/promises'
import type { BigIntStats, Dirent } from 'node:fs'
import { MillraceError } from '../errors.js'
import type { DirectoryPage, ListOptions, ObjectMeta, RequestOptions } from '../store.js'
import { inParallel } from '../util/parallel.js'
import { metaOf } from './file-source.js'
import { isTemporaryName } from './file-writer.js'
import { compareBytes, type NameCodec } from './uri.js'

/** Objects in one listing page, and how many of them are looked at side by side. */
const PAGE = 1000
const WIDTH = 32

/** Where a walk begins. */
export interface WalkStart {
  /** The directory, as the system names it, ending in `/` unless it is empty. */
  readonly path: string
  /** The same as the listing names it. */
  readonly uri: string
  /** What names in that directory must begin with, as the listing writes them. */
  readonly stub: string
  readonly codec: NameCodec
  /** Whether a symbolic link may be followed. */
  readonly follow: (path: string) => Promise<boolean>
}

/**
 * Lists regular files depth first, in the byte order of their URIs. Symbolic links are followed, but not into a directory
 * that the walk is inside of. What vanishes meanwhile is left out; a directory that may not be read is an error.
 *
 * Memory: one page, and the names of one directory per level.
 */
export async function* walkFiles(start: WalkStart, { signal, enter }: ListOptions): AsyncGenerator<readonly ObjectMeta[]> {
  const levels = await descend([], start.path, start.uri, start.stub)
  let found: Found[] = []

  /** The levels with that directory below them; the same levels if it is not there or one of them. */
  async function descend(above: readonly Level[], path: string, uri: string, stub: string): Promise<Level[]> {
    const stats = await statOrNothing(path === '' ? '.' : path)
    if (stats === undefined || !stats.isDirectory()) return [...above]
    const id = idOf(stats)
    if (above.some((level) => level.id === id)) return [...above]
    return [...above, { id, path, uri, names: await namesOf(path, stub, start, signal) }]
  }

  for (let stack = levels; stack.length > 0;) {
    const level = stack[stack.length - 1]
    const name = level?.names.pop()
    if (level === undefined || name === undefined) {
      stack.pop()
      continue
    }
    signal?.throwIfAborted()
    const uri = level.uri + name
    if (name.endsWith('/')) {
      if (enter !== undefined && !enter(uri)) continue
      stack = await descend(stack, `${level.path}${start.codec.decode(name.slice(0, -1))}/`, uri, '')
      continue
    }
    found.push({ uri, path: level.path + start.codec.decode(name) })
    if (found.length === PAGE) {
      const page = await describe(found)
      found = []
      if (page.length > 0) yield page
      signal?.throwIfAborted()
    }
  }
  const page = await describe(found)
  if (page.length > 0) yield page
}

/**
 * Lists what is right in a directory: the files, and the directories below which there is a file. Those are looked into until one is found.
 *
 * Memory: one page, and the names of the directory.
 */
export async function* walkDirectory(start: WalkStart, { signal }: RequestOptions): AsyncGenerator<DirectoryPage> {
  const stats = await statOrNothing(start.path === '' ? '.' : start.path)
  if (stats === undefined || !stats.isDirectory()) return
  const names = (await namesOf(start.path, start.stub, start, signal)).reverse()
  for (let i = 0; i < names.length; i += PAGE) {
    signal?.throwIfAborted()
    const some = names.slice(i, i + PAGE).map((name) => ({ uri: start.uri + name, path: start.path + start.codec.decode(name.replace(/\/$/, '')) }))
    const objects = await describe(some.filter(({ uri }) => !uri.endsWith('/')))
    const directories = some.filter(({ uri }) => uri.endsWith('/'))
    const filled = await inParallel(directories, WIDTH, ({ path }) => holdsFile(path, [idOf(stats)], start, signal))
    const prefixes = directories.filter((_, k) => filled[k]).map(({ uri }) => uri)
    if (objects.length + prefixes.length > 0) yield { objects, prefixes }
  }
}

/** Whether a walk into a directory would find anything. */
async function holdsFile(path: string, above: readonly string[], start: WalkStart, signal: AbortSignal | undefined): Promise<boolean> {
  const stats = await statOrNothing(path)
  if (stats === undefined || !stats.isDirectory() || above.includes(idOf(stats))) return false
  const below: string[] = []
  try {
    for await (const entry of await opendir(path)) {
      signal?.throwIfAborted()
      if (isTemporaryName(entry.name)) continue
      const kind = await kindOf(entry, `${path}/${entry.name}`, start.follow)
      if (kind === 'file') return true
      if (kind === 'directory') below.push(`${path}/${entry.name}`)
    }
  } catch (error) {
    if (!isMissing(error)) throw error
  }
  for (const each of below) if (await holdsFile(each, [...above, idOf(stats)], start, signal)) return true
  return false
}

function idOf(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}`
}

interface Level {
  /** Device and inode. */
  readonly id: string
  readonly path: string
  readonly uri: string
  /** What is left to visit, as the listing writes it, last first; directories end in `/`. */
  readonly names: string[]
}

interface Found {
  readonly uri: string
  readonly path: string
}

async function namesOf(path: string, stub: string, start: WalkStart, signal: AbortSignal | undefined): Promise<string[]> {
  const { codec, follow } = start
  const names: string[] = []
  try {
    for await (const entry of await opendir(path === '' ? '.' : path, { bufferSize: 1024 })) {
      signal?.throwIfAborted()
      const text = codec.encode(entry.name)
      if (!text.startsWith(stub) || isTemporaryName(entry.name)) continue
      const kind = await kindOf(entry, path + entry.name, follow)
      if (kind === 'file') names.push(text)
      if (kind === 'directory') names.push(`${text}/`)
    }
  } catch (error) {
    if (!isMissing(error)) throw error
  }
  // A directory is sorted as its name with the slash, since that is what its files begin with.
  return names.sort((a, b) => compareBytes(b, a))
}

async function kindOf(entry: Dirent, path: string, follow: WalkStart['follow']): Promise<'file' | 'directory' | 'other'> {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'directory'
  if (entry.isFIFO() || entry.isSocket() || entry.isBlockDevice() || entry.isCharacterDevice()) return 'other'
  // A link, or a file system that does not say what its entries are.
  const stats = await statOrNothing(path)
  if (stats === undefined || !(await follow(path))) return 'other'
  return stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other'
}

async function describe(found: readonly Found[]): Promise<ObjectMeta[]> {
  const page: ObjectMeta[] = []
  for (let i = 0; i < found.length; i += WIDTH) {
    const some = await Promise.all(found.slice(i, i + WIDTH).map(async ({ uri, path }) => {
      const stats = await statOrNothing(path)
      if (stats?.isFile() === true) return metaOf(uri, stats)
      if (stats === undefined && path.includes('\ufffd')) throw notUtf8(uri)
      return undefined
    }))
    for (const meta of some) if (meta !== undefined) page.push(meta)
  }
  return page
}

/** Leaving such a file out would lose data in silence, and Node shows its name with the bytes replaced. */
function notUtf8(uri: string): MillraceError {
  return new MillraceError('Unsupported', `list ${uri}: the name of this file is not UTF-8, so no URI can name it; rename it`,
    { uri, operation: 'list' })
}

async function statOrNothing(path: string): Promise<BigIntStats | undefined> {
  try {
    return await stat(path, { bigint: true })
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Gone, or a link to nowhere. */
function isMissing(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP'
}
