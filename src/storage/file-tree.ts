import { mkdir, stat } from 'node:fs/promises'
import { MillraceError } from '../errors.js'
import type { Store } from '../store.js'
import { withFileErrors } from './file-errors.js'
import { fileStore } from './file.js'
import { parseFileName } from './uri.js'

/** The store of what is in a directory, and of nothing else: names are relative. The directory is made, or has to be there. */
export async function directoryStore(operation: string, directory: string, make: boolean): Promise<Store> {
  const { uri, path } = parseFileName(directory, operation)
  await withFileErrors(operation, uri, undefined, async () => {
    if (make) await mkdir(path, { recursive: true })
    else if (!(await stat(path)).isDirectory()) throw new MillraceError('Unsupported', `${operation} ${uri}: it is not a directory`, { uri, operation })
  })
  return fileStore({ root: directory })
}
