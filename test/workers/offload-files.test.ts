import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { setTimeout as delay } from 'node:timers/promises'
import { Dataset, encodeExample, fixedLen, portable, writeNpy, writeTfrecord } from '../../dist/src/index.js'
import { operatorConformance } from '../../dist/src/testing.js'

const url = new URL('./modules/offload-files.mjs', import.meta.url)
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- of records and of rows
type Fn = (element: any) => any
const fn = (name: string): Fn => portable<Readonly<Record<string, Fn>>>(url, name)
const spec = { x: fixedLen([3], 'float32'), y: fixedLen([], 'int64') }
const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i)
const SIZES = [5, 0, 9, 1, 6]
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-offload-files-'))
  let next = 0
  for (const [k, size] of SIZES.entries()) {
    const own = upTo(size, next)
    next += size
    await writeTfrecord(join(directory, `examples-${k}.tfrecord`), own.map(i => encodeExample({ x: new Float32Array([i, i, i]), y: BigInt(i) })))
    if (size > 0) await writeNpy(join(directory, `rows-${k}.npy`), { dtype: 'float32', shape: [size, 2], data: Float32Array.from(own.flatMap(i => [i, -i])) })
  }
})
afterAll(() => rm(directory, { recursive: true }))

const examples = (): Dataset<{ readonly x: unknown; readonly y: bigint }> => Dataset.tfrecord(join(directory, 'examples-*.tfrecord')).parseExample(spec) as never
const PLANS: readonly (readonly [string, () => Dataset<unknown>])[] = [
  ['records that are parsed and batched', () => examples().batch(4)],
  ['records with a filter and a function that fails', () => examples().filter(fn('notThird')).map(fn('notTen')).batch(3)],
  ['rows whose function looks at their ordinals', () => Dataset.npy(join(directory, 'rows-*.npy')).map(fn('numbered')).batch(4)]
]

describe('files that are read in real threads give what is read here', () => {
  for (const [name, make] of PLANS) {
    describe(name, () => {
      for (const check of operatorConformance({ make, same: [() => make().options({ workers: { count: 2, persistent: true } })] })) test(check.name, check.run, 60_000)
    })
  }
})

describe('a thread that breaks down', () => {
  const events = async (workers: { readonly count: number; readonly retries?: number }): Promise<unknown[]> => {
    const iterator = examples().map(fn('exitsAtSeven')).options({ workers }).iterator({ seed: 1 })
    const found: unknown[] = []
    for (;;) {
      try {
        const step = await iterator.next()
        if (step.done === true) break
        found.push(Number((step.value as { readonly y: bigint }).y))
      } catch (error) {
        const { kind, operator, index } = error as { readonly kind: string; readonly operator: string; readonly index: number }
        found.push({ kind, operator, index })
      }
    }
    await iterator.close()
    return found
  }
  test('is an error in the place of the element that it was at, and all others come', async () => {
    expect(await events({ count: 2 })).toEqual([...upTo(7), { kind: 'WorkerLost', operator: 'map', index: 7 }, ...upTo(13, 8)])
  }, 60_000)
})

describe('a function that does not return', () => {
  const closed = async (name: string): Promise<unknown[]> => {
    const iterator = examples().map(fn(name)).options({ workers: 2 }).iterator({ seed: 1 })
    const found = [await iterator.next(), await iterator.next()].map(({ value }) => Number((value as { readonly y: bigint }).y))
    await delay(50)
    await iterator.close()
    return found
  }
  test('is told by the close that it waits for', async () => {
    const started = performance.now()
    expect(await closed('waitsAtSeven')).toEqual([0, 1])
    expect(performance.now() - started).toBeLessThan(4000)
  })
})
