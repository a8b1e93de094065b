import type { DeleteResult, ObjectMeta, RequestOptions, Store } from '../../store.js'
import { inParallel } from '../../util/parallel.js'
import { eachOf, failuresOf } from './bounded.js'
import type { Progress, ProgressOption } from './transfer.js'

/** Objects that are deleted side by side where a store deletes one by one. */
const WIDTH = 32
/** Pages of a listing whose objects are being deleted. */
const PAGES = 4

/** Deletes objects: a result for each, in order. What is not there counts as deleted. */
export async function removeObjects(store: Store, uris: readonly string[], options: RequestOptions = {}): Promise<readonly DeleteResult[]> {
  if (store.deleteMany !== undefined) return store.deleteMany(uris, options)
  options.signal?.throwIfAborted()
  return inParallel(uris, WIDTH, async (uri) => {
    try {
      await store.delete(uri, options)
      return { uri }
    } catch (error) {
      if (options.signal?.aborted === true) throw error
      return { uri, error }
    }
  })
}

/** Deletes everything below a prefix, page by page. */
export async function removeAll(store: Store, prefix: string, options: RequestOptions & ProgressOption = {}): Promise<Progress> {
  if (prefix === '') throw new RangeError('removePrefix: the prefix is empty; name what is to be deleted')
  const { signal, onProgress } = options
  let [objects, bytes] = [0, 0]
  const failures = failuresOf('removePrefix', prefix, () => `${objects} objects were deleted`)
  await eachOf(store.list(prefix, { signal }), PAGES, async (page: readonly ObjectMeta[]) => {
    const results = await removeObjects(store, page.map((meta) => meta.uri), { signal })
    for (const [i, { uri, error }] of results.entries()) {
      if (error === undefined) {
        objects++
        bytes += page[i]?.size ?? 0
      } else {
        failures.add(uri, error)
      }
    }
    onProgress?.({ objects, bytes })
  })
  failures.finish()
  return { objects, bytes }
}
