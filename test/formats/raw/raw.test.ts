import { describe, expect, test } from '@jest/globals'
import { raw, type RawOptions } from '../../../formats/raw/index.js'
import { Dataset, memoryStore } from '../../../src/index.js'
import { operatorConformance } from '../../../src/testing/operator.js'
import { readAll } from '../shared/support.js'
import { alone, memorySource, pseudoRandom } from '../tfrecord/support.js'

const { signal } = new AbortController()
const open = (bytes: Uint8Array, options: RawOptions = {}) => raw.open(memorySource(bytes), options, alone())

async function threeObjects(): Promise<ReturnType<typeof memoryStore>> {
  const store = memoryStore()
  for (const [i, length] of [5, 0, 70_000].entries()) await store.put(`mem://d/${i}.jpg`, pseudoRandom(length, i))
  return store
}

describe('an object', () => {
  test('is one element, read when it is opened if it is small, else when it is asked for, and once', async () => {
    for (const length of [0, 1, 5000, 2 ** 20 + 1]) {
      const source = memorySource(pseudoRandom(length, 3))
      const reader = await raw.open(source, {}, alone())
      expect(source.ranges.length).toBe(length > 0 && length <= 2 ** 20 ? 1 : 0)
      expect(reader.fragments).toEqual([{ count: 1 }])
      const { elements, positions, error } = await readAll(reader, bytes => bytes)
      expect([elements, positions, error]).toEqual([[pseudoRandom(length, 3)], [[1, 1]], undefined])
      expect(source.ranges.length).toBe(length > 0 ? 1 : 0)
      expect(await reader.get?.(0, [0, 0], { signal })).toEqual([pseudoRandom(length, 3), pseudoRandom(length, 3)])
      expect((await readAll(reader, bytes => bytes, { from: 1 })).elements).toEqual([])
      expect((await readAll(reader, bytes => bytes, { from: 0 })).elements.length).toBe(1)
      expect(reader.seek?.(0, 0)).toBe(0)
    }
  })

  test('comes with its URI when that is wanted', async () => {
    const { elements } = await readAll(await open(pseudoRandom(5, 1), { withUri: true }), element => element)
    expect(elements).toEqual([{ uri: 'mem://bucket/file', bytes: pseudoRandom(5, 1) }])
  })

  test('above maxBytes is a Limit error before anything is read', async () => {
    const source = memorySource(new Uint8Array(11))
    const reader = await raw.open(source, { maxBytes: 10 }, alone())
    const { error } = await readAll(reader, element => element)
    expect(error).toMatchObject({ kind: 'Limit', uri: 'mem://bucket/file', offset: 0 })
    expect((error as Error).message).toMatch(/11 bytes are more than maxBytes, 10. Raise maxBytes/)
    await expect(reader.get?.(0, [0], { signal })).rejects.toMatchObject({ kind: 'Limit' })
    expect(source.ranges).toEqual([])
    expect((await readAll(await open(new Uint8Array(10), { maxBytes: 10 }), element => element)).elements.length).toBe(1)
  })

  test('has no position but 0 and 1', async () => {
    for (const from of [2, -1, 0.5, '1', null, []]) {
      expect((await readAll(await open(new Uint8Array(3)), element => element, { from })).error).toMatchObject({ kind: 'Checkpoint' })
    }
  })
})

describe('a dataset of objects', () => {
  test('has one element per object, in the order of their names, by ordinal too', async () => {
    const store = await threeObjects()
    const ds = Dataset.fromFiles<Uint8Array>('mem://d/*.jpg', { format: raw as never, store })
    const all = [5, 0, 70_000].map((length, i) => pseudoRandom(length, i))
    expect(await ds.toArray()).toEqual(all)
    expect(await ds.skip(2).toArray()).toEqual(all.slice(2))
    expect((await ds.shuffle(10, { seed: 1 }).toArray()).map(bytes => bytes.length).sort()).toEqual([0, 5, 70_000])
  })

  const conformance = (withUri: boolean) => async (): Promise<void> => {
    const store = await threeObjects()
    for (const { run } of operatorConformance({ make: () => Dataset.fromFiles('mem://d/*.jpg', { format: raw as never, options: { withUri }, store }) })) await run()
  }
  test('resumes at every element, and ends cleanly at each', conformance(false))
  test('resumes at every element with URIs', conformance(true))

  test('goes on behind an object that is too large', async () => {
    const store = await threeObjects()
    const ds = Dataset.fromFiles<Uint8Array, RawOptions>('mem://d/*.jpg', { format: raw as never, options: { maxBytes: 4 }, store })
    const seen: unknown[] = []
    const iterator = ds.iterator()
    for (let i = 0; i < 4; i++) {
      await iterator.next().then(({ done, value }) => seen.push(done === true ? 'end' : value.length), error => seen.push(error.kind))
    }
    expect(seen).toEqual(['Limit', 0, 'Limit', 'end'])
    await iterator.close()
  })
})

test('options that are none are refused', async () => {
  for (const options of [{ withUri: 1 }, { maxBytes: -1 }, { maxBytes: 1.5 }, { maxBytes: '5' }, { maxBytes: 2 ** 33 }]) {
    await expect(open(new Uint8Array(1), options as RawOptions)).rejects.toThrow(/withUri must be true or false|maxBytes must be an integer/)
  }
})
