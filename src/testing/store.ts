/**
 * What every store must do, as cases that any test runner can run. They need nothing but the store.
 *
 * ```ts
 * for (const { name, run } of storeConformance(() => ({ store: memoryStore(), prefix: 'mem://t/' }))) test(name, run)
 * ```
 */
import { isMillraceError, type ErrorKind, type MillraceError } from '../errors.js'
import type { ByteSource, ObjectMeta, Store } from '../store.js'
import type { ConformanceCase } from './case.js'

/** A store to test, and the place in it that belongs to one case. */
export interface StoreFixture {
  readonly store: Store
  /** What the URIs of the case begin with, ending in `/`. There is nothing below it. */
  readonly prefix: string
  /** How a name is written in a URI. Default: as it is. */
  readonly encode?: (name: string) => string
  /** Called after the case, also when it failed. */
  readonly dispose?: () => void | Promise<void>
}

/** The cases for a store that can write and list. `makeStore` is called once per case. */
export function storeConformance(makeStore: () => StoreFixture | Promise<StoreFixture>): ConformanceCase[] {
  return CASES.map(([name, body]) => ({
    name,
    async run() {
      const fixture = await makeStore()
      try {
        await body(kitOf(fixture))
      } finally {
        await fixture.dispose?.()
      }
    }
  }))
}

interface Kit {
  readonly store: Store
  readonly prefix: string
  readonly uri: (name: string) => string
  readonly list: (prefix?: string) => Promise<ObjectMeta[]>
}

const CASES: readonly (readonly [string, (kit: Kit) => Promise<void>])[] = [
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
    same(put, { uri: uri('a'), size: 77, version: put.version }, 'put')
    same(await store.stat(uri('a')), put, 'stat')
    same(await list(), [put], 'list')
    await using(store.open(uri('a')), async ({ uri: name, byteLength, version }) => {
      same({ uri: name, size: byteLength, version }, put, 'open')
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

  ['deleting is idempotent', async ({ store, uri, list }) => {
    const bytes = pattern(5000, 7)
    await store.put(uri('a'), bytes)
    await using(store.open(uri('a')), async (source) => {
      await store.delete(uri('a'))
      await store.delete(uri('a'))
      await fails('NotFound', () => store.open(uri('a')))
      await fails('NotFound', () => store.stat(uri('a')))
      equal((await list()).length, 0, 'objects listed')
      await oldOr(['Changed', 'NotFound'], readRange(source, 0, 5000), bytes)
    })
  }],

  ['bytes belong to the caller again when put and write resolve', async ({ store, uri }) => {
    const bytes = pattern(3000, 8)
    const scratch = bytes.slice()
    await store.put(uri('a'), scratch)
    scratch.fill(0)
    const writer = await store.createWriter(uri('b'))
    for (let i = 0; i < 3; i++) {
      scratch.set(bytes)
      await writer.write(scratch.subarray(i * 1000, i * 1000 + 1000))
      scratch.fill(0)
    }
    await writer.finalize()
    for (const name of ['a', 'b']) {
      await using(store.open(uri(name)), async (source) => sameBytes(await readRange(source, 0, 3000), bytes))
    }
  }],

  ['a listing has what begins with the prefix, at any depth, in the byte order of the URIs', async (kit) => {
    const { store, uri, prefix, list } = kit
    const names = ['a', 'b-1', 'b.1', 'b/1', 'b/2/deep/x', 'b/2-', 'b0', 'ba', 'c/1', 'Z', '_', 'é', '\u{1f600}', '\ufb01']
    for (const name of names) await store.put(uri(name), pattern(name.length, 9))
    const all = names.map(uri).sort(byBytes)
    const expected = (begin: string): string[] => all.filter((each) => each.startsWith(begin))
    for (const begin of [prefix, ...['b', 'b/', 'b/2', 'b/2/', 'c/1', 'a', 'nothing', 'b/1/'].map(uri)]) {
      same((await list(begin)).map((meta) => meta.uri), expected(begin), `list ${begin}`)
    }
  }],

  ['a listing comes in pages that are never empty, and may be left early', async ({ store, uri, prefix, list }) => {
    for (let i = 0; i < 40; i++) await store.put(uri(`n${i}`), new Uint8Array(1))
    let pages = 0
    for await (const page of store.list(prefix)) {
      check(page.length > 0, 'no page is empty')
      pages++
      break
    }
    equal(pages, 1, 'pages read')
    equal((await list()).length, 40, 'objects listed afterwards')
  }],

  ['a listing may leave out what is below a prefix that is not entered, and nothing else', async ({ store, uri, prefix }) => {
    for (const name of ['a', 'in/1', 'in/more/2', 'out/1', 'out/in/2', 'z']) await store.put(uri(name), new Uint8Array(1))
    const found: string[] = []
    for await (const page of store.list(prefix, { enter: (below) => !below.startsWith(uri('out/')) })) {
      found.push(...page.map((meta) => meta.uri))
    }
    same(found.filter((each) => !each.startsWith(uri('out/'))), ['a', 'in/1', 'in/more/2', 'z'].map(uri), 'entered')
  }],

  ['listing nothing gives no page', async ({ store, uri }) => {
    for await (const page of store.list(uri('nothing/here'))) check(false, `no page, got one of ${page.length}`)
  }],

  ['names are taken as they are', async ({ store, uri, list }) => {
    const names = ['a b', 'a%20b', 'a+b', 'a&b=c', '[x]', '{y}', '#', 'q?', '*', "it's", 'A', 'ü', 'ü'.normalize('NFD'), '...',
      'x'.repeat(200)]
    for (const [i, name] of names.entries()) await store.put(uri(name), pattern(10 + i, i))
    for (const [i, name] of names.entries()) {
      await using(store.open(uri(name)), async (source) => sameBytes(await readWhole(source), pattern(10 + i, i)))
    }
    same((await list()).map((meta) => meta.uri), names.map(uri).sort(byBytes), 'list')
  }],

  ['what cannot be a name is refused', async ({ store, uri }) => {
    const surrogate = uri('x') + '\ud800'
    for (const bad of [`${uri('x')}\0y`, surrogate]) {
      await fails('InvalidUri', () => store.open(bad))
      await fails('InvalidUri', () => store.put(bad, new Uint8Array(1)))
    }
  }],

  ['a writer shows nothing before it is finalized', async ({ store, uri, list }) => {
    const bytes = pattern(700_000, 10)
    const writer = await store.createWriter(uri('dir/w'))
    for (const [from, to] of [[0, 1], [1, 1], [1, 600_000], [600_000, 700_000]] as const) {
      await writer.write(bytes.subarray(from, to))
      await fails('NotFound', () => store.stat(uri('dir/w')))
      equal((await list()).length, 0, 'objects listed')
    }
    const meta = await writer.finalize()
    same(meta, await store.stat(uri('dir/w')), 'what finalize returned')
    await using(store.open(uri('dir/w')), async (source) => sameBytes(await readRange(source, 0, 700_000), bytes))
    await writer.abort()
    equal((await store.stat(uri('dir/w'))).size, 700_000, 'size after an abort that came too late')
    await fails('Closed', () => writer.write(bytes))
    await fails('Closed', () => writer.finalize())
  }],

  ['an aborted writer leaves nothing behind, and the old object as it was', async ({ store, uri, list }) => {
    const old = await store.put(uri('w'), pattern(10, 11))
    for (const name of ['w', 'new']) {
      const writer = await store.createWriter(uri(name))
      await writer.write(pattern(400_000, 12))
      await writer.abort()
      await writer.abort()
      await fails('Closed', () => writer.write(new Uint8Array(1)))
      await fails('Closed', () => writer.finalize())
    }
    same(await list(), [old], 'objects listed')
  }],

  ['writers of the same name do not disturb each other: the last to finish wins', async ({ store, uri, list }) => {
    const [a, b] = [await store.createWriter(uri('w')), await store.createWriter(uri('w'))]
    await Promise.all([a.write(pattern(1000, 13)), b.write(pattern(2000, 14))])
    await b.finalize()
    await a.finalize()
    await using(store.open(uri('w')), async (source) => sameBytes(await readWhole(source), pattern(1000, 13)))
    equal((await list()).length, 1, 'objects listed')
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

  ['an aborted signal rejects with its own reason and changes nothing', async ({ store, uri, prefix, list }) => {
    await store.put(uri('a'), pattern(10, 17))
    const reason = Object.assign(new Error('stop'), { code: 'ENOENT', syscall: 'open' })
    const signal = AbortSignal.abort(reason)
    await using(store.open(uri('a')), async (source) => {
      const calls: (() => Promise<unknown>)[] = [
        () => source.read(0, new Uint8Array(1), { signal }),
        () => store.open(uri('a'), { signal }),
        () => store.stat(uri('a'), { signal }),
        () => store.put(uri('b'), new Uint8Array(1), { signal }),
        () => store.createWriter(uri('b'), { signal }),
        () => store.delete(uri('a'), { signal }),
        async () => { for await (const page of store.list(prefix, { signal })) void page }
      ]
      for (const call of calls) check(await caught(call) === reason, `${String(call)} rejects with the reason of the signal`)
      await readRange(source, 0, 10)
    })
    same((await list()).map((meta) => meta.uri), [uri('a')], 'objects listed')
  }],

  ['a writer whose signal is aborted fails with the reason and leaves nothing', async ({ store, uri, list }) => {
    const controller = new AbortController()
    const reason = new Error('stop')
    const writer = await store.createWriter(uri('w'), { signal: controller.signal })
    await writer.write(pattern(500_000, 18))
    controller.abort(reason)
    check(await caught(() => writer.write(new Uint8Array(1))) === reason, 'write rejects with the reason')
    check(await caught(() => writer.finalize()) === reason, 'finalize rejects with the reason')
    await writer.abort()
    equal((await list()).length, 0, 'objects listed')
  }]
]

function kitOf({ store, prefix, encode = (name) => name }: StoreFixture): Kit {
  return {
    store,
    prefix,
    uri: (name) => prefix + name.split('/').map(encode).join('/'),
    async list(begin = prefix) {
      const found: ObjectMeta[] = []
      for await (const page of store.list(begin)) found.push(...page)
      return found
    }
  }
}

function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0, x = seed * 2654435761 + 12345; i < length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0
    bytes[i] = x >>> 16
  }
  return bytes
}

async function readRange(source: ByteSource, from: number, to: number): Promise<Uint8Array> {
  const into = new Uint8Array(to - from)
  await source.read(from, into)
  return into
}

function readWhole(source: ByteSource): Promise<Uint8Array> {
  return readRange(source, 0, source.byteLength)
}

async function using(opening: Promise<ByteSource>, body: (source: ByteSource) => unknown): Promise<void> {
  const source = await opening
  try {
    await body(source)
  } finally {
    await source.close()
  }
}

async function oldOr(kinds: readonly ErrorKind[], reading: Promise<Uint8Array>, old: Uint8Array): Promise<void> {
  const [result] = await Promise.allSettled([reading])
  if (result.status === 'fulfilled') sameBytes(result.value, old)
  else if (!kinds.some((kind) => isMillraceError(result.reason, kind))) throw result.reason
}

async function caught(body: () => Promise<unknown>): Promise<Error> {
  const [result] = await Promise.allSettled([body()])
  if (result.status === 'rejected') return result.reason as Error
  throw new Error('expected a rejection, but the call succeeded')
}

async function fails(kind: ErrorKind, body: () => Promise<unknown>): Promise<MillraceError> {
  const error: unknown = await caught(body)
  if (isMillraceError(error, kind)) return error
  throw new Error(`expected a MillraceError ${kind}, got ${String(error)}`, { cause: error })
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`expected: ${what}`)
}

function equal(actual: unknown, expected: unknown, what: string): void {
  check(Object.is(actual, expected), `${what} is ${String(expected)}, got ${String(actual)}`)
}

/** For plain data. The order of keys does not matter. */
function same(actual: unknown, expected: unknown, what: string): void {
  const sorted = (_: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value
  equal(JSON.stringify(actual, sorted), JSON.stringify(expected, sorted), what)
}

function sameBytes(actual: Uint8Array, expected: Uint8Array): void {
  equal(actual.byteLength, expected.byteLength, 'number of bytes')
  for (let i = 0; i < actual.byteLength; i++) {
    if (actual[i] !== expected[i]) throw new Error(`expected: byte ${i} is ${expected[i]}, got ${actual[i]}`)
  }
}

function byBytes(a: string, b: string): number {
  const [x, y] = [new TextEncoder().encode(a), new TextEncoder().encode(b)]
  const at = x.findIndex((byte, i) => byte !== y[i])
  return at < 0 ? x.length - y.length : (x[at] ?? 0) - (y[at] ?? -1)
}
