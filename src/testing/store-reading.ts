import type { ObjectMeta } from '../store.js'
import {
  caught, check, core, equal, fails, getOf, oldOr, pattern, readRange, same, sameBytes, using, type StoreCase
} from './store-kit.js'

/** Opening, reading and fetching. */
export function readingCases(): readonly StoreCase[] {
  return CASES
}

const CASES: readonly StoreCase[] = [
  ['capabilities are data', async ({ store, prefix }) => {
    check(prefix.endsWith('/'), 'the prefix of the fixture ends in a slash')
    check(store.capabilities.write && store.capabilities.list, 'the store can write and list')
    const { idealRange } = store.capabilities
    check(Number.isInteger(idealRange) && idealRange > 0, 'idealRange is a positive integer')
  }],

  ['what was put is read back, whole and in ranges', async ({ store, uri }) => {
    const bytes = pattern(100_003, 1)
    await store.put(uri('a'), bytes)
    await using(store.open(uri('a')), async (source) => {
      equal(source.byteLength, bytes.byteLength, 'byteLength')
      check(source.version.length > 0, 'the version is not empty')
      for (const [from, to] of [[0, 100_003], [0, 1], [100_002, 100_003], [4095, 70_001]] as const) {
        sameBytes(await readRange(source, from, to), bytes.subarray(from, to))
      }
    })
  }],

  ['a read fills what it was given and not a byte more', async ({ store, uri }) => {
    const bytes = pattern(1000, 2)
    await store.put(uri('a'), bytes)
    await using(store.open(uri('a')), async (source) => {
      const around = new Uint8Array(300).fill(0xee)
      await source.read(500, around.subarray(100, 200))
      sameBytes(around.subarray(100, 200), bytes.subarray(500, 600))
      check(around.every((byte, i) => (i >= 100 && i < 200) || byte === 0xee), 'bytes beside the target stay')
    })
  }],

  ['an empty object is an object', async ({ store, uri, list }) => {
    const meta = await store.put(uri('empty'), new Uint8Array(0))
    equal(meta.size, 0, 'size')
    await using(store.open(uri('empty')), async (source) => {
      equal(source.byteLength, 0, 'byteLength')
      await source.read(0, new Uint8Array(0))
      await fails('OutOfRange', () => source.read(0, new Uint8Array(1)))
    })
    equal((await list()).length, 1, 'objects listed')
  }],

  ['a range that is not inside the object is refused', async ({ store, uri }) => {
    await store.put(uri('a'), pattern(10, 3))
    await using(store.open(uri('a')), async (source) => {
      await source.read(10, new Uint8Array(0))
      for (const [offset, length] of [[0, 11], [10, 1], [11, 0], [2 ** 40, 1]] as const) {
        const error = await fails('OutOfRange', () => source.read(offset, new Uint8Array(length)))
        equal(error.offset, offset, 'offset in the error')
      }
      for (const offset of [-1, 0.5, Number.NaN, Infinity]) {
        equal((await caught(() => source.read(offset, new Uint8Array(1)))).name, 'RangeError', `error for offset ${offset}`)
      }
    })
  }],

  ['a missing object is NotFound, with its URI and the operation', async ({ store, uri }) => {
    for (const operation of ['open', 'stat'] as const) {
      const error = await fails('NotFound', () => store[operation](uri('nothing')))
      equal(error.uri, uri('nothing'), 'uri in the error')
      equal(error.operation, operation, 'operation in the error')
      check(!error.retryable, 'it is not retryable')
    }
  }],

  ['put, stat, open and list tell the same', async ({ store, uri, list }) => {
    const put = await store.put(uri('a'), pattern(77, 4))
    same(core(put), { uri: uri('a'), size: 77, version: put.version }, 'put')
    same(core(await store.stat(uri('a'))), core(put), 'stat')
    same((await list()).map(core), [core(put)], 'list')
    await using(store.open(uri('a')), async ({ uri: name, byteLength, version }) => {
      same({ uri: name, size: byteLength, version }, core(put), 'open')
    })
  }],

  ['replacing gives a new version, and an open source never mixes two', async ({ store, uri }) => {
    const old = pattern(50_000, 5)
    const fresh = pattern(50_000, 6)
    const before = await store.put(uri('a'), old)
    await using(store.open(uri('a')), async (source) => {
      sameBytes(await readRange(source, 0, 25_000), old.subarray(0, 25_000))
      const after = await store.put(uri('a'), fresh)
      check(before.version !== after.version, 'the version is another')
      await oldOr(['Changed'], readRange(source, 25_000, 50_000), old.subarray(25_000))
    })
    await using(store.open(uri('a')), async (source) => sameBytes(await readRange(source, 0, 50_000), fresh))
  }],

  ['many reads may be under way on one source', async ({ store, uri }) => {
    const bytes = pattern(1 << 20, 15)
    await store.put(uri('a'), bytes)
    await using(store.open(uri('a')), async (source) => {
      await Promise.all(Array.from({ length: 100 }, async (_, i) => {
        const from = (i * 104_729) % (bytes.byteLength - 30_000)
        sameBytes(await readRange(source, from, from + 1 + i * 299), bytes.subarray(from, from + 1 + i * 299))
      }))
    })
  }],

  ['closing waits for reads under way, may be repeated, and ends reading', async ({ store, uri }) => {
    const bytes = pattern(300_000, 16)
    await store.put(uri('a'), bytes)
    const source = await store.open(uri('a'))
    const reads = Array.from({ length: 8 }, () => readRange(source, 0, bytes.byteLength))
    let done = 0
    for (const read of reads) void read.then(() => done++, () => undefined)
    await Promise.all([source.close(), source.close()])
    equal(done, 8, 'reads that had ended when close resolved')
    for (const read of reads) sameBytes(await read, bytes)
    await source.close()
    await fails('Closed', () => source.read(0, new Uint8Array(1)))
  }],

  ['stat and list tell when an object was written', async ({ store, uri, list, has }) => {
    if (!has('modified')) return
    await store.put(uri('a'), pattern(3, 20))
    for (const meta of [await store.stat(uri('a')), ...(await list())]) {
      const age = Date.now() - (meta.modified ?? Number.NaN)
      check(Math.abs(age) < 86_400_000, `modified is a time of today, got ${meta.modified}`)
    }
  }],

  ['an object of which a listing told is opened by that', async ({ store, uri, list }) => {
    const bytes = pattern(30_000, 21)
    await store.put(uri('a'), bytes)
    const [known] = await list()
    await using(store.open(uri('a'), { known }), async (source) => {
      same({ uri: source.uri, size: source.byteLength, version: source.version }, core(known as ObjectMeta), 'open')
      sameBytes(await readRange(source, 10_000, 30_000), bytes.subarray(10_000))
    })
  }],

  ['an object that is no longer what a listing told of is Changed', async ({ store, uri }) => {
    for (const size of [1000, 2000]) {
      const known = await store.put(uri('a'), pattern(1000, 22))
      await store.put(uri('a'), pattern(size, 23))
      const read = (): Promise<void> => using(store.open(uri('a'), { known }), (source) => readRange(source, 0, 1000))
      equal((await fails('Changed', read)).uri, uri('a'), 'uri in the error')
      if (store.get !== undefined) await fails('Changed', () => getOf(store)(uri('a'), { known }))
    }
    const known = await store.put(uri('gone'), pattern(1000, 24))
    await store.delete(uri('gone'))
    await fails(['Changed', 'NotFound'], () => using(store.open(uri('gone'), { known }), (source) => readRange(source, 0, 1000)))
  }],

  ['get brings a whole object and tells of it', async ({ store, uri }) => {
    if (store.get === undefined) return
    for (const size of [0, 1, 100_003]) {
      const put = await store.put(uri('a'), pattern(size, 25))
      const { bytes, meta, verified } = await getOf(store)(uri('a'))
      sameBytes(bytes, pattern(size, 25))
      same(core(meta), core(put), 'what get tells')
      equal(typeof verified, 'boolean', 'type of verified')
      sameBytes((await getOf(store)(uri('a'), { known: put })).bytes, bytes)
    }
    equal((await fails('NotFound', () => getOf(store)(uri('nothing')))).uri, uri('nothing'), 'uri in the error')
  }],

  ['get fills the memory that it is offered, and is refused when an object is too large', async ({ store, uri }) => {
    if (store.get === undefined) return
    const expected = pattern(5000, 26)
    await store.put(uri('a'), expected)
    const memory = new Uint8Array(6000).fill(0xee)
    const asked: number[] = []
    const allocate = (length: number): Uint8Array => {
      asked.push(length)
      return memory.subarray(500, 500 + length)
    }
    const { bytes } = await getOf(store)(uri('a'), { allocate, maxBytes: 5000 })
    same(asked, [5000], 'lengths that were asked for')
    check(bytes.buffer === memory.buffer && bytes.byteOffset === memory.byteOffset + 500, 'the bytes are in the memory that was offered')
    sameBytes(bytes, expected)
    check(memory.every((byte, i) => (i >= 500 && i < 5500) || byte === 0xee), 'bytes beside the target stay')
    const error = await fails('Limit', () => getOf(store)(uri('a'), { allocate, maxBytes: 4999 }))
    equal(error.uri, uri('a'), 'uri in the error')
    equal(asked.length, 1, 'times that memory was asked for')
  }],

  ['get compares with the checksum that the store keeps', async ({ store, uri, has }) => {
    if (store.get === undefined || !has('verify')) return
    await store.put(uri('a'), pattern(40_000, 27))
    const { bytes, verified } = await getOf(store)(uri('a'), { verify: true })
    check(verified, 'the bytes were compared with a checksum')
    sameBytes(bytes, pattern(40_000, 27))
    check(Object.keys((await store.stat(uri('a'))).checksums ?? {}).length > 0, 'stat tells a checksum')
  }],

  ['a read that is aborted ends, and nothing is written afterwards', async ({ store, uri }) => {
    const bytes = pattern(4 << 20, 28)
    await store.put(uri('a'), bytes)
    await using(store.open(uri('a')), async (source) => {
      const controller = new AbortController()
      const reason = new Error('enough')
      const into = new Uint8Array(bytes.byteLength)
      const reading = source.read(0, into, { signal: controller.signal }).then(() => undefined, (error: unknown) => error)
      await Promise.resolve()
      controller.abort(reason)
      const error = await reading
      check(error === undefined || error === reason, `the read ends well or with the reason of the signal, got ${String(error)}`)
      into.fill(0xee)
      sameBytes(await readRange(source, 0, bytes.byteLength), bytes)
      check(into.every((byte) => byte === 0xee), 'memory of an aborted read is left alone')
    })
  }]
]
