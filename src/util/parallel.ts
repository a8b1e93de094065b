/**
 * Calls a function for every item, so many at a time; results in the order of the items. After a failure no more calls are begun; those
 * that were are waited for, and then the first failure is thrown.
 */
export async function inParallel<T, R>(items: readonly T[], atOnce: number, visit: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length)
  let next = 0
  let failure: { readonly error: unknown } | undefined
  const work = async (): Promise<void> => {
    while (next < items.length && failure === undefined) {
      const k = next++
      try {
        results[k] = await visit(items[k] as T)
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work))
  if (failure !== undefined) throw failure.error
  return results
}
