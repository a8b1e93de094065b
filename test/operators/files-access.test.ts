import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import type { Checkpoint } from '../../src/engine/checkpoint.js'
import { isMillraceError } from '../../src/errors.js'
import { memoryStore, type MemoryStore } from '../../src/storage/memory.js'
import type { Store } from '../../src/store.js'
import { writeTfrecord } from '../../src/write.js'
import { writeTfrecordIndex } from '../../src/write-arrays.js'
import { toyFormat, toyStore, type Toy } from '../table/toy-table.js'

interface Row {
  readonly z: number
}

const toys = (store: Store, format = toyFormat()) => Dataset.fromFiles<Row>('mem://toys/*.toy', { format: format as never, store })
const put = (store: MemoryStore, name: string, toy: Toy) => store.put(`mem://toys/${name}.toy`, new TextEncoder().encode(JSON.stringify(toy)))

/** Values and kinds of errors, at most so many. */
async function eventsOf(dataset: Dataset<Row>, from?: Checkpoint): Promise<(number | string)[]> {
  const iterator = dataset.iterator({ seed: 1, epoch: 0, from })
  const events: (number | string)[] = []
  for (let i = 0; i < 3000; i++) {
    try {
      const { done, value } = await iterator.next()
      if (done === true) break
      events.push(-value.z)
    } catch (error) {
      events.push(isMillraceError(error) ? error.kind : String(error))
    }
  }
  await iterator.close()
  return events
}

async function checkpointOf(dataset: Dataset<Row>, after: number): Promise<Checkpoint> {
  const iterator = dataset.iterator({ seed: 1, epoch: 0 })
  for (let i = 0; i < after; i++) await iterator.next()
  const checkpoint = JSON.parse(JSON.stringify(iterator.checkpoint())) as Checkpoint
  await iterator.close()
  return checkpoint
}

describe('access to files by ordinal', () => {
  test('a file that was replaced since its rows were counted is an error, and never rows that are not in it', async () => {
    const store = await toyStore(...Array.from({ length: 90 }, () => ({ rows: 10 }))) // more than are kept open
    const iterator = toys(store).shuffle({ seed: 3 }).iterator({ epoch: 0 })
    const seen = [-((await iterator.next()).value?.z ?? NaN)]
    for (let k = 0; k < 90; k++) await put(store, String(k), { rows: 4, first: -1000 })
    let changed = 0
    for (;;) {
      try {
        const { done, value } = await iterator.next()
        if (done === true) break
        seen.push(-value.z)
      } catch (error) {
        expect(isMillraceError(error, 'Changed')).toBe(true)
        changed++
      }
    }
    expect(seen.filter(value => value < 0)).toEqual([])
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.length + changed).toBe(900)
    expect(changed).toBeGreaterThan(0)
  })
})

describe('checkpoints of shuffled files', () => {
  const CASES: [string, (dataset: Dataset<Row>) => Dataset<Row>][] = [['all', dataset => dataset.shuffle({ seed: 3 })], ['a buffer', dataset => dataset.shuffle(5, { seed: 3 })]]
  test.each(CASES)('fewer rows than there were are one error: %s', async (_, over) => {
    const format = toyFormat()
    const store = await toyStore({ rows: 10 }, { rows: 20 })
    const checkpoint = await checkpointOf(over(toys(store, format)), 12)
    await put(store, '1', { rows: 1 })
    expect(await eventsOf(over(toys(store, format)), checkpoint)).toEqual(['Checkpoint'])
    expect(format.asked.open).toBe(0)
  })

  test('more rows than there were are an error where all of them are shuffled', async () => {
    const format = toyFormat()
    const store = await toyStore({ rows: 10 }, { rows: 20 })
    const over = (): Dataset<Row> => toys(store, format).shuffle({ seed: 3 })
    const checkpoint = await checkpointOf(over(), 12)
    await put(store, '1', { rows: 25 })
    expect(await eventsOf(over(), checkpoint)).toEqual(['Checkpoint'])
    expect(format.asked.open).toBe(0)
  })
})

describe('checkpoints of shuffled records, and an index that comes or goes', () => {
  const records = Array.from({ length: 40 }, (_, i) => Uint8Array.of(i))
  const rest = async (store: Store, from?: Checkpoint): Promise<number[]> => {
    const out: number[] = []
    for await (const [first] of Dataset.tfrecord('mem://a.tfrecord', { store }).shuffle({ seed: 3 }).iterator({ from, epoch: 0 })) out.push(first as number)
    return out
  }
  const begun = (store: Store): Promise<Checkpoint> => checkpointOf(Dataset.tfrecord('mem://a.tfrecord', { store }).shuffle({ seed: 3 }) as unknown as Dataset<Row>, 13)

  test('what was begun without an index goes on in its order with one', async () => {
    const store = memoryStore()
    await writeTfrecord('mem://a.tfrecord', records, { store })
    const [all, checkpoint] = [await rest(store), await begun(store)]
    await writeTfrecordIndex('mem://a.tfrecord', { store })
    expect(await rest(store, checkpoint)).toEqual(all.slice(13))
  })

  test('what was begun with an index says that it is gone', async () => {
    const store = memoryStore()
    await writeTfrecord('mem://a.tfrecord', records, { store })
    await writeTfrecordIndex('mem://a.tfrecord', { store })
    const checkpoint = await begun(store)
    await store.delete('mem://a.tfrecord.mrindex')
    await expect(rest(store, checkpoint)).rejects.toMatchObject({ kind: 'Checkpoint', message: expect.stringContaining('index') as unknown })
  })
})

test('a checkpoint of more files than there are now is one error', async () => {
  const store = await toyStore({ rows: 2 }, { rows: 2 }, { rows: 2 }, { rows: 2 })
  const checkpoint = await checkpointOf(toys(store), 7)
  for (const k of [1, 2, 3]) await store.delete(`mem://toys/${k}.toy`)
  expect(await eventsOf(toys(store), checkpoint)).toEqual(['Checkpoint'])
})

test.each<[string, (dataset: Dataset<Row>) => Dataset<Row>]>([
  ['in order', dataset => dataset], ['a shard', dataset => dataset.shard(2, 0)], ['shuffled', dataset => dataset.shuffle()], ['shuffled in a buffer', dataset => dataset.shuffle(3)]
])('a pattern that means no file is one error: %s', async (_, over) => {
  expect(await eventsOf(over(toys(memoryStore())))).toEqual(['NotFound'])
})
