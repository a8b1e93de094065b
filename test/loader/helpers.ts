import type { MapDataset } from '../../src/loader/sampler.js'

/** The numbers below `length`, times `factor`, by index. */
export const numbers = (length: number, factor = 1): MapDataset<number> => ({ length, get: index => index * factor })

export async function collect<T>(elements: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const element of elements) all.push(element)
  return all
}

/** The values of each batch of numbers. */
export async function rowsOf(batches: AsyncIterable<{ readonly data: ArrayLike<number> }>): Promise<number[][]> {
  return (await collect(batches)).map(({ data }) => Array.from(data))
}

/** A promise, and what settles it. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => undefined
  const opened = new Promise<void>(resolve => (open = resolve))
  return { opened, open: () => open() }
}
