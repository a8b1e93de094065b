/** The door to local files as a store, with a root that nothing is read outside of. Node only. */
export { fileStore, type FileStoreOptions } from './storage/file.js'
