import { afterEach, describe, expect, test } from '@jest/globals'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ByteSource } from '../../../src/format.js'
import { BIG_ROWS, bigFile, closeTables, isBig, openFallback } from './h5wasm-support.js'
import { columnsFor, memorySource, type CountingSource } from './support.js'

afterEach(closeTables)

const { signal } = new AbortController()

function bytesRead({ ranges }: CountingSource): number {
  return ranges.reduce((sum, [, length]) => sum + length, 0)
}

/** A source whose reads, of so many bytes or more, wait until they are let go or given up. */
function slowSource(bytes: Uint8Array): { readonly source: ByteSource; hold(least?: number): void; release(): void; readonly waiting: () => number } {
  const inner = memorySource(bytes)
  let held = Infinity
  const waiting = new Set<() => void>()
  return {
    source: {
      ...inner,
      async read(offset, into, options = {}) {
        if (into.length >= held) {
          await new Promise<void>((resolve, reject) => {
            const go = (): void => {
              waiting.delete(go)
              resolve()
            }
            waiting.add(go)
            options.signal?.addEventListener('abort', () => {
              waiting.delete(go)
              reject(options.signal?.reason as Error)
            })
          })
        }
        return inner.read(offset, into)
      }
    },
    hold(least = 0) {
      held = least
    },
    release() {
      held = Infinity
      for (const go of [...waiting]) go()
    },
    waiting: () => waiting.size
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setImmediate(resolve))
}

describe('the file', () => {
  test('is read by ranges: opening it and reading some rows takes a small part of it', async () => {
    const source = memorySource(await bigFile())
    const table = await openFallback(source, '/x')
    expect(table.blockRows).toBe(64)
    // The headers are looked at by our own reader, in blocks of 64 KiB, and by HDF5 in blocks of 1 MiB.
    expect(bytesRead(source)).toBeLessThanOrEqual(3 * 2 ** 20)
    source.ranges.length = 0
    const columns = columnsFor(table.spec, 64)
    await table.read(1024, 64, columns, 0, { signal })
    expect(isBig(columns, 1024)).toBe(true)
    expect(bytesRead(source)).toBeLessThanOrEqual(3 * 2 ** 20)
  })

  test('is read once when its rows are read in order, and blocks are asked for ahead', async () => {
    const bytes = await bigFile()
    const source = memorySource(bytes)
    const table = await openFallback(source, '/x', { cacheBytes: 2 ** 23 })
    const columns = columnsFor(table.spec, BIG_ROWS)
    for (let row = 0; row < BIG_ROWS; row += 64) await table.read(row, 64, columns, row, { signal })
    expect(isBig(columns)).toBe(true)
    expect(bytesRead(source)).toBeLessThanOrEqual(bytes.length + 3 * 2 ** 20)
    expect(source.ranges.every(([, length]) => length <= 2 ** 20)).toBe(true)
  })

  test('is read through as little memory as two blocks', async () => {
    const table = await openFallback(memorySource(await bigFile()), '/x', { cacheBytes: 0 })
    const columns = columnsFor(table.spec, BIG_ROWS)
    await table.read(0, BIG_ROWS, columns, 0, { signal })
    expect(isBig(columns)).toBe(true)
  })

  test('is not read by the main thread while h5wasm decodes: timers go on', async () => {
    const table = await openFallback(memorySource(await bigFile()), '/x')
    let turns = 0
    let reading = true
    const tick = (): void => {
      turns++
      if (reading) setImmediate(tick)
    }
    setImmediate(tick)
    await table.read(0, BIG_ROWS, columnsFor(table.spec, BIG_ROWS), 0, { signal })
    reading = false
    expect(turns).toBeGreaterThan(10)
  })
})

describe('waiting', () => {
  test('ends at once when it is given up, and other reads go on', async () => {
    const { source, hold, release, waiting } = slowSource(await bigFile())
    const table = await openFallback(source, '/x')
    hold()
    const [first, second] = [new AbortController(), new AbortController()]
    const columns = columnsFor(table.spec, 64)
    const reads = [
      table.read(512, 64, columns, 0, { signal: first.signal }),
      table.read(1024, 64, columns, 0, { signal: second.signal }),
      table.read(1536, 64, columnsFor(table.spec, 64), 0, { signal: second.signal }),
      table.read(1920, 64, columns, 0, { signal })
    ]
    await until(() => waiting() > 0)
    second.abort(new Error('not needed'))
    await expect(reads[1]).rejects.toThrow('not needed')
    await expect(reads[2]).rejects.toThrow('not needed')
    first.abort(new Error('not needed either'))
    await expect(reads[0]).rejects.toThrow('not needed either')
    release()
    await reads[3]
    expect(isBig(columns, 1920)).toBe(true)
    await expect(table.read(0, 1, columns, 0, { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
  })

  test('ends with Closed when the table is closed, also in the middle of a read of the file', async () => {
    const { source, hold, waiting } = slowSource(await bigFile())
    const table = await openFallback(source, '/x')
    hold()
    const reads = [table.read(0, 2048, columnsFor(table.spec, 2048), 0, { signal }), table.read(0, 64, columnsFor(table.spec, 64), 0, { signal })]
    const ends = reads.map(read => expect(read).rejects.toMatchObject({ kind: 'Closed', uri: 'mem://bucket/file.h5' }))
    await until(() => waiting() > 0)
    await table.close?.()
    await Promise.all(ends)
    expect(waiting()).toBe(0)
    await expect(table.read(0, 1, columnsFor(table.spec, 1), 0, { signal })).rejects.toMatchObject({ kind: 'Closed' })
    await table.close?.()
  })

  test.each([['our own reader looks at the headers', 0], ['HDF5 opens the file', 2 ** 20]])('ends when opening is given up while %s', async (_, least) => {
    const { source, hold, waiting } = slowSource(await bigFile())
    hold(least)
    const controller = new AbortController()
    const opening = openFallback(source, '/x', { signal: controller.signal })
    await until(() => waiting() > 0)
    controller.abort(new Error('never mind'))
    await expect(opening).rejects.toThrow('never mind')
    expect(waiting()).toBe(0)
  })
})

describe('the thread', () => {
  const run = async (code: string): Promise<string> => {
    const root = new URL('../../../', import.meta.url)
    const script = `
      import { readFileSync } from 'node:fs'
      import { openFallbackTable } from '${new URL('dist/formats/hdf5/h5wasm/fallback.js', root).href}'
      const bytes = readFileSync('${fileURLToPath(new URL('test/fixtures/hdf5/filters.h5', root))}')
      const source = { uri: 'mem://x.h5', byteLength: bytes.length, version: '1', read: async (at, into) => { into.set(bytes.subarray(at, at + into.length)) }, close: async () => {} }
      const { signal } = new AbortController()
      const options = { signal, cacheBytes: 2 ** 20, maxChunkBytes: 2 ** 20 }
      const columns = () => ({ dtype: 'int32', shape: [44, 7], data: new Int32Array(308) })
      const threads = process.getBuiltinModule('node:worker_threads')
      const started = []
      threads.Worker = class extends threads.Worker { constructor(...args) { super(...args); started.push(this) } }
      ${code}`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 60_000 })
    return stdout.trim()
  }

  test('does not keep the process alive, also when nobody closes the table', async () => {
    expect(await run(`
      const table = await openFallbackTable(source, '/gzip', options)
      await table.read(0, 44, columns(), 0, { signal })
      console.log('read')`)).toBe('read')
  })

  test('is gone when the table is closed', async () => {
    expect(await run(`
      const table = await openFallbackTable(source, '/gzip', options)
      const before = started.map(thread => thread.threadId > 0)
      await table.close()
      console.log(before, started.map(thread => thread.threadId))`)).toBe('[ true ] [ -1 ]')
  })

  test('that dies fails the reads under way with a typed error, and the next read starts another one', async () => {
    expect(await run(`
      const table = await openFallbackTable(source, '/gzip', options)
      const read = table.read(0, 44, columns(), 0, { signal }).then(() => 'read', error => error.kind)
      started[0].terminate()
      const first = await read
      const values = columns()
      await table.read(0, 44, values, 0, { signal })
      console.log(first, started.length, values.data.some(value => value > 0))`)).toBe('Internal 2 true')
  })
})
