import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Dataset, release, type MillraceError } from '../../dist/src/index.js'
import type { Program } from '../../dist/src/plan/workers.js'
import { endWorkers, type IterationWorkers } from '../../dist/src/workers/pool.js'
import { above, census, flat, fn, open, pass, signal } from './support.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-workers-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const opened: IterationWorkers[] = []
const workers = (options: Parameters<typeof open>[0] = {}): IterationWorkers => {
  const made = open(options)
  opened.push(made)
  return made
}
let before: Record<string, number> = {}
beforeAll(() => {
  before = census()
})
/** Whatever happened in a test, nothing is left of it. */
afterEach(async () => {
  await Promise.all(opened.splice(0).map(one => one.close()))
  await endWorkers()
  expect(census()).toEqual(before)
})

const over = (made: IterationWorkers, f: (x: number) => unknown, stack?: { size: number; numbers: string }): Program =>
  made.load({ ...above(Dataset.range(1000).map(f).plan), pass, stack })
const task = (from: number, count = 4) => ({ elements: Array.from({ length: count }, (_, k) => from + k), state: { self: from, inputs: [{}] }, index: from })
const errorOf = (promise: Promise<unknown>): Promise<MillraceError> => promise.then(() => { throw new Error('it succeeded') }, (error: MillraceError) => error)

describe('tasks', () => {
  test('are answered each by its own reply, whichever thread it ran on', async () => {
    const program = over(workers(), fn('addIndex'))
    const replies = await Promise.all(Array.from({ length: 50 }, (_, k) => program.run(task(4 * k), { signal })))
    expect(replies.flatMap(({ parts }) => flat(parts))).toEqual(Array.from({ length: 200 }, (_, k) => 2 * k))
  })

  test('run on as many threads as the size says, which may change while they run', async () => {
    const made = workers({ count: 1, privateThreadpoolSize: 3 })
    const program = over(made, fn('thread'))
    const threadsOf = async (): Promise<number> => {
      const replies = await Promise.all(Array.from({ length: 30 }, (_, k) => program.run(task(k, 1), { signal })))
      return new Set(replies.map(({ parts }) => (flat(parts)[0] as number[])[1])).size
    }
    expect(await threadsOf()).toBe(1)
    made.size = 3
    expect(await threadsOf()).toBe(3)
    made.size = 1
    expect(await threadsOf()).toBe(1)
    made.size = 99
    expect(made.size).toBe(3)
  })

  test("have 'auto' sizes of at most the cores, and explicit ones of at most the private pool", () => {
    expect(workers({ cores: 2 }).size).toBe(2)
    expect(workers({ cores: 2, count: 'auto' }).size).toBe(2)
    expect(workers({ cores: 2, count: 5 }).size).toBe(5)
    expect(workers({ cores: 8, count: 5, privateThreadpoolSize: 3 }).size).toBe(3)
    expect(workers({ cores: 8, privateThreadpoolSize: 3 }).most).toBe(3)
  })

  test('of two iterations share threads, and the threads end with the last of them', async () => {
    const [one, two] = [workers({ count: 1 }), workers({ count: 1 })]
    const threadOf = async (made: IterationWorkers): Promise<unknown> => (flat((await over(made, fn('thread')).run(task(0, 1), { signal })).parts)[0] as unknown[])[1]
    const id = await threadOf(one)
    expect(await threadOf(two)).toBe(id)
    await one.close()
    expect(await threadOf(two)).toBe(id)
    await two.close()
    expect(await threadOf(workers({ count: 1 }))).not.toBe(id)
  })

  test('find the threads of the iteration before when they persist', async () => {
    const ids: unknown[] = []
    for (let k = 0; k < 3; k++) {
      const made = open({ count: 1, persistent: true })
      ids.push((flat((await over(made, fn('thread')).run(task(0, 1), { signal })).parts)[0] as unknown[])[1])
      await made.close()
    }
    expect(new Set(ids).size).toBe(1)
  })

  test('begin when the function for it was called once in each thread, with its number', async () => {
    const { portable } = fn('init') as unknown as { portable: { url: string; name: string } }
    const program = over(workers({ count: 2, init: portable }), fn('initOf'))
    const replies = await Promise.all(Array.from({ length: 8 }, (_, k) => program.run(task(k, 1), { signal })))
    expect(new Set(replies.flatMap(({ parts }) => flat(parts)))).toEqual(new Set([0, 1]))
  })

  test('batches come back in memory that goes back when it is released, and is filled again', async () => {
    const program = over(workers({ count: 1 }), fn('image'), { size: 4, numbers: 'float32' })
    const first = await program.run(task(0), { signal })
    const [batch] = flat(first.parts) as [{ data: Uint8Array; shape: number[] }]
    expect(batch.shape).toEqual([4, 224, 224, 3])
    release(batch)
    await program.run(task(4), { signal })
    expect(batch.data.length).toBe(0)
  })
})

describe('errors', () => {
  test('of functions are those of one thread, with the place in the module', async () => {
    const { parts } = await over(workers(), fn('notOdd')).run(task(0, 8), { signal })
    const error = flat(parts)[3] as MillraceError
    expect(flat(parts).filter(part => part !== error)).toEqual([0, 1, 2, 4, 5, 6, 7])
    expect(error).toMatchObject({ kind: 'UserFunction', operator: 'map', index: 3 })
    expect(error.message).toMatch(/^map: the function failed at element 3: no 3 \(added at /)
    expect(error.cause).toBeInstanceOf(RangeError)
    expect((error.cause as Error).stack).toContain('functions.mjs')
  })

  test('say which element has or became something that cannot be sent', async () => {
    const made = workers()
    expect(await errorOf(over(made, fn('double')).run({ elements: [1, { f: () => 1 }], state: undefined, index: 10 }, { signal }))).toMatchObject({ kind: 'Unsupported', index: 11, keyPath: 'f' })
    expect((await errorOf(over(made, fn('closure')).run(task(0), { signal }))).message).toContain('a function cannot be sent to another thread')
  })

  test('say which module or export is missing', async () => {
    expect((await errorOf(over(workers(), fn('nothing')).run(task(0), { signal }))).message).toContain('exports no function of that name')
  })

  test('of what threads do first are the answer to every task', async () => {
    const { portable } = fn('badInit') as unknown as { portable: { url: string; name: string } }
    expect((await errorOf(over(workers({ init: portable }), fn('double')).run(task(0), { signal }))).message).toContain('init failed in thread 0: no such device')
  })
})

describe('a thread that breaks down', () => {
  test.each<[string, (x: number) => unknown, Parameters<typeof open>[0], RegExp]>([
    ['exits', fn('exitAt', 6), {}, /ended with exit code 3 at element 6/],
    ['throws where nobody catches', fn('killAt', 6), {}, /an error that nobody caught: nobody catches this at element 6/],
    ['runs out of memory', fn('hoard', 6), { maxHeapBytes: 32 * 2 ** 20 }, /ran out of memory, of which it had 32 MiB .* at element 6/]
  ])('is an error at the very element when it %s, and costs no other task anything', async (_, f, options, text) => {
    const program = over(workers({ count: 1, ...options }), f)
    const outcomes = await Promise.allSettled([0, 4, 8, 12].map(k => program.run(task(k), { signal })))
    const [first, second, third, fourth] = outcomes.map(outcome => (outcome.status === 'fulfilled' ? flat(outcome.value.parts) : (outcome.reason as MillraceError)))
    expect([first, third, fourth]).toEqual([[0, 1, 2, 3], [8, 9, 10, 11], [12, 13, 14, 15]])
    expect(second).toMatchObject({ kind: 'WorkerLost', operator: 'map', index: 6 })
    expect((second as MillraceError).message).toMatch(text)
  })

  test('gives its work to another one as often as the policy says', async () => {
    const once = over(workers({ count: 1, retries: 1 }), fn('exitOnce', 2, join(folder, 'once')))
    expect(flat((await once.run(task(0), { signal })).parts)).toEqual([0, 1, 2, 3])
    const always = over(workers({ count: 1, retries: 2 }), fn('exitAt', 2))
    expect((await errorOf(always.run(task(0), { signal }))).message).toContain('3 threads were tried')
  })
})

describe('a session', () => {
  const session = (made: IterationWorkers, f: (x: number) => unknown, count = 40): { pull(max: number): Promise<unknown[]> } => {
    const path = join(folder, `${count}.bin`)
    writeFileSync(path, Uint8Array.from({ length: count }, (_, k) => k))
    const { plan } = Dataset.fixedLengthRecords(path, { recordBytes: 1 }).map(fn('firstByte') as unknown as (x: Uint8Array) => number).map(f)
    const opened = made.load({ plan, pass }).session(undefined, { signal })
    return { pull: async max => flat((await opened.pull(max)).parts) }
  }

  test('stays on one thread, and pulls that overlap are answered in turn', async () => {
    const { pull } = session(workers(), fn('double'))
    expect((await Promise.all([pull(3), pull(2), pull(100)])).map(elements => elements.length)).toEqual([3, 2, 35])
  })

  test('goes on behind its last reply on another thread, when the policy says so', async () => {
    const { pull } = session(workers({ count: 1, retries: 1 }), fn('exitOnce', 7, join(folder, 'session')))
    expect((await Promise.all([pull(5), pull(5), pull(100)])).flat()).toEqual(Array.from({ length: 40 }, (_, k) => k))
  })

  test('ends with an error at the very element otherwise; others on that thread go on', async () => {
    const made = workers({ count: 1 })
    const [bad, good] = [session(made, fn('exitAt', 7)), session(made, fn('double'), 50)]
    expect([(await bad.pull(5)).length, (await good.pull(5)).length]).toEqual([5, 5])
    const [lost, rest] = await Promise.all([errorOf(bad.pull(5)), good.pull(100)])
    expect(lost).toMatchObject({ kind: 'WorkerLost', operator: 'map', index: 7 })
    expect(rest).toEqual(Array.from({ length: 45 }, (_, k) => 2 * (k + 5)))
    expect(await errorOf(bad.pull(5))).toBe(lost)
  })
})

describe('an abort', () => {
  test('rejects at once, tells the function, and close waits for it', async () => {
    const made = workers({ count: 1 })
    const program = over(made, fn('waitForSignal'))
    const controller = new AbortController()
    const running = Array.from({ length: 6 }, (_, k) => program.run(task(k), { signal: controller.signal }))
    const outcomes = Promise.allSettled(running)
    controller.abort(new Error('enough'))
    expect((await outcomes).map(outcome => ((outcome as PromiseRejectedResult).reason as Error).message)).toEqual(Array.from({ length: 6 }, () => 'enough'))
    await made.close()
    expect((await errorOf(program.run(task(0), { signal }))).kind).toBe('Closed')
  })
})
