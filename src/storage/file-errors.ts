import { MillraceError, messageOf, type ErrorKind } from '../errors.js'

/** What a system error code means to a reader, and what to do about it. */
const CODES: { readonly [code: string]: readonly [kind: ErrorKind, what: string] } = {
  ENOENT: ['NotFound', 'no such file; check the path and the working directory'],
  ENOTDIR: ['NotFound', 'no such file: a part of the path is a file, not a directory'],
  EACCES: ['Denied', 'permission denied; check the permissions of the file and of the directories above it'],
  EPERM: ['Denied', 'not permitted; check owner, permissions and attributes of the file'],
  EROFS: ['Denied', 'the file system is read-only'],
  EISDIR: ['Unsupported', 'it is a directory; name a file in it, or use a pattern such as dir/*'],
  ENXIO: ['Unsupported', 'it is a socket or a device without a driver; only regular files can be read'],
  ENOTEMPTY: ['Unsupported', 'a directory of that name is in the way'],
  EEXIST: ['Unsupported', 'something of that name is in the way'],
  ENAMETOOLONG: ['InvalidUri', 'the name is longer than the file system allows'],
  ELOOP: ['InvalidUri', 'too many symbolic links; they probably point at each other'],
  EINVAL: ['InvalidUri', 'the file system does not accept this name or operation'],
  EMFILE: ['Unavailable', 'too many open files in this process; close sources or raise the limit (ulimit -n)'],
  ENFILE: ['Unavailable', 'too many open files on this machine; try again later'],
  ENOSPC: ['Limit', 'no space left on the device'],
  EDQUOT: ['Limit', 'the disk quota is used up'],
  EFBIG: ['Limit', 'the file would become larger than the file system allows'],
  ESTALE: ['Changed', 'the file was replaced on its server'],
  EBUSY: ['Unavailable', 'the file is in use; try again later'],
  EIO: ['Unavailable', 'the device reported an error; check the disk or the network mount']
}

/** Codes that mean something else when a file is written. */
const WRITE_CODES: typeof CODES = {
  ENOTDIR: ['Unsupported', 'a part of the path is a file, so nothing can be below it'],
  EEXIST: ['Unsupported', 'a part of the path is a file, so nothing can be below it'],
  EISDIR: ['Unsupported', 'a directory of that name is in the way']
}

const WRITES: ReadonlySet<string> = new Set(['put', 'createWriter', 'write', 'finalize', 'copy', 'rename'])

/**
 * The {@link MillraceError} for an error of the file system. Anything else, the reason of an abort above all, is returned
 * as it is.
 */
export function fileError(error: unknown, operation: string, uri: string, signal?: AbortSignal, offset?: number): unknown {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown }
  if (typeof code !== 'string' || typeof syscall !== 'string') return error
  if (signal?.aborted === true && error === signal.reason) return error
  const [kind, what] = (WRITES.has(operation) ? WRITE_CODES[code] : undefined) ?? CODES[code] ?? ['Unavailable', messageOf(error)]
  return new MillraceError(kind, `${operation} ${uri}: ${what} (${code})`,
    { uri, operation, cause: error, ...(offset === undefined ? {} : { offset }) })
}

/** Runs `body`; its system errors come out as {@link MillraceError}s. */
export async function withFileErrors<T>(
  operation: string,
  uri: string,
  signal: AbortSignal | undefined,
  body: () => Promise<T>
): Promise<T> {
  try {
    return await body()
  } catch (error) {
    throw fileError(error, operation, uri, signal)
  }
}
