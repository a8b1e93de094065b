import type { Store } from '../store.js'
import { checkOptions } from '../util/check.js'
import { localStore } from './file-local.js'
import { openFileSource } from './file-source.js'

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
 * directories. Files keep no metadata: writes with metadata are `Unsupported`, and the media type is left out.
 * `docs/stores/local.md` says what each operation promises.
 */
export function fileStore(options: FileStoreOptions = {}): Store {
  checkOptions('fileStore', options, ['root'])
  return localStore({ scheme: 'file', root: options.root, speed: { idealRange: 1 << 20 }, openFile: openFileSource })
}
