import { describe, expect, test } from '@jest/globals'
import { setTimeout as delay } from 'node:timers/promises'
import { PerformanceObserver } from 'node:perf_hooks'
import { Dataset } from '../../src/dataset.js'
import { tracer, type OpenTelemetry } from '../../src/engine/tracing.js'
import { memoryStore } from '../../src/storage/memory.js'

interface Recorded {
  readonly name: string
  readonly start: number
  readonly parent: unknown
  readonly attributes: Readonly<Record<string, string | number>>
  end: number | undefined
}

/** The part of the API that is used, as it keeps what it is told. */
function recorder(): { readonly api: OpenTelemetry; readonly spans: Recorded[] } {
  const spans: Recorded[] = []
  const api: OpenTelemetry = {
    trace: {
      getTracer: () => ({
        startSpan(name, { startTime, attributes }, context) {
          const span: Recorded = { name, start: startTime, parent: (context as { span?: Recorded }).span?.name, attributes, end: undefined }
          spans.push(span)
          return Object.assign(span, { end: undefined, ...{} }) && { end: (time?: number) => void (span.end = time), span }
        }
      }),
      setSpan: (context, span) => ({ ...(context as object), span: (span as unknown as { span: Recorded }).span })
    },
    context: { active: () => ({}) }
  }
  return { api, spans }
}

describe('spans', () => {
  test('of the epoch, files and elements lie in one another, also what came before the package was there', async () => {
    const { api, spans } = recorder()
    let loaded = (_: OpenTelemetry): void => undefined
    const trace = tracer(3, 7, () => new Promise(resolve => (loaded = resolve)))
    const end = trace.span('file', { 'millrace.uri': 'mem://a' })
    end()
    trace.delivered(0, performance.now())
    expect(spans).toEqual([])
    loaded(api)
    await new Promise(resolve => setImmediate(resolve))
    trace.delivered(64, performance.now() - 5)
    trace.close()
    expect(spans.map(({ name, parent }) => [name, parent])).toEqual([
      ['millrace.epoch', undefined], ['millrace.file', 'millrace.epoch'], ['millrace.element', 'millrace.epoch'], ['millrace.element', 'millrace.epoch']
    ])
    expect(spans[0]?.attributes).toEqual({ 'millrace.epoch': 3, 'millrace.seed': 7 })
    for (const { start, end } of spans) {
      expect(start).toBeGreaterThan(Date.now() - 60_000)
      expect(end).toBeGreaterThanOrEqual(start)
    }
    expect((spans[3]?.end ?? 0) - (spans[3]?.start ?? 0)).toBeGreaterThanOrEqual(5)
  })
  test('of quick elements are one in 64', async () => {
    const { api, spans } = recorder()
    const trace = tracer(0, 0, () => Promise.resolve(api))
    await new Promise(resolve => setImmediate(resolve))
    for (let i = 0; i < 256; i++) trace.delivered(i, performance.now())
    expect(spans.filter(({ name }) => name === 'millrace.element').length).toBeLessThan(20)
  })
  test('are left out where there is no package, or one that fails', async () => {
    for (const load of [async () => undefined, async () => { throw new Error('broken') }, async () => ({}) as OpenTelemetry]) {
      const trace = tracer(0, 0, load)
      await new Promise(resolve => setImmediate(resolve))
      trace.span('file', {})()
      trace.delivered(0, 0)
      trace.close()
    }
    expect(await Dataset.range(3).options({ tracing: true }).toArray()).toEqual([0, 1, 2])
  })
})

describe('measures', () => {
  const measured = async (ds: Dataset<unknown>): Promise<Set<string>> => {
    const names = new Set<string>()
    const observer = new PerformanceObserver(list => { for (const { name } of list.getEntries()) names.add(name) })
    observer.observe({ entryTypes: ['measure'] })
    await ds.toArray()
    await delay(10)
    observer.disconnect()
    return names
  }
  test('show every stage to those who observe, and are not kept', async () => {
    const store = memoryStore()
    await store.put('mem://trace/a.bin', new Uint8Array(3))
    const plan = Dataset.fromFiles('mem://trace/*.bin', { format: 'raw', store }).map(async x => x).batch(1)
    expect([...(await measured(plan.options({ tracing: true })))].sort()).toEqual(expect.arrayContaining(['millrace batch', 'millrace map', 'millrace readFiles']))
    expect(performance.getEntriesByType('measure').filter(({ name }) => name.startsWith('millrace'))).toEqual([])
    expect((await measured(plan)).size).toBe(0)
  })
  test('are asked for by true or false', () => {
    expect(() => Dataset.range(1).options({ tracing: 1 as never })).toThrow(TypeError)
  })
})
