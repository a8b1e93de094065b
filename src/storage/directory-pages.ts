import type { DirectoryPage, ObjectMeta } from '../store.js'

/**
 * Makes the listing of a directory out of a listing of everything below it. Every object is looked at; memory is that of a page, as URIs with
 * the same beginning follow each other.
 */
export async function* directoryPages(prefix: string, pages: AsyncIterable<readonly ObjectMeta[]>): AsyncGenerator<DirectoryPage> {
  let last: string | undefined
  for await (const page of pages) {
    const objects: ObjectMeta[] = []
    const prefixes: string[] = []
    for (const meta of page) {
      const slash = meta.uri.indexOf('/', prefix.length)
      if (slash < 0) {
        objects.push(meta)
        continue
      }
      const below = meta.uri.slice(0, slash + 1)
      if (below !== last) prefixes.push(below)
      last = below
    }
    if (objects.length + prefixes.length > 0) yield { objects, prefixes }
  }
}
