import { describe, expect, test } from '@jest/globals'
import { MillraceError, type ErrorKind } from '../../../src/errors.js'
import { multiEndpoint, type MultiEndpointOptions, type MultiEndpointStore } from '../../../src/storage/layers/multi-endpoint.js'
import { memoryStore, type MemoryStore } from '../../../src/storage/memory.js'
import type { ObjectMeta, Store } from '../../../src/store.js'
import { storeConformance } from '../../../src/testing/store.js'
import { gate, pattern, readObject, readRange, same, scripted, settled, untilAborted, type Call, type ScriptedStore } from './scripted-store.js'

const A = 'mem://a'
const down = (kind: ErrorKind = 'Unavailable'): MillraceError => new MillraceError(kind, 'down')

interface Setting {
  readonly nodes: ScriptedStore[]
  readonly store: MultiEndpointStore
  readonly shared: MemoryStore
  readonly clock: { time: number; now(): number }
  /** How many calls of that name each endpoint got. */
  counts(name: string): number[]
}

/** Several endpoints of one memory. */
async function setUp(count: number, options: MultiEndpointOptions = {}): Promise<Setting> {
  const shared = memoryStore()
  await shared.put(A, pattern(1000, 1))
  const nodes = Array.from({ length: count }, (_, i) => scripted(shared, { endpoint: `host:${i}`, whole: true }))
  const clock = { time: 0, now: () => clock.time }
  return { nodes, shared, clock, store: multiEndpoint(nodes, options, clock), counts: name => nodes.map(node => node.named(name).length) }
}

const failing = (kind: ErrorKind, ...names: string[]) => (call: Call): void => {
  if (names.length === 0 || names.includes(call.name)) throw down(kind)
}

describe('conformance', () => {
  for (const policy of ['round-robin', 'least-connections'] as const) {
    describe(policy, () => {
      for (const { name, run } of storeConformance(() => {
        const shared = memoryStore()
        return { store: multiEndpoint([shared, { ...shared }, { ...shared }], { policy }), prefix: 'mem://t/', lacks: ['verify'] }
      })) test(name, run)
    })
  }
})

describe('spreading', () => {
  test('in turn, every endpoint gets its share, of the reads of one object too', async () => {
    const { store, counts } = await setUp(3)
    for (let i = 0; i < 9; i++) await store.stat(A)
    expect(counts('stat')).toEqual([3, 3, 3])
    const source = await store.open(A)
    await Promise.all(Array.from({ length: 30 }, (_, i) => readRange(source, i, i + 10)))
    expect(counts('read')).toEqual([10, 10, 10])
    expect(counts('open')).toEqual([1, 1, 1])
    await source.close()
    expect(counts('close')).toEqual([1, 1, 1])
    await Promise.all(Array.from({ length: 6 }, () => store.get?.(A)))
    expect(counts('get')).toEqual([2, 2, 2])
    expect(store.endpoints()).toMatchObject([{ requests: 16, active: 0, failures: 0, pausedFor: 0 }, { active: 0 }, { active: 0 }])
  })

  test('or to the one with the fewest under way', async () => {
    const { store, nodes, counts } = await setUp(2, { policy: 'least-connections' })
    const { opened, open } = gate()
    ;(nodes[0] as ScriptedStore).before = () => opened
    const slow = store.stat(A)
    await settled()
    for (let i = 0; i < 5; i++) await store.stat(A)
    expect(counts('stat')).toEqual([1, 5])
    expect(store.endpoints().map(({ active }) => active)).toEqual([1, 0])
    open()
    await slow
    for (let i = 0; i < 4; i++) await store.stat(A)
    expect(counts('stat')).toEqual([3, 7])
  })

  test('writes, deletes and copies go to the first', async () => {
    const { store, counts } = await setUp(3)
    for (let i = 0; i < 4; i++) await store.put(`mem://${i}`, new Uint8Array(1))
    await store.delete('mem://0')
    await (await store.createWriter('mem://w')).finalize()
    await store.copy?.('mem://1', 'mem://c')
    expect(counts('put')).toEqual([4, 0, 0])
    expect(counts('delete')).toEqual([1, 0, 0])
    expect(store.endpoints().map(({ requests }) => requests)).toEqual([7, 0, 0])
  })

  test('is as capable as all together', async () => {
    const [one, two] = [memoryStore(), memoryStore()]
    const capable = (store: Store, idealRequests: number | undefined): Store => ({ ...store, capabilities: { write: true, list: true, idealRange: 100, idealRequests } })
    expect(multiEndpoint([capable(one, 64), capable(two, undefined)]).capabilities).toEqual({ write: true, list: true, idealRange: 100, idealRequests: 65 })
    const { get: _, listDirectory: __, ...less } = two
    const store = multiEndpoint([one, less])
    expect([store.get, store.listDirectory]).toEqual([undefined, undefined])
    expect(store.copy).toBeInstanceOf(Function)
  })
})

describe('failover', () => {
  test.each(['Unavailable', 'Timeout', 'Throttled', 'ShortRead', 'WrongRange', 'RangeIgnored'] as const)('what fails with %s is asked of the next', async kind => {
    const { store, nodes, counts } = await setUp(3)
    ;(nodes[0] as ScriptedStore).before = failing(kind)
    const source = await store.open(A)
    for (let i = 0; i < 6; i++) expect(same(await readRange(source, 0, 1000), pattern(1000, 1))).toBe(true)
    expect((await store.stat(A)).size).toBe(1000)
    expect(same((await store.get?.(A))?.bytes ?? new Uint8Array(), pattern(1000, 1))).toBe(true)
    expect(counts('read')[0]).toBe(0)
    await source.close()
    expect(store.endpoints()[0]?.failures).toBeGreaterThan(0)
  })

  test.each(['NotFound', 'Denied', 'OutOfRange', 'Corrupt'] as const)('what fails with %s is not', async kind => {
    const { store, nodes, counts } = await setUp(3)
    ;(nodes[0] as ScriptedStore).before = failing(kind)
    await expect(store.stat(A)).rejects.toMatchObject({ kind })
    expect(counts('stat')).toEqual([1, 0, 0])
  })

  test('in the middle of reading, from the same version, with right bytes', async () => {
    const { store, nodes } = await setUp(2)
    const source = await store.open(A)
    let reads = 0
    for (const node of nodes) node.before = call => { if (call.name === 'read' && reads++ % 3 === 0) throw down('Timeout') }
    for (let i = 0; i < 20; i++) expect(same(await readRange(source, i, 900), pattern(1000, 1).subarray(i, 900))).toBe(true)
    await source.close()
  })

  test('when no endpoint can, the last failure is told', async () => {
    const { store, nodes, counts } = await setUp(3)
    nodes.forEach((node, i) => { node.before = () => { throw new MillraceError('Unavailable', `down ${i}`) } })
    await expect(store.stat(A)).rejects.toThrow('down 2')
    expect(counts('stat')).toEqual([1, 1, 1])
    await expect(store.stat(A)).rejects.toMatchObject({ kind: 'Unavailable' }) // though all are paused
    expect(counts('stat')).toEqual([2, 2, 2])
  })

  test('may be turned off', async () => {
    const { store, nodes, counts } = await setUp(2, { failover: false })
    ;(nodes[0] as ScriptedStore).before = failing('Unavailable')
    await expect(store.stat(A)).rejects.toMatchObject({ kind: 'Unavailable' })
    expect(counts('stat')).toEqual([1, 0])
    await expect((async () => { for await (const page of store.list('mem://')) void page })()).resolves.toBe(undefined) // at the second
  })

  test('writes fail as the first endpoint does', async () => {
    const { store, nodes, counts } = await setUp(2)
    ;(nodes[0] as ScriptedStore).before = failing('Unavailable')
    await expect(store.put(A, new Uint8Array(1))).rejects.toMatchObject({ kind: 'Unavailable' })
    expect(counts('put')).toEqual([1, 0])
  })

  test('one who gives up does not make an endpoint bad', async () => {
    const { store, nodes } = await setUp(2)
    for (const node of nodes) node.before = (_, signal) => untilAborted(signal).catch(() => { throw down() })
    const controller = new AbortController()
    const asking = store.stat(A, { signal: controller.signal })
    const failed = expect(asking).rejects.toMatchObject({ kind: 'Unavailable' })
    await settled()
    controller.abort(new Error('stop'))
    await failed
    expect(store.endpoints()).toMatchObject([{ failures: 0, pausedFor: 0 }, { requests: 0 }])
  })
})

describe('pauses', () => {
  test('an endpoint that could not be reached is left alone, each time longer, then one asks whether it is there again', async () => {
    const { store, nodes, clock, counts } = await setUp(2, { pause: 1000 })
    const [bad] = nodes as [ScriptedStore]
    bad.before = failing('Unavailable')
    const asked = async (times = 4): Promise<number> => {
      const before = counts('stat')[0] as number
      for (let i = 0; i < times; i++) await store.stat(A)
      return (counts('stat')[0] as number) - before
    }
    expect(await asked()).toBe(1)
    expect(store.endpoints()[0]).toMatchObject({ failures: 1, pausedFor: 1000 })
    clock.time = 999
    expect(await asked()).toBe(0)
    clock.time = 1000
    expect(await asked()).toBe(1)
    expect(store.endpoints()[0]).toMatchObject({ pausedFor: 2000 })
    clock.time = 2999
    expect(await asked()).toBe(0)
    clock.time = 3000
    bad.before = () => undefined
    expect(await asked()).toBe(2)
    expect(store.endpoints()[0]).toMatchObject({ pausedFor: 0, failures: 2 })
    for (let i = 0; i < 40; i++) {
      bad.before = failing('Timeout')
      await asked()
      clock.time += store.endpoints()[0]?.pausedFor ?? 0
    }
    await asked()
    expect(store.endpoints()[0]?.pausedFor).toBe(16_000)
  })

  test('while one finds out, the others go elsewhere', async () => {
    const { store, nodes, clock, counts } = await setUp(2, { pause: 1000 })
    const [bad] = nodes as [ScriptedStore]
    bad.before = failing('Unavailable')
    await store.stat(A)
    clock.time = 1000
    const { opened, open } = gate()
    bad.before = () => opened
    const probes = Array.from({ length: 10 }, () => store.stat(A))
    await settled()
    expect(counts('stat')).toEqual([2, 10])
    open()
    await Promise.all(probes)
    await Promise.all(Array.from({ length: 10 }, () => store.stat(A)))
    expect(counts('stat')).toEqual([7, 15])
  })

  test('many that fail at once are one failure', async () => {
    const { store, nodes } = await setUp(2, { pause: 1000 })
    const [bad] = nodes as [ScriptedStore]
    const { opened, open } = gate()
    bad.before = async () => {
      await opened
      throw down()
    }
    const all = Array.from({ length: 20 }, () => store.stat(A))
    await settled()
    open()
    await Promise.all(all)
    expect(store.endpoints()[0]).toMatchObject({ failures: 10, pausedFor: 1000 })
  })

  test('one that asks to slow down is not paused', async () => {
    const { store, nodes, counts } = await setUp(2)
    ;(nodes[0] as ScriptedStore).before = failing('Throttled')
    for (let i = 0; i < 4; i++) await store.stat(A)
    expect(store.endpoints()[0]).toMatchObject({ pausedFor: 0 })
    expect(counts('stat')[0]).toBeGreaterThan(1)
  })
})

describe('versions', () => {
  /** Endpoints with memories of their own. */
  async function apart(...objects: (Uint8Array | undefined)[]): Promise<{ stores: ScriptedStore[]; store: MultiEndpointStore; metas: (ObjectMeta | undefined)[] }> {
    const memories = objects.map((_, i) => ({ memory: memoryStore(), i }))
    const metas: (ObjectMeta | undefined)[] = []
    for (const { memory, i } of memories) {
      for (let k = 0; k < i; k++) await memory.put('mem://other', new Uint8Array(1)) // versions of their own
      const bytes = objects[i]
      metas.push(bytes === undefined ? undefined : await memory.put(A, bytes))
    }
    const stores = memories.map(({ memory }) => scripted(memory, { whole: true }))
    return { stores, metas, store: multiEndpoint(stores) }
  }

  test('endpoints with another version, or without the object, are not asked any more, and never mixed', async () => {
    const { store, stores } = await apart(pattern(1000, 1), pattern(1000, 2), undefined)
    const source = await store.open(A)
    for (let i = 0; i < 12; i++) expect(same(await readRange(source, i, i + 100), pattern(1000, 1).subarray(i, i + 100))).toBe(true)
    expect(stores.map(each => each.named('read').length)).toEqual([12, 0, 0])
    expect(stores.map(each => each.named('open').length)).toEqual([1, 1, 1])
    expect(store.endpoints().map(({ otherVersions, failures }) => [otherVersions, failures])).toEqual([[0, 0], [1, 0], [1, 0]])
    await source.close()
  })

  test('nor with stores that do not look at what is known', async () => {
    const { stores } = await apart(pattern(1000, 1), pattern(1000, 2))
    const careless = stores.map((each): Store => ({ ...each, open: (uri, { known: _, ...rest } = {}) => each.open(uri, rest) }))
    const source = await multiEndpoint(careless).open(A)
    for (let i = 0; i < 4; i++) expect(same(await readRange(source, 0, 1000), pattern(1000, 1))).toBe(true)
    await source.close()
    expect(stores.map(each => each.named('close').length)).toEqual([1, 1])
  })

  test('when no endpoint has the version any more it is Changed, now and later', async () => {
    const { store, stores } = await apart(pattern(1000, 1), pattern(1000, 2))
    const source = await store.open(A)
    ;(stores[0] as ScriptedStore).before = failing('Changed', 'read')
    await expect(readRange(source, 0, 10)).rejects.toMatchObject({ kind: 'Changed' })
    await expect(readRange(source, 0, 10)).rejects.toMatchObject({ kind: 'Changed', uri: A })
    await source.close()
    expect(stores.map(each => [each.named('read').length, each.named('close').length])).toEqual([[1, 1], [0, 0]])
  })

  test('that the only endpoint with the version cannot be reached is not Changed, and it is asked again', async () => {
    const { store, stores } = await apart(pattern(1000, 1), pattern(1000, 2))
    const source = await store.open(A)
    ;(stores[0] as ScriptedStore).before = failing('Unavailable', 'read')
    await store.stat('mem://other') // so that the first endpoint is asked first
    await expect(readRange(source, 0, 10)).rejects.toMatchObject({ kind: 'Unavailable' })
    expect(stores.map(each => each.named('open').length)).toEqual([1, 1])
    ;(stores[0] as ScriptedStore).before = () => undefined
    expect(same(await readRange(source, 0, 10), pattern(1000, 1).subarray(0, 10))).toBe(true)
    await source.close()
  })

  test('a known version is looked for at every endpoint', async () => {
    const { store, metas } = await apart(pattern(1000, 1), undefined, pattern(1000, 3))
    const known = metas[2] as ObjectMeta
    for (let i = 0; i < 4; i++) {
      expect(same((await store.get?.(A, { known }))?.bytes ?? new Uint8Array(), pattern(1000, 3))).toBe(true)
      const source = await store.open(A, { known })
      expect(same(await readRange(source, 0, 1000), pattern(1000, 3))).toBe(true)
      await source.close()
    }
    await expect(store.open(A, { known: { ...known, version: 'none' } })).rejects.toMatchObject({ name: 'MillraceError' })
  })
})

describe('listings', () => {
  test('go on at the next endpoint where they broke, without gaps and repetitions', async () => {
    const { store, nodes, shared } = await setUp(3)
    for (let i = 0; i < 2500; i++) await shared.put(`mem://${String(i * 7919 % 2500).padStart(4, '0')}`, new Uint8Array(1))
    let broken = 0
    nodes.slice(0, 2).forEach((node, i) => {
      const { list } = shared
      node.list = async function* (prefix, options) {
        let page = 0
        for await (const each of list(prefix, options)) {
          yield each
          if (page++ === i) {
            broken++
            throw down()
          }
        }
      }
    })
    const found: string[] = []
    for await (const page of multiEndpoint(nodes).list('mem://')) {
      expect(page.length).toBeGreaterThan(0)
      found.push(...page.map(({ uri }) => uri))
    }
    expect(broken).toBe(2)
    expect(found).toHaveLength(2501)
    expect(new Set(found).size).toBe(2501)
    expect(found).toEqual([...found].sort())
    await store.close()
  })

  test('of directories do so only before the first page', async () => {
    const { nodes } = await setUp(2)
    const [bad] = nodes as [ScriptedStore, ScriptedStore]
    const pages = async (): Promise<number> => {
      let count = 0
      for await (const page of multiEndpoint(nodes).listDirectory?.('mem://') ?? []) count += page.objects.length
      return count
    }
    bad.listDirectory = async function* () { throw down() }
    expect(await pages()).toBe(1)
    bad.listDirectory = async function* () {
      yield { objects: [], prefixes: ['mem://x/'] }
      throw down()
    }
    await expect(pages()).rejects.toMatchObject({ kind: 'Unavailable' })
  })

  test('that are left early count as done', async () => {
    const { store } = await setUp(2)
    for await (const page of store.list('mem://')) {
      expect(page).toHaveLength(1)
      break
    }
    expect(store.endpoints()).toMatchObject([{ requests: 1, active: 0, failures: 0 }, { requests: 0 }])
  })
})

describe('the end', () => {
  test('closing closes all, and is the end of everything', async () => {
    let closed = 0
    const make = (): Store => ({ ...memoryStore(), close: async () => void closed++ })
    const store = multiEndpoint([make(), make()])
    await store.put(A, new Uint8Array(1))
    await Promise.all([store.close(), store.close()])
    expect(closed).toBe(2)
    for (const call of [() => store.stat(A), () => store.put(A, new Uint8Array(1)), () => readObject(store, A)]) await expect(call()).rejects.toMatchObject({ kind: 'Closed' })
  })

  test('one reader that gives up while an endpoint is opened does not disturb the others', async () => {
    const { store, nodes } = await setUp(2)
    const source = await store.open(A)
    const { opened, open } = gate()
    ;(nodes[1] as ScriptedStore).before = call => call.name === 'open' ? opened : undefined
    const controller = new AbortController()
    const givesUp = readRange(source, 0, 10, controller.signal) // at the second endpoint
    await readRange(source, 0, 10)
    const stays = readRange(source, 0, 10)
    controller.abort(new Error('stop'))
    await expect(givesUp).rejects.toThrow('stop')
    open()
    expect(same(await stays, pattern(1000, 1).subarray(0, 10))).toBe(true)
    expect(nodes[1]?.named('open')).toHaveLength(1)
    await source.close()
  })
})

test('options and stores are checked at the call', () => {
  expect(() => multiEndpoint([])).toThrow(RangeError)
  expect(() => multiEndpoint([memoryStore(), { ...memoryStore(), scheme: 's3' }])).toThrow(/mem:\/\/ and s3:\/\//)
  for (const options of [{ policy: 'random' }, { failover: 1 }, { retries: 3 }]) expect(() => multiEndpoint([memoryStore()], options as object)).toThrow(TypeError)
  for (const pause of [-1, 0.5]) expect(() => multiEndpoint([memoryStore()], { pause })).toThrow(RangeError)
})
