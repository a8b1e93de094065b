import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { DataLoader } from '../../src/loader/data-loader.js'
import { PoolConfig } from '../../src/loader/pool-config.js'
import { collect, gate, numbers, rowsOf } from './helpers.js'

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
const below = (length: number): number[] => Array.from({ length }, (_, i) => i)

/** A dataset whose elements wait for their gates. */
function gated(length: number) {
  const gates = below(length).map(gate)
  const begun: number[] = []
  let now = 0
  const state = { most: 0 }
  const get = async (i: number): Promise<number> => {
    begun.push(i)
    state.most = Math.max(state.most, ++now)
    await gates[i]?.opened
    now--
    return i
  }
  return { dataset: { length, get }, gates, begun, state }
}

describe('stream', () => {
  test('has maxConcurrency calls under way at once, 16 by default', async () => {
    for (const maxConcurrency of [undefined, 1, 5]) {
      const { dataset, gates, state } = gated(40)
      const done = rowsOf(new DataLoader(dataset, { batchSize: 8, ...(maxConcurrency !== undefined && { maxConcurrency }) }))
      for (const { open } of gates) {
        await turn()
        open()
      }
      expect((await done).flat()).toEqual(below(40))
      expect(state.most).toBe(maxConcurrency ?? 16)
    }
  })

  test('is as fast as its concurrency: elements that wait do so together', async () => {
    let rounds = 0
    let waiting: (() => void)[] = []
    const get = (i: number): Promise<number> => new Promise(resolve => {
      if (waiting.push(() => resolve(i)) === 1) {
        rounds++
        setTimeout(() => {
          const all = waiting
          waiting = []
          for (const wake of all) wake()
        }, 2)
      }
    })
    await collect(new DataLoader({ length: 320, get }, { batchSize: 32, maxConcurrency: 32 }))
    expect(rounds).toBeGreaterThanOrEqual(10)
    expect(rounds).toBeLessThan(30)
  })

  test('prepares batches ahead, and with prefetch 0 none', async () => {
    for (const [prefetch, ahead] of [[0, 4], [2, 12]] as const) {
      const begun: number[] = []
      const loader = new DataLoader({ length: 100, get: i => { begun.push(i); return i } }, { batchSize: 4, prefetch })
      const iterator = loader.stream()
      await iterator.next()
      for (let i = 0; i < 20; i++) await turn()
      expect(begun.length).toBe(ahead)
      await iterator.close()
    }
  })

  test('out of order delivers everything once, and what is ready first', async () => {
    const { dataset, gates } = gated(8)
    const iterator = new DataLoader(dataset, { batchSize: 2, inOrder: false }).stream()
    const first = iterator.next()
    await turn()
    gates[5]?.open()
    gates[3]?.open()
    expect(new Set((await first).value?.data)).toEqual(new Set([5, 3]))
    for (const { open } of gates) open()
    expect((await rowsOf(iterator)).flat().sort()).toEqual([0, 1, 2, 4, 6, 7])
  })

  test('out of order holds for the parallel maps of a Dataset', async () => {
    const gates = below(4).map(gate)
    const dataset = Dataset.range(4).map(async i => { await gates[i]?.opened; return i }, { parallel: 4 })
    const iterator = new DataLoader(dataset, { batchSize: 1, inOrder: false }).stream()
    const first = iterator.next()
    await turn()
    gates[2]?.open()
    expect([...((await first).value?.data ?? [])]).toEqual([2])
    for (const { open } of gates) open()
    expect((await rowsOf(iterator)).flat().sort()).toEqual([0, 1, 3])
  })

  test('statistics come with it', async () => {
    const iterator = new DataLoader(numbers(6), { batchSize: 2 }).stream()
    await iterator.next()
    expect(iterator.stats()).toMatchObject({ elements: 1 })
    expect(iterator.epoch).toBe(0)
    await iterator.close()
  })
})

describe('stream with a pool', () => {
  test('delivers as elements are ready, with poolSize of them under way', async () => {
    const { dataset, gates, state, begun } = gated(100)
    const loader = new DataLoader(dataset, { batchSize: 5 })
    const iterator = loader.stream({ pool: { poolSize: 20 } })
    const first = iterator.next()
    await turn()
    expect(begun).toEqual(below(20))
    for (const i of [19, 18, 17, 16, 15]) gates[i]?.open()
    expect(new Set((await first).value?.data)).toEqual(new Set([15, 16, 17, 18, 19]))
    for (const { open } of gates) open()
    expect((await rowsOf(iterator)).flat()).toHaveLength(95)
    expect(state.most).toBe(20)
  })

  test('keeps the order when asked', async () => {
    const loader = new DataLoader({ length: 50, get: async i => { for (let k = 0; k < (i * 7) % 5; k++) await turn(); return i } }, { batchSize: 5 })
    expect((await rowsOf(loader.stream({ pool: { ordered: true } }))).flat()).toEqual(below(50))
    expect((await rowsOf(loader.stream({ pool: {} }))).flat()).not.toEqual(below(50))
  })

  test('reads readaheadBatches ahead, and no more than maxInflight elements', async () => {
    for (const [pool, most] of [[{ poolSize: 4, readaheadBatches: 3 }, 4 * 5 + 4], [{ poolSize: 4, readaheadBatches: 3, maxInflight: 9 }, 5 + 5 + 4], [{ poolSize: 8, maxInflight: 2 }, 5 + 2]] as const) {
      let begun = 0
      const iterator = new DataLoader({ length: 200, get: async i => { begun++; return i } }, { batchSize: 5 }).stream({ pool })
      await iterator.next()
      for (let i = 0; i < 30; i++) await turn()
      expect([pool, begun, most, begun <= most + pool.poolSize, begun >= most - pool.poolSize]).toEqual([pool, begun, most, true, true])
      await iterator.close()
    }
  })

  test('batchTimeout is in place of timeout', async () => {
    const { dataset, gates } = gated(2)
    const iterator = new DataLoader(dataset, { batchSize: 2, timeout: 100_000 }).stream({ pool: { batchTimeout: 3 } })
    await expect(iterator.next()).rejects.toMatchObject({ kind: 'Timeout' })
    for (const { open } of gates) open()
    expect((await iterator.next()).done).toBe(false)
    await iterator.close()
  })

  test('bounds the parallel maps of a Dataset', async () => {
    const { dataset: { get }, gates, state } = gated(30)
    const done = collect(new DataLoader(Dataset.range(30).map(get, { parallel: 16 }), { batchSize: 5 }).stream({ pool: { poolSize: 4 } }))
    for (const { open } of gates) {
      await turn()
      open()
    }
    await done
    expect(state.most).toBe(4)
  })

  test('settings follow from options of a loader: 16 for each worker, two batches at least', () => {
    expect(PoolConfig.fromLoaderOptions({})).toEqual({ poolSize: 16, readaheadBatches: 2, batchTimeout: undefined, maxInflight: 256, ordered: true })
    expect(PoolConfig.fromLoaderOptions({ numWorkers: 4, timeout: 9, inOrder: false })).toEqual({ poolSize: 64, readaheadBatches: 8, batchTimeout: 9, maxInflight: 320, ordered: false })
    expect(PoolConfig.fromLoaderOptions({ numWorkers: 2, prefetch: 1 })).toMatchObject({ poolSize: 32, readaheadBatches: 2 })
    expect(PoolConfig.fromLoaderOptions({ prefetch: 10, batchSize: 100 })).toMatchObject({ readaheadBatches: 10, maxInflight: 1016 })
    expect(PoolConfig.fromLoaderOptions({ batchSize: null, numWorkers: 'auto' })).toMatchObject({ poolSize: 16, maxInflight: 256 })
  })

  test('wrong settings are refused at the call', () => {
    const loader = new DataLoader(numbers(3))
    expect(() => loader.stream({ pool: { poolSize: 0 } })).toThrow('poolSize must be an integer of at least 1')
    expect(() => loader.stream({ pool: { poolsize: 1 } as object })).toThrow("did you mean 'poolSize'?")
    expect(() => loader.stream({ pool: { batchTimeout: 0 } })).toThrow('batchTimeout')
    expect(() => loader.stream({ pool: { ordered: 1 as unknown as boolean } })).toThrow('ordered')
    expect(() => loader.stream({ poll: {} } as object)).toThrow('unknown option')
    expect(() => new DataLoader(Dataset.range(3)).stream({ pool: {} })).toThrow('say ordered: true')
    expect(() => new DataLoader(Dataset.range(3)).stream({ pool: { ordered: true } })).not.toThrow()
  })
})

describe('ending', () => {
  test('a batch that is late is an error, ends for await, and leaves the loader usable', async () => {
    let slow = true
    const { opened, open } = gate()
    const loader = new DataLoader({ length: 2, get: async i => { if (slow) await opened; return i } }, { batchSize: 2, timeout: 3 })
    await expect(collect(loader)).rejects.toMatchObject({ kind: 'Timeout', message: expect.stringContaining('3 ms') as unknown })
    slow = false
    open()
    expect(await rowsOf(loader)).toEqual([[0, 1]])
  })

  test('with stream the call after a late batch waits for the same one, and overlapping calls keep their order', async () => {
    const { dataset, gates } = gated(4)
    const iterator = new DataLoader(dataset, { batchSize: 1, timeout: 4 }).stream()
    const calls = await Promise.allSettled([iterator.next(), iterator.next()])
    expect(calls.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    for (const { open } of gates) open()
    expect((await rowsOf(iterator)).flat()).toEqual([0, 1, 2, 3])
  })

  test('one signal ends several loaders, with its reason, and each call is told', async () => {
    const controller = new AbortController()
    const told: unknown[] = []
    const make = () => new DataLoader({
      length: 9,
      get: (i, { signal }) => new Promise<number>((_, reject) => signal.addEventListener('abort', () => { told.push(i); reject(signal.reason as Error) }))
    }, { batchSize: 3, maxConcurrency: 3, signal: controller.signal })
    const loaders = [make(), make()]
    const running = loaders.map(loader => collect(loader))
    await turn()
    const reason = new Error('enough')
    controller.abort(reason)
    expect(await Promise.allSettled(running)).toEqual([{ status: 'rejected', reason }, { status: 'rejected', reason }])
    expect(told).toHaveLength(6)
    await expect(collect(loaders[0] as (typeof loaders)[0])).rejects.toBe(reason)
  })

  test('a stream has a signal of its own, beside that of the loader', async () => {
    const [all, one] = [new AbortController(), new AbortController()]
    const loader = new DataLoader(numbers(8), { batchSize: 1, signal: all.signal })
    const [first, second] = [loader.stream({ signal: one.signal }), loader.stream()]
    await Promise.all([first.next(), second.next()])
    one.abort(new Error('only this one'))
    await expect(first.next()).rejects.toThrow('only this one')
    expect((await second.next()).done).toBe(false)
    all.abort(new Error('all'))
    await expect(second.next()).rejects.toThrow('all')
  })

  test('break closes what it reads, and waits for what is under way', async () => {
    let closed = 0
    let now = 0
    const source = Dataset.from(async function* () {
      try {
        for (let i = 0; ; i++) yield i
      } finally {
        closed++
      }
    }).map(async x => { now++; await turn(); now--; return x }, { parallel: 4 })
    for await (const batch of new DataLoader(source, { batchSize: 2 })) if (batch.data[0] === 4) break
    expect([closed, now]).toEqual([1, 0])
  })

  test('close ends all epochs that are under way; then it is closed', async () => {
    let closed = 0
    const loader = new DataLoader(function* () { try { for (let i = 0; ; i++) yield i } finally { closed++ } }, { batchSize: 2 })
    const iterators = [loader.stream(), loader.stream()]
    for (const iterator of iterators) await iterator.next()
    await loader.close()
    await loader.close()
    expect(closed).toBe(2)
    for (const iterator of iterators) expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect(() => loader.stream()).toThrow(expect.objectContaining({ kind: 'Closed' }) as unknown as Error)
    expect(() => loader.items()).toThrow('it was closed')
    await expect(loader.collectBatch(1)).rejects.toMatchObject({ kind: 'Closed' })
  })

  test('await using closes it', async () => {
    let closed = false
    {
      await using loader = new DataLoader(function* () { try { for (let i = 0; ; i++) yield i } finally { closed = true } })
      await loader.stream().next()
    }
    expect(closed).toBe(true)
  })
})
