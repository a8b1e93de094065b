import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import zlib from 'node:zlib'
import { MillraceError } from '../../../src/errors.js'
import type { OperationRecord } from '../../../src/storage/layers/observe.js'
import { logged, opLog } from '../../../src/storage/layers/op-log.js'
import { readOpLog } from '../../../src/storage/layers/op-log-read.js'
import { rowParser, timeOf, writeRow, type OpLogRow } from '../../../src/storage/layers/op-log-rows.js'
import { memoryStore } from '../../../src/storage/memory.js'
import type { Store } from '../../../src/store.js'
import { storeConformance } from '../../../src/testing/store.js'
import { mulberry } from './random.js'
import { gate, pattern, readObject, scripted, settled } from './scripted-store.js'

const A = 'mem://a'
let folder: string
let files = 0
beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), 'millrace-log-')) })
afterAll(() => rm(folder, { recursive: true, force: true }))
const file = (ending: string): string => join(folder, `${files++}${ending}`)

async function rowsOf(uri: string, store?: Store): Promise<OpLogRow[]> {
  const rows: OpLogRow[] = []
  for await (const row of readOpLog(uri, { store })) rows.push(row)
  return rows
}

const record = (i: number): OperationRecord => ({
  operation: 'read', uri: `mem://${i}`, offset: i, objects: 1, bytes: 10, start: i, firstByte: i + 1, end: i + 2, failed: false, error: undefined, requests: 1, retries: 0, endpoint: 'host:1'
})

describe('logged', () => {
  const log = opLog('mem://log', { store: memoryStore() })
  for (const { name, run } of storeConformance(() => ({ store: logged(memoryStore(), log), prefix: 'mem://t/', lacks: ['verify'] }))) test(name, run)

  test('writes a row for each operation, with what it took', async () => {
    const to = file('.tsv')
    const log = opLog(to, { client: 'me' })
    const inner = scripted(memoryStore(), { endpoint: 'host:9', whole: true })
    const store = logged(inner, log)
    const begun = Date.now()
    await store.put(A, pattern(1000, 1))
    await readObject(store, A, 100, 350)
    await store.get?.(A)
    await expect(store.stat('mem://nothing')).rejects.toThrow()
    const writer = await store.createWriter('mem://b')
    await writer.write(pattern(77, 1))
    await writer.finalize()
    for await (const page of store.list('mem://')) void page
    await store.delete(A)
    expect(await log.close()).toEqual({ rows: 8, dropped: 0, waiting: 0 })

    const text = await readFile(to, 'utf8')
    const lines = text.split('\n')
    expect(lines[0]).toBe('idx\tthread\top\tclient_id\tn_objects\tbytes\tendpoint\tfile\terror\tstart\tfirst_byte\tend\tduration_ns\toffset\trequests\tretries')
    expect(lines[1]).toMatch(/^0\t0\tPUT\tme\t1\t1000\thost:9\tmem:\/\/a\t\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\t\t[^\t]+Z\t\d+\t\t1\t0$/)
    expect(lines).toHaveLength(10)
    const rows = await rowsOf(to)
    expect(rows.map(({ operation, file: uri, bytes, objects, offset, error }) => [operation, uri, bytes, objects, offset, error.split(':')[0]])).toEqual([
      ['PUT', A, 1000, 1, undefined, ''],
      ['OPEN', A, 0, 1, undefined, ''],
      ['GET', A, 250, 1, 100, ''],
      ['GET', A, 1000, 1, undefined, ''],
      ['STAT', 'mem://nothing', 0, 0, undefined, 'NotFound'],
      ['PUT', 'mem://b', 77, 1, undefined, ''],
      ['LIST', 'mem://', 0, 2, undefined, ''],
      ['DELETE', A, 0, 1, undefined, '']
    ])
    for (const { start, end, client } of rows) {
      expect(client).toBe('me')
      expect(start).toBeGreaterThan(begun - 1000)
      expect(end).toBeGreaterThanOrEqual(start)
      expect(end).toBeLessThan(Date.now() + 1000)
    }
    expect(rows.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  test('writes no secrets: neither those of URIs nor those of what others throw', async () => {
    const to = file('.tsv')
    const log = opLog(to)
    const inner = memoryStore()
    const secret = 'sig=SECRET'
    const failing = (error: Error): Store => ({ ...inner, scheme: 'https', stat: () => Promise.reject(error), delete: () => Promise.reject(error) })
    const uri = `https://user:SECRET@host/a?${secret}`
    await logged(failing(new Error(`connect to ${uri} failed`)), log).stat(uri).catch(() => undefined)
    await logged(failing(new MillraceError('Denied', 'stat https://host/a: no', { uri: 'https://host/a' })), log).stat(uri).catch(() => undefined)
    await logged(failing(Object.assign(new Error('SECRET'), { name: 'SECRET in a name' })), log).delete(uri).catch(() => undefined)
    const stop = AbortSignal.abort(new Error('SECRET'))
    await logged(inner, log).stat(A, { signal: stop }).catch(() => undefined)
    await log.close()
    const text = await readFile(to, 'utf8')
    expect(text).not.toContain('SECRET')
    expect((await rowsOf(to)).map(({ file: uri, error }) => [uri, error])).toEqual([
      ['https://host/a', 'Error'], ['https://host/a', 'Denied: stat https://host/a: no'], ['https://host/a', 'other'], [A, 'Error']
    ])
  })

  test('one log serves several stores', async () => {
    const to = file('.tsv')
    const log = opLog(to)
    const stores = [logged(memoryStore(), log), logged(memoryStore(), log)]
    await Promise.all(stores.map((store, i) => store.put(`mem://${i}`, new Uint8Array(1))))
    await log.close()
    expect((await rowsOf(to)).map(row => row.file).sort()).toEqual(['mem://0', 'mem://1'])
  })
})

describe('where it goes', () => {
  test('a local file grows while the log is open', async () => {
    const to = file('.tsv')
    const log = opLog(to)
    await log.flush()
    expect(await readFile(to, 'utf8')).toMatch(/^idx\t.*\n$/)
    log.ended(record(1))
    await log.flush()
    expect(await rowsOf(to)).toHaveLength(1)
    await log.close()
  })

  test('rows are written without being asked to, after a short while', async () => {
    const to = file('.tsv')
    const log = opLog(to)
    log.ended(record(1))
    const started = performance.now()
    while (log.stats().rows === 0) {
      if (performance.now() - started > 5000) throw new Error('nothing was written')
      await settled()
    }
    expect(await rowsOf(to)).toHaveLength(1)
    await log.close()
  })

  test('.gz is gzip', async () => {
    const to = file('.tsv.gz')
    const log = opLog(to)
    for (let i = 0; i < 10_000; i++) log.ended(record(i))
    await log.close()
    const packed = await readFile(to)
    const text = zlib.gunzipSync(packed).toString()
    expect(text.split('\n')).toHaveLength(10_002)
    expect(packed.length).toBeLessThan(text.length / 4)
    expect(await rowsOf(to)).toHaveLength(10_000)
  })

  test('.zst is zstd where there is that, and refused at the call where there is not', async () => {
    const { createZstdCompress } = zlib as { createZstdCompress?: unknown }
    if (createZstdCompress === undefined) {
      expect(() => opLog(file('.tsv.zst'))).toThrow(expect.objectContaining({ kind: 'Unsupported' }))
      const memory = memoryStore()
      await memory.put('mem://log', new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0]))
      await expect(rowsOf('mem://log', memory)).rejects.toMatchObject({ kind: 'Unsupported', uri: 'mem://log' })
      return
    }
    const to = file('.tsv.zst')
    const log = opLog(to)
    for (let i = 0; i < 1000; i++) log.ended(record(i))
    await log.close()
    expect(await rowsOf(to)).toHaveLength(1000)
  })

  test('in a store it appears when it is closed', async () => {
    const memory = memoryStore()
    const log = opLog('mem://logs/1.tsv.gz', { store: memory })
    log.ended(record(1))
    await log.flush()
    await expect(memory.stat('mem://logs/1.tsv.gz')).rejects.toMatchObject({ kind: 'NotFound' })
    await log.close()
    expect(await rowsOf('mem://logs/1.tsv.gz', memory)).toMatchObject([{ file: 'mem://1', firstByte: expect.any(Number) }])
  })

  test('compression may be given', async () => {
    const memory = memoryStore()
    const log = opLog('mem://log', { store: memory, compression: 'gzip' })
    await log.close()
    expect((await memory.get?.('mem://log'))?.bytes.subarray(0, 2)).toEqual(new Uint8Array([0x1f, 0x8b]))
  })

  test('a log that cannot be written does no harm to the store, and says so', async () => {
    for (const compression of ['none', 'gzip'] as const) {
      for (const what of ['open', 'write', 'finalize'] as const) {
        const memory = memoryStore()
        let aborted = 0
        const target: Store = {
          ...memory,
          async createWriter(uri) {
            if (what === 'open') throw new MillraceError('Denied', 'no')
            const writer = await memory.createWriter(uri)
            let writes = 0
            return {
              async write(bytes) {
                if (what === 'write' && writes++ > (compression === 'none' ? 0 : -1)) throw new MillraceError('Limit', 'full')
                await writer.write(bytes)
              },
              finalize: () => what === 'finalize' ? Promise.reject(new MillraceError('Unavailable', 'down')) : writer.finalize(),
              async abort() {
                aborted++
                await writer.abort()
              }
            }
          }
        }
        const log = opLog('mem://log', { store: target, compression })
        const store = logged(memoryStore(), log)
        for (let i = 0; i < 1000; i++) await store.put(A, new Uint8Array(1))
        await log.flush().catch(() => undefined)
        await store.put(A, new Uint8Array(1))
        await expect(log.close()).rejects.toMatchObject({ kind: 'Unavailable', cause: { kind: { open: 'Denied', write: 'Limit', finalize: 'Unavailable' }[what] } })
        const { rows, dropped, waiting } = log.stats()
        expect([rows + dropped, waiting]).toEqual([1001, 0])
        if (what === 'open') expect(dropped).toBe(1001)
        else expect(aborted).toBe(1)
      }
    }
  })
})

test('a target that fails does not make what compresses wait for ever', async () => {
  const memory = memoryStore()
  const target: Store = {
    ...memory,
    createWriter: async uri => ({ ...await memory.createWriter(uri), write: () => Promise.reject(new MillraceError('Limit', 'full')) })
  }
  const log = opLog('mem://log', { store: target, compression: 'gzip' })
  const random = mulberry(9)
  for (let i = 0; i < 60_000; i++) log.ended({ ...record(i), uri: `mem://${random()}${random()}` })
  await expect(log.flush()).rejects.toMatchObject({ kind: 'Limit' })
  await expect(log.close()).rejects.toMatchObject({ cause: { kind: 'Limit' } })
  expect(log.stats()).toMatchObject({ waiting: 0 })
})

describe('a log that is slower than the store', () => {
  /** A log whose target takes nothing until the gate is opened. */
  const slowLog = (options: Parameters<typeof opLog>[1]) => {
    const memory = memoryStore()
    const { opened, open } = gate()
    const target: Store = {
      ...memory,
      async createWriter(uri) {
        const writer = await memory.createWriter(uri)
        return { ...writer, write: async bytes => { await opened; await writer.write(bytes) } }
      }
    }
    return { memory, open, log: opLog('mem://log', { store: target, ...options }) }
  }

  test('does not stop it; a row says how many are missing, and so does close', async () => {
    const { memory, open, log } = slowLog({ queueRows: 100 })
    const store = logged(memoryStore(), log)
    for (let i = 0; i < 250; i++) await store.put(`mem://${i}`, new Uint8Array(1))
    expect(log.stats()).toEqual({ rows: 0, dropped: 150, waiting: 100 })
    open()
    await log.flush()
    await store.put('mem://last', new Uint8Array(1))
    expect(await log.close()).toEqual({ rows: 102, dropped: 150, waiting: 0 })
    const rows = await rowsOf('mem://log', memory)
    expect(rows).toHaveLength(102)
    expect(rows[100]).toMatchObject({ operation: 'DROPPED', objects: 150, error: '150 rows were left out: the log could not keep up' })
    expect(rows[101]).toMatchObject({ operation: 'PUT', file: 'mem://last' })
    expect(rows.map(row => row.index)).toEqual(rows.map((_, i) => i))
  })

  test('says at its end too what is missing there', async () => {
    const { memory, open, log } = slowLog({ queueRows: 10 })
    for (let i = 0; i < 15; i++) log.ended(record(i))
    open()
    expect(await log.close()).toEqual({ rows: 11, dropped: 5, waiting: 0 })
    expect((await rowsOf('mem://log', memory)).at(-1)).toMatchObject({ operation: 'DROPPED', objects: 5 })
  })

  test('stops it with onFull wait, and has every row', async () => {
    const { memory, open, log } = slowLog({ queueRows: 10, onFull: 'wait' })
    const store = logged(memoryStore(), log)
    let done = 0
    const all = Promise.all(Array.from({ length: 5 }, async (_, k) => {
      for (let i = 0; i < 20; i++) {
        await store.put(`mem://${k}-${i}`, new Uint8Array(1))
        done++
      }
    }))
    await settled()
    expect(done).toBeGreaterThanOrEqual(10)
    expect(done).toBeLessThan(15)
    // One who waits may give up.
    const controller = new AbortController()
    const waiting = store.stat('mem://x', { signal: controller.signal })
    controller.abort(new Error('stop'))
    await expect(waiting).rejects.toThrow('stop')
    open()
    await all
    expect(await log.close()).toEqual({ rows: 100, dropped: 0, waiting: 0 })
    expect(await rowsOf('mem://log', memory)).toHaveLength(100)
  })

  test('with onFull wait, a log that fails lets everything go on', async () => {
    const failing: Store = { ...memoryStore(), createWriter: () => Promise.reject(new MillraceError('Denied', 'no')) }
    const log = opLog('mem://log', { store: failing, queueRows: 1, onFull: 'wait' })
    const store = logged(memoryStore(), log)
    await Promise.all(Array.from({ length: 50 }, (_, i) => store.put(`mem://${i}`, new Uint8Array(1))))
    await expect(log.close()).rejects.toMatchObject({ cause: { kind: 'Denied' } })
    expect(log.stats()).toEqual({ rows: 0, dropped: 50, waiting: 0 })
  })
})

describe('rows', () => {
  const row: OpLogRow = {
    index: 3, thread: 1, operation: 'GET', client: 'c', objects: 1, bytes: 5, endpoint: 'host:1', file: 's3://b/k', error: '',
    start: 1_700_000_000_123.456, firstByte: undefined, end: 1_700_000_000_200.5, duration: 77.044123, offset: 0, requests: 2, retries: 1
  }
  const header = 'idx\tthread\top\tclient_id\tn_objects\tbytes\tendpoint\tfile\terror\tstart\tfirst_byte\tend\tduration_ns\toffset\trequests\tretries\n'

  test('any name comes back as it was, in pieces of any size', () => {
    const names = ['a\tb', 'a\nb', 'a\r\nb', '"', '""', 'a"b"', ' a', '\t', '', 'ü\u{1f600}', '#', "a'b", '\\t']
    const rows = names.map((name, index) => ({ ...row, index, file: `mem://${name}`, client: name, endpoint: name }))
    const text = header + rows.map(writeRow).join('')
    for (const size of [1, 2, 7, 100, 10_000]) {
      const parser = rowParser('x')
      const found: OpLogRow[] = []
      for (let at = 0; at < text.length; at += size) found.push(...parser.push(text.slice(at, at + size)))
      parser.end()
      expect(found).toEqual(rows)
    }
  })

  test('times keep their microseconds, over the turn of a second too', () => {
    for (const start of [0, 0.001, 999.999, 1000, 1_700_000_000_999.999, 1_700_000_001_000]) {
      const [, , , , , , , , , text] = writeRow({ ...row, start, end: start }).split('\t')
      expect(Math.abs((timeOf(text ?? '') ?? NaN) - start)).toBeLessThan(0.0011)
    }
    expect(writeRow(row)).toContain('\t2023-11-14T22:13:20.123456Z\t\t2023-11-14T22:13:20.200500Z\t77044123\t0\t2\t1\n')
  })

  test('logs of other programs are read: columns by their names, zones, nanoseconds, comments, quotes', () => {
    const text = 'idx\tthread\top\tclient_id\tn_objects\tbytes\tendpoint\tfile\terror\tstart\tfirst_byte\tend\tduration_ns\tcat\n'
      + '7\t12\tGET\tab12\t1\t1048576\thttp://127.0.0.1:9000\tdir/obj\t"a ""bad"" one"\t2024-01-02T03:04:05.123456789+02:00\t2024-01-02T03:04:05.2Z\t2024-01-02T01:04:06Z\t876543211\t0\n'
      + '# made by hand\n\n'
    expect(rowParser('x').push(text)).toEqual([{
      index: 7, thread: 12, operation: 'GET', client: 'ab12', objects: 1, bytes: 1_048_576, endpoint: 'http://127.0.0.1:9000', file: 'dir/obj', error: 'a "bad" one',
      start: Date.UTC(2024, 0, 2, 1, 4, 5) + 123.456789, firstByte: Date.UTC(2024, 0, 2, 3, 4, 5, 200), end: Date.UTC(2024, 0, 2, 1, 4, 6), duration: 876.543211, offset: undefined, requests: 0, retries: 0
    }])
    const crlf = `${header.trimEnd()}\r\n${writeRow(row).trimEnd()}\r\n`
    expect(rowParser('x').push(crlf)).toEqual([row])
  })

  test('what is no op-log is Corrupt, with its line', () => {
    const read = (text: string) => () => {
      const parser = rowParser('mem://x')
      parser.push(text)
      parser.end()
    }
    expect(read('')).toThrow(expect.objectContaining({ kind: 'Corrupt', uri: 'mem://x' }))
    expect(read('a\tb\n')).toThrow(expect.objectContaining({ kind: 'Corrupt', record: 1 }))
    expect(read(header + writeRow({ ...row, bytes: -1 }))).toThrow(expect.objectContaining({ kind: 'Corrupt', record: 2 }))
    expect(read(header + writeRow(row).replace('2023', 'then'))).toThrow(/start is "then-11/)
    expect(read(header + 'x'.repeat(2_000_000))).toThrow(expect.objectContaining({ kind: 'Corrupt' }))
  })

  test('a log that is cut off gives its complete rows, and then says so', async () => {
    const text = new TextEncoder().encode(header + writeRow(row) + writeRow(row))
    const memory = memoryStore()
    const cuts = [[text.subarray(0, -5), 1], [zlib.gzipSync(text).subarray(0, -12), undefined]] as const
    for (const [bytes, complete] of cuts) {
      await memory.put('mem://cut', new Uint8Array(bytes))
      const rows: OpLogRow[] = []
      const reading = async (): Promise<void> => { for await (const each of readOpLog('mem://cut', { store: memory })) rows.push(each) }
      await expect(reading()).rejects.toMatchObject({ kind: 'Truncated', uri: 'mem://cut' })
      if (complete !== undefined) expect(rows).toHaveLength(complete)
    }
    const damaged = zlib.gzipSync(text)
    damaged.fill(0xff, 12, 40)
    await memory.put('mem://bad', new Uint8Array(damaged))
    await expect(rowsOf('mem://bad', memory)).rejects.toMatchObject({ kind: 'Corrupt' })
  })

  test('long errors are cut, and have one line', async () => {
    const to = file('.tsv')
    const log = opLog(to)
    log.ended({ ...record(1), failed: true, error: new MillraceError('Denied', `a\tb\n${'x'.repeat(5000)}`) })
    await log.close()
    const [found] = await rowsOf(to)
    expect(found?.error).toMatch(/^Denied: a b x{400,}…$/)
  })
})

test('options are checked at the call', async () => {
  for (const options of [{ compression: 'lzma' }, { onFull: 'stop' }, { client: 5 }, { buffer: 1 }]) expect(() => opLog('x', options as object)).toThrow(TypeError)
  for (const queueRows of [0, 1.5]) expect(() => opLog('x', { queueRows })).toThrow(RangeError)
  expect(() => opLog('')).toThrow(TypeError)
  expect(() => opLog('s3://bucket/log')).toThrow(/give the store/)
  const log = opLog('mem://log', { store: memoryStore() })
  await log.close()
  await expect(log.flush()).rejects.toMatchObject({ kind: 'Closed' })
  log.ended(record(1))
  expect(log.stats().dropped).toBe(1)
  expect(await log.close()).toMatchObject({ dropped: 0 })
})
