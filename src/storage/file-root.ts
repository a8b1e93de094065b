import { readlink, realpath } from 'node:fs/promises'
import { isAbsolute, join, sep } from 'node:path'
import { MillraceError } from '../errors.js'
import { parseFileName, type FileScheme } from './uri.js'

/** What may be reached when there is a root. */
export interface Bound {
  readonly root: string
  /** Whether a path, with all its links resolved, is inside. */
  holds(path: string): Promise<boolean>
  /** The same for what was opened. */
  holdsOpened(fd: number, path: string): Promise<boolean>
  error(uri: string, operation: string): MillraceError
}

/** The bound that a root is, given as a path or a URI. */
export function rootBound(given: string, scheme: FileScheme): Bound {
  const { path } = parseFileName(given, `${scheme}Store`, given.toLowerCase().startsWith('file:') ? 'file' : scheme)
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

/** Whether anything is there, a link to nowhere apart. */
export async function exists(path: string): Promise<boolean> {
  try {
    await realpath(path)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

/** True for the errors that say that there is no such file. */
export function isMissing(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return code === 'ENOENT' || code === 'ENOTDIR'
}
