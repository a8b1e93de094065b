import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { MillraceError } from '../../src/errors.js'
import type { Format } from '../../src/format.js'
import { memoryStore } from '../../src/storage/memory.js'
import type { ByteSource, ObjectMeta, OpenOptions, Store } from '../../src/store.js'
import { operatorConformance } from '../../src/testing/operator.js'
import { writeTfrecord } from '../../src/write.js'

/** A store as object stores are: what was opened cannot be read any more once it was replaced. */
function strictStore(): { store: Store; opened: (ObjectMeta | undefined)[]; beforeRead: (uri: string, offset: number) => Promise<void> } {
  const inner = memoryStore()
  const changed = (uri: string, operation: string): MillraceError => new MillraceError('Changed', `${operation} ${uri}: it was replaced`, { uri, operation })
  const state = {
    opened: [] as (ObjectMeta | undefined)[],
    beforeRead: async (_uri: string, _offset: number): Promise<void> => undefined,
    store: {
      ...inner,
      async open(uri: string, { known }: OpenOptions = {}): Promise<ByteSource> {
        state.opened.push(known)
        const { version, size } = known ?? await inner.stat(uri)
        return {
          uri, version, byteLength: size,
          async read(offset, into) {
            await state.beforeRead(uri, offset)
            const source = await inner.open(uri)
            if (source.version !== version) throw changed(uri, 'read')
            await source.read(offset, into)
          },
          close: async () => undefined
        }
      }
    } satisfies Store
  }
  return state
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const records = (name: string, count: number): Uint8Array[] => Array.from({ length: count }, (_, i) => new TextEncoder().encode(`${name}-${i}`.padEnd(20)))

/** Three files of ten records; the second is replaced by `fresh` when it is read from `offset` on for the first time. */
async function changing(fresh: readonly Uint8Array[], offset: number): Promise<ReturnType<typeof strictStore>> {
  const state = strictStore()
  for (const name of ['a', 'b', 'c']) await writeTfrecord(`mem://d/${name}.tfrecord`, records(name, 10), { store: state.store })
  let done = false
  state.beforeRead = async (uri, at) => {
    if (done || uri !== 'mem://d/b.tfrecord' || at < offset) return
    done = true
    await writeTfrecord('mem://d/b.tfrecord', fresh, { store: state.store })
  }
  return state
}

const read = (store: Store, onChanged?: 'fail' | 'reread' | 'skip'): Dataset<string> =>
  Dataset.tfrecord('mem://d/*.tfrecord', { store, readBytes: 72, index: false, ...(onChanged !== undefined && { onChanged }) }).map(text).map(line => line.trim())
const names = (name: string, from: number, to: number): string[] => records(name, to).slice(from).map(bytes => text(bytes).trim())

describe('a file that is replaced while a pass reads it', () => {
  test('is an error after the elements before it, and the pass goes on with the next file', async () => {
    const { store } = await changing(records('B', 10), 72)
    const iterator = read(store).iterator()
    const got: string[] = []
    const errors: unknown[] = []
    for (;;) {
      try {
        const { done, value } = await iterator.next()
        if (done === true) break
        got.push(value)
      } catch (error) {
        errors.push(error)
      }
    }
    expect(errors).toEqual([expect.objectContaining({ kind: 'Changed', uri: 'mem://d/b.tfrecord' })])
    expect(got.filter(line => !line.startsWith('b-'))).toEqual([...names('a', 0, 10), ...names('c', 0, 10)])
    const old = got.filter(line => line.startsWith('b-'))
    expect(old).toEqual(names('b', 0, old.length))
  })

  test('is read again behind what was delivered of it, with onChanged reread', async () => {
    const { store } = await changing(records('B', 12), 144)
    const iterator = read(store, 'reread').iterator()
    const got: string[] = []
    for await (const line of iterator) got.push(line)
    const old = got.filter(line => line.startsWith('b-')).length
    expect(got).toEqual([...names('a', 0, 10), ...names('b', 0, old), ...names('B', old, 12), ...names('c', 0, 10)])
    expect(iterator.stats().stages.find(stage => stage.operator === 'readFiles')?.notes).toEqual({ 'files read again because they changed': 1 })
  })

  test('has its rest left out and counted, with onChanged skip', async () => {
    const { store } = await changing(records('B', 12), 144)
    const iterator = read(store, 'skip').iterator()
    const got: string[] = []
    for await (const line of iterator) got.push(line)
    const old = got.filter(line => line.startsWith('b-')).length
    expect(got).toEqual([...names('a', 0, 10), ...names('b', 0, old), ...names('c', 0, 10)])
    expect(iterator.stats().stages.find(stage => stage.operator === 'readFiles')?.notes).toEqual({ 'files left out in part because they changed': 1 })
  })

  test('fails in the end when it changes again and again', async () => {
    const state = await changing(records('B', 10), 0)
    state.beforeRead = async uri => {
      if (uri === 'mem://d/b.tfrecord') await writeTfrecord(uri, records('B', 10), { store: state.store })
    }
    await expect(read(state.store, 'reread').toArray()).rejects.toMatchObject({ kind: 'Changed' })
  })

  test('goes on exactly from a checkpoint that was taken after the change', async () => {
    const { store } = await changing(records('B', 12), 144)
    const iterator = read(store, 'reread').iterator()
    const head: string[] = []
    for (let i = 0; i < 18; i++) head.push((await iterator.next()).value as string)
    const checkpoint = JSON.parse(JSON.stringify(iterator.checkpoint())) as ReturnType<typeof iterator.checkpoint>
    const tail: string[] = []
    for await (const line of iterator) tail.push(line)
    const resumed: string[] = []
    for await (const line of read(store, 'reread').iterator({ from: checkpoint })) resumed.push(line)
    expect(resumed).toEqual(tail)
    expect(head.length + tail.length).toBe(32)
  })

  test('is noticed when it was replaced between the listing and its turn: versions are those of the listing', async () => {
    const state = await changing(records('B', 10), 0)
    state.beforeRead = async uri => {
      if (uri !== 'mem://d/a.tfrecord') return
      state.beforeRead = async () => undefined
      await writeTfrecord('mem://d/c.tfrecord', records('C', 10), { store: state.store })
    }
    await expect(read(state.store).toArray()).rejects.toMatchObject({ kind: 'Changed', uri: 'mem://d/c.tfrecord' })
    expect(state.opened.every(known => known !== undefined)).toBe(true)
  })
})

describe('a file with access by ordinal that is replaced while a shard of it is read', () => {
  /** Three files of 400 records; the second is replaced when it is read from its middle on. */
  async function counted(): Promise<Store> {
    const state = strictStore()
    const put = (name: string): Promise<unknown> => state.store.put(`mem://d/${name.toLowerCase()}.bin`, new TextEncoder().encode(Array.from({ length: 400 }, (_, i) => `${name}-${i}`.padEnd(20)).join('')))
    for (const name of ['a', 'b', 'c']) await put(name)
    let done = false
    state.beforeRead = async (uri, at) => {
      if (done || uri !== 'mem://d/b.bin' || at < 4000) return
      done = true
      await put('B')
    }
    return state.store
  }
  const shard = (store: Store, onChanged: 'reread' | 'skip', of: number, index: number): Promise<string[]> =>
    Dataset.fixedLengthRecords('mem://d/*.bin', { store, recordBytes: 20, readBytes: 200, onChanged }).shard(of, index).map(text).map(line => line.trim()).toArray()
  const every = (name: string, of: number, first: number): string[] => Array.from({ length: 400 }, (_, i) => i).filter(i => i % of === first).map(i => `${name}-${i}`)

  test('is read again from the element on that was wanted next, with onChanged reread', async () => {
    const got = await shard(await counted(), 'reread', 3, 1)
    const old = got.filter(line => line.startsWith('b-')).length
    expect(old).toBeGreaterThan(0)
    // The ordinals of the files begin at 0, 400 and 800.
    expect(got).toEqual([...every('a', 3, 1), ...every('b', 3, 0).slice(0, old), ...every('B', 3, 0).slice(old), ...every('c', 3, 2)])
  })

  test('has its rest left out, and the next file has the ordinals that it would have had, with onChanged skip', async () => {
    for (const step of [1, 3]) {
      const got = await shard(await counted(), 'skip', step, step === 1 ? 0 : 1)
      const old = got.filter(line => line.startsWith('b-')).length
      expect(old).toBeGreaterThan(0)
      expect(got).toEqual([...every('a', step, step === 1 ? 0 : 1), ...every('b', step, 0).slice(0, old), ...every('c', step, step === 1 ? 0 : 2)])
    }
  })
})

describe('a file of several fragments with counts', () => {
  const format: Format<string> = {
    name: 'halves', extensions: ['halves'],
    async open(source) {
      return {
        fragments: [{ count: 5 }, { count: 5 }],
        async *read(fragment) {
          if (source.uri === 'mem://b.halves' && fragment === 1) throw new Error('a damaged half')
          yield { elements: Array.from({ length: 5 }, (_, i) => `${source.uri.slice(6, 7)}-${fragment * 5 + i}`), next: 1 }
        }
      }
    }
  }

  test('has all its ordinals when the last one fails', async () => {
    const store = memoryStore()
    for (const name of ['a', 'b', 'c']) await store.put(`mem://${name}.halves`, new Uint8Array(1))
    const iterator = Dataset.fromFiles('mem://*.halves', { store, format }).shard(4, 0).iterator()
    const got: unknown[] = []
    for (let done = false; !done;) {
      try {
        const result = await iterator.next()
        done = result.done === true
        if (!done) got.push(result.value)
      } catch (error) {
        got.push((error as Error).message.includes('a damaged half'))
      }
    }
    expect(got).toEqual(['a-0', 'a-4', 'a-8', 'b-2', true, 'c-0', 'c-4', 'c-8'])
  })
})

describe('onChanged', () => {
  test('is checked at the call', () => {
    expect(() => Dataset.tfrecord('x', { onChanged: 'ignore' as 'skip' })).toThrow(/onChanged must be 'fail', 'reread' or 'skip', got "ignore"/)
  })

  const state = strictStore()
  const ready = Promise.all(['a', 'b', 'c'].map(name => writeTfrecord(`mem://d/${name}.tfrecord`, records(name, 10), { store: state.store })))
  for (const onChanged of ['reread', 'skip'] as const) {
    describe(`${onChanged}, where nothing changes`, () => {
      for (const { name, run } of operatorConformance({ make: () => read(state.store, onChanged) })) {
        test(name, async () => {
          await ready
          await run()
        })
      }
    })
  }

  test('reread keeps selections exact', async () => {
    await ready
    for (const [from, step] of [[3, 1], [7, 3], [12, 2]] as const) {
      const picked = (onChanged: 'fail' | 'reread') => read(state.store, onChanged).skip(from).shard(step, 0).take(6).toArray()
      expect(await picked('reread')).toEqual(await picked('fail'))
    }
  })
})
