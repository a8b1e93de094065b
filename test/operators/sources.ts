import { Dataset } from '../../src/dataset.js'
import type { Operator } from '../../src/plan/operator.js'
import type { MaybePromise } from '../../src/types.js'

/** The number, later: after 0 to 2 turns of the microtask queue. */
export const slow = async (x: number): Promise<number> => {
  for (let i = 0; i < x % 3; i++) await null
  return x
}

/** Fails at 5, 12, 19, … */
export const failing = (x: number): number => {
  if (x % 7 === 5) throw new Error(`no ${x}`)
  return x
}

export const failingLater = async (x: number): Promise<number> => failing(await slow(x))

/** `0 … n - 1`, one by one, each after a while. */
export const asyncRange = (n: number): Dataset<number> => Dataset.from(async function* numbers() {
  for (let i = 0; i < n; i++) yield await slow(i)
})

/** Hands elements on in chunks of 1, 2, 3, 1, … whatever is asked for. */
const uneven: Operator<object, number> = {
  name: 'uneven',
  cardinality: (_, [input]) => input,
  open({ inputs: [input] }) {
    let turn = 0
    return { pull: max => input?.pull(Math.min(max, 1 + (turn++ % 3))) as MaybePromise<number[] | null> }
  }
}

/** `0 … n - 1` in chunks of unequal lengths. */
export const ragged = (n: number): Dataset<number> => Dataset.range(n).operator(uneven, {})

/** Counts what is read from it, and whether its iterators were closed. */
export function watched(n: number, wait = false): { readonly dataset: Dataset<number>; readonly log: { read: number; open: number } } {
  const log = { read: 0, open: 0 }
  function* numbers(): Generator<number> {
    log.open++
    try {
      for (let i = 0; i < n; i++) {
        log.read++
        yield i
      }
    } finally {
      log.open--
    }
  }
  async function* later(): AsyncGenerator<number> {
    for (const x of numbers()) yield await slow(x)
  }
  return { dataset: Dataset.from(wait ? later : numbers), log }
}

/** Elements and messages of errors, in order. */
export async function outcomes(dataset: Dataset<unknown>, most = 1000): Promise<unknown[]> {
  await using iterator = dataset.iterator({ seed: 1, epoch: 0 })
  const found: unknown[] = []
  while (found.length < most) {
    try {
      const step = await iterator.next()
      if (step.done === true) break
      found.push(step.value)
    } catch (error) {
      found.push(`error: ${(error as Error).message.replace(/ \(added at .*\)$/, '')}`)
    }
  }
  return found
}
