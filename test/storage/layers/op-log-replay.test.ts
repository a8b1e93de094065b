import { describe, expect, test } from '@jest/globals'
import { MillraceError } from '../../../src/errors.js'
import { logged, opLog } from '../../../src/storage/layers/op-log.js'
import { inOrderOfStart } from '../../../src/storage/layers/op-log-order.js'
import { replayOpLog } from '../../../src/storage/layers/op-log-replay.js'
import type { OpLogRow } from '../../../src/storage/layers/op-log-rows.js'
import { memoryStore } from '../../../src/storage/memory.js'
import { mulberry } from './random.js'
import { pattern, readObject, scripted, settled, untilAborted } from './scripted-store.js'

const row = (operation: string, start: number, more: Partial<OpLogRow> = {}): OpLogRow => ({
  index: start, thread: 0, operation, client: '', objects: 1, bytes: 0, endpoint: '', file: 'mem://a', error: '', start, firstByte: undefined, end: start + 5, duration: 5,
  offset: undefined, requests: 1, retries: 0, ...more
})

/** A clock that jumps to whatever is waited for. */
function jumping() {
  const clock = {
    time: 0,
    slept: [] as number[],
    now: () => clock.time,
    async sleep(milliseconds: number, signal: AbortSignal) {
      signal.throwIfAborted()
      clock.slept.push(milliseconds)
      clock.time += milliseconds
      await settled()
    }
  }
  return clock
}

async function filled() {
  const store = scripted(memoryStore(), { whole: true })
  await store.put('mem://a', pattern(1000, 1))
  store.calls.length = 0
  return store
}

describe('what is repeated', () => {
  test('what was logged: the same reads, stats and listings, from the log as it was written', async () => {
    const memory = memoryStore()
    const log = opLog('mem://log.gz', { store: memory })
    const first = await filled()
    const store = logged(first, log)
    await readObject(store, 'mem://a', 10, 60)
    await readObject(store, 'mem://a', 900, 1000)
    await store.get?.('mem://a')
    await store.stat('mem://a')
    await expect(store.stat('mem://no')).rejects.toThrow()
    for await (const page of store.list('mem://')) void page
    for await (const page of store.listDirectory?.('mem://') ?? []) void page
    await store.put('mem://b', pattern(10, 1))
    await log.close()

    const second = await filled()
    const summary = await replayOpLog('mem://log.gz', second, { from: memory, speed: Infinity, concurrency: 1 })
    expect(second.calls.filter(call => call.name !== 'close')).toEqual([
      { name: 'open', uri: 'mem://a' },
      { name: 'read', uri: 'mem://a', offset: 10, length: 50 },
      { name: 'read', uri: 'mem://a', offset: 900, length: 100 },
      { name: 'get', uri: 'mem://a' },
      { name: 'stat', uri: 'mem://a' }
    ])
    expect(second.named('close')).toHaveLength(1)
    expect(summary).toMatchObject({
      rows: 10, bytes: 1150, truncated: false,
      operations: {
        OPEN: { count: 2, failures: {} }, GET: { count: 3, bytes: 1150, recorded: { count: 3 }, replayed: { count: 3 } },
        STAT: { count: 1 }, LIST: { count: 1 }, LIST_DIRECTORY: { count: 1 }
      },
      skipped: { 'failed when it was recorded': 1, 'writes are not wanted': 1 }
    })
    await expect(second.stat('mem://b')).rejects.toMatchObject({ kind: 'NotFound' })
  })

  test('writes only when they are wanted, small and large, and deletes', async () => {
    const store = scripted(memoryStore())
    const rows = [row('PUT', 1, { bytes: 100 }), row('PUT', 2, { file: 'mem://big', bytes: 20_000_001 }), row('DELETE', 3), row('DELETE', 4, { objects: 5 }), row('COPY', 5), row('DROPPED', 6)]
    const summary = await replayOpLog(rows, store, { speed: Infinity, concurrency: 1, writes: true })
    expect(await store.stat('mem://big')).toMatchObject({ size: 20_000_001 })
    await expect(store.stat('mem://a')).rejects.toMatchObject({ kind: 'NotFound' })
    expect(summary.operations).toMatchObject({ PUT: { count: 2, bytes: 20_000_101 }, DELETE: { count: 1 } })
    expect(summary.skipped).toEqual({ 'DELETE of many: not in the log in full': 1, 'COPY: not in the log in full': 1, 'rows that the log left out': 1 })
  })

  test('names are mapped, or left out', async () => {
    const store = await filled()
    const summary = await replayOpLog([row('STAT', 1, { file: 'bucket/a' }), row('HEAD', 2, { file: 'bucket/b' })], store, {
      speed: Infinity, remap: ({ file }) => (file.endsWith('a') ? 'mem://a' : undefined)
    })
    expect(store.calls).toEqual([{ name: 'stat', uri: 'mem://a' }])
    expect(summary.skipped).toEqual({ 'mapped to nothing': 1 })
  })

  test('reads of other programs: ranges without offset begin at the beginning, and stores without get are read', async () => {
    const { get: _, ...plain } = await filled()
    const summary = await replayOpLog([row('GET', 1), row('GET_RANGE', 2, { bytes: 300 })], plain, { speed: Infinity, concurrency: 1 })
    expect(plain.calls.filter(call => call.name === 'read').map(call => call.length)).toEqual([1000, 300])
    expect(summary.bytes).toBe(1300)
  })

  test('failures are counted by kind, and the rest goes on', async () => {
    const store = await filled()
    const summary = await replayOpLog([row('GET', 1, { offset: 990, bytes: 20 }), row('STAT', 2, { file: 'mem://no' }), row('STAT', 3), row('GET', 4, { offset: 0, bytes: 1 })], store, { speed: Infinity, concurrency: 1 })
    expect(summary.operations).toMatchObject({ GET: { count: 2, bytes: 1, failures: { OutOfRange: 1 } }, STAT: { count: 2, failures: { NotFound: 1 } } })
    expect(store.named('open')).toHaveLength(store.named('close').length)
  })

  test('sources stay open, but not without end', async () => {
    const store = scripted(memoryStore())
    const rows: OpLogRow[] = []
    for (let i = 0; i < 600; i++) {
      await store.put(`mem://${i}`, new Uint8Array(1))
      rows.push(row('GET', i, { file: `mem://${i}`, offset: 0, bytes: 1 }))
    }
    let most = 0
    store.before = () => { most = Math.max(most, store.named('open').length - store.named('close').length) }
    const summary = await replayOpLog(rows, store, { speed: Infinity, concurrency: 8 })
    expect(summary.operations['GET']).toMatchObject({ count: 600, failures: {} })
    expect(most).toBeGreaterThan(200)
    expect(most).toBeLessThan(280)
    expect(store.named('close')).toHaveLength(600)
  })

  test('a log that is cut off is repeated as far as it goes', async () => {
    const memory = memoryStore()
    const log = opLog('mem://log', { store: memory })
    const inner = await filled()
    const store = logged(inner, log)
    for (let i = 0; i < 5; i++) await store.stat('mem://a')
    await log.close()
    const bytes = (await memory.get?.('mem://log'))?.bytes ?? new Uint8Array()
    await memory.put('mem://log', bytes.subarray(0, -3))
    expect(await replayOpLog('mem://log', inner, { from: memory, speed: Infinity })).toMatchObject({ rows: 4, truncated: true, operations: { STAT: { count: 4 } } })
    await memory.put('mem://log', bytes.fill(0x20, 200, 230))
    await expect(replayOpLog('mem://log', inner, { from: memory, speed: Infinity })).rejects.toBeInstanceOf(MillraceError)
  })
})

describe('when', () => {
  test('at the times that were recorded, in the order of the starts', async () => {
    const store = await filled()
    const clock = jumping()
    const at: number[] = []
    store.before = () => void at.push(clock.time)
    const rows = [1000, 1300, 1200, 1100, 1500].map(start => row('STAT', start))
    const summary = await replayOpLog(rows, store, {}, clock)
    expect(at).toEqual([0, 100, 200, 300, 500])
    expect(summary).toMatchObject({ recordedElapsed: 505, elapsed: 500, lateness: { count: 5, max: 0 } })
  })

  test('faster by a factor, or as fast as can be', async () => {
    const rows = [1000, 1100, 1200].map(start => row('STAT', start))
    const clock = jumping()
    await replayOpLog(rows, await filled(), { speed: 4 }, clock)
    expect(clock.time).toBe(50)
    const still = jumping()
    const summary = await replayOpLog(rows, await filled(), { speed: Infinity }, still)
    expect(still.slept).toEqual([])
    expect(summary.lateness.count).toBe(0)
  })

  test('never more at once than wanted; those that have to wait are late', async () => {
    const store = await filled()
    const clock = jumping()
    let [now, most] = [0, 0]
    store.before = async () => {
      most = Math.max(most, ++now)
      await settled()
      clock.time += 10
      now--
    }
    const summary = await replayOpLog(Array.from({ length: 12 }, () => row('STAT', 1000)), store, { concurrency: 3 }, clock)
    expect(most).toBe(3)
    expect(summary.lateness).toMatchObject({ count: 12, min: 0 })
    expect(summary.lateness.max).toBeGreaterThanOrEqual(30)
  })

  test('rows are ordered within what is held back, in bounded memory', async () => {
    const random = mulberry(5)
    const rows = Array.from({ length: 5000 }, (_, i) => row('STAT', i, { end: i + random() * 40 })).sort((a, b) => a.end - b.end)
    const found: number[] = []
    for await (const each of inOrderOfStart(rows, 100)) found.push(each.start)
    expect(found).toEqual(Array.from({ length: 5000 }, (_, i) => i))
    let taken = 0
    const counting = function* () { for (const each of rows) { taken++; yield each } }
    for await (const each of inOrderOfStart(counting(), 10)) {
      expect(each.start).toBeLessThan(50)
      break
    }
    expect(taken).toBe(11)
  })
})

describe('stopping', () => {
  test('an abort ends what is under way, and rejects with its reason', async () => {
    const store = await filled()
    const controller = new AbortController()
    let ended = 0
    store.before = (_, signal) => untilAborted(signal).finally(() => ended++)
    const replaying = replayOpLog(Array.from({ length: 100 }, (_, i) => row('STAT', i)), store, { speed: Infinity, concurrency: 4, signal: controller.signal })
    const failed = expect(replaying).rejects.toThrow('stop')
    await settled()
    controller.abort(new Error('stop'))
    await failed
    expect(ended).toBe(4)
    expect(store.calls).toHaveLength(4)
    await expect(replayOpLog([row('STAT', 1)], store, { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
  })

  test('rows that cannot be had end it with their error, when nothing is under way any more', async () => {
    const store = await filled()
    let ended = 0
    store.before = (_, signal) => untilAborted(signal).finally(() => ended++)
    const failing = async function* () {
      for (let i = 0; i < 10_002; i++) yield row('STAT', i)
      throw new MillraceError('Unavailable', 'the log is gone')
    }
    await expect(replayOpLog(failing(), store, { speed: Infinity })).rejects.toMatchObject({ kind: 'Unavailable' })
    expect(ended).toBe(store.calls.length)
  })

  test('nothing is done for an empty log, and options are checked', async () => {
    expect(await replayOpLog([], memoryStore())).toMatchObject({ rows: 0, operations: {}, recordedElapsed: 0 })
    for (const options of [{ speed: 0 }, { speed: Number.NaN }, { concurrency: 0 }]) await expect(replayOpLog([], memoryStore(), options)).rejects.toThrow(RangeError)
    for (const options of [{ remap: 'x' }, { fast: true }]) await expect(replayOpLog([], memoryStore(), options as object)).rejects.toThrow(TypeError)
  })
})
