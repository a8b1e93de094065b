import { resolveStore } from './resolve.js'
import { operationsOf } from './storage/operations.js'

/** The operations on objects, with the store for the scheme of a URI where none is passed. */
export const {
  copy, copyPrefix, createContainer, createWriter, download, exists, get, getRange, getRanges, list, listContainers, listDirectory, put, readStream, remove,
  removeContainer, removeMany, removePrefix, rename, stat, upload
} = operationsOf(resolveStore)
