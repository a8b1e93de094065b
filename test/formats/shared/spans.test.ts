import { describe, expect, test } from '@jest/globals'
import { rangesOf, readSpans, type Span } from '../../../formats/shared/spans.js'
import { generator, memorySource, pseudoRandom } from '../tfrecord/support.js'

const { signal } = new AbortController()

describe('spans', () => {
  test('are brought in the order in which they were asked for, with repetitions, overlaps and empty ones', async () => {
    const data = pseudoRandom(3000, 1)
    const random = generator(7)
    for (let round = 0; round < 300; round++) {
      const spans = Array.from({ length: random(20) }, (): Span => {
        const offset = random(data.length)
        return { offset, byteLength: random(Math.min(200, data.length - offset)) }
      })
      if (spans[0] !== undefined) spans.push(spans[0])
      const found = await readSpans(memorySource(data), spans, signal)
      expect(found.map(bytes => [...bytes])).toEqual(spans.map(({ offset, byteLength }) => [...data.subarray(offset, offset + byteLength)]))
    }
  })

  test('that lie near each other are one read, others are not', () => {
    const near = 2 ** 16
    expect(rangesOf([{ offset: near + 10, byteLength: 5 }, { offset: 0, byteLength: 10 }])).toEqual([{ offset: 0, byteLength: near + 15, members: [1, 0], useful: 15 }])
    expect(rangesOf([{ offset: near + 11, byteLength: 5 }, { offset: 0, byteLength: 10 }]).map(({ members }) => members)).toEqual([[1], [0]])
    expect(rangesOf([{ offset: 0, byteLength: 10 }, { offset: 4, byteLength: 10 }, { offset: 0, byteLength: 10 }])).toEqual([{ offset: 0, byteLength: 14, members: [0, 2, 1], useful: 14 }])
  })

  test('are cut into ranges of 4 MiB, a span that is larger never', () => {
    const spans = Array.from({ length: 100 }, (_, i) => ({ offset: i * 2 ** 18, byteLength: 2 ** 18 }))
    expect(rangesOf(spans).every(({ byteLength }) => byteLength === 2 ** 22 || byteLength === 2 ** 20)).toBe(true)
    expect(rangesOf(spans).length).toBe(7)
    expect(rangesOf([{ offset: 0, byteLength: 2 ** 25 }, { offset: 5, byteLength: 100 }]).map(({ byteLength }) => byteLength)).toEqual([2 ** 25])
  })

  test('with more gaps than bytes do not keep the gaps in memory', async () => {
    const data = pseudoRandom(200_000, 2)
    const [sparse] = await readSpans(memorySource(data), [{ offset: 10, byteLength: 100 }, { offset: 50_000, byteLength: 100 }], signal)
    expect(sparse?.buffer.byteLength).toBe(100)
    const [dense] = await readSpans(memorySource(data), [{ offset: 10, byteLength: 100 }, { offset: 110, byteLength: 100 }], signal)
    expect(dense?.buffer.byteLength).toBe(200)
  })

  test('are read with at most eight reads under way, and those are waited for when one fails', async () => {
    const spans = Array.from({ length: 40 }, (_, i) => ({ offset: i * 100_000, byteLength: 10 }))
    const source = memorySource(new Uint8Array(4_000_000))
    await readSpans(source, spans, signal)
    expect(source.ranges.length).toBe(40)
    expect(source.mostUnderWay).toBe(8)
    const failing = memorySource(new Uint8Array(4_000_000))
    failing.failure = { read: 11, error: new Error('the disk is gone') }
    await expect(readSpans(failing, spans, signal)).rejects.toThrow('the disk is gone')
    expect(failing.underWay).toBe(0)
    expect(failing.ranges.length).toBeLessThan(30)
  })

  test('are not read when the signal is aborted already', async () => {
    const source = memorySource(new Uint8Array(10))
    await expect(readSpans(source, [{ offset: 0, byteLength: 5 }], AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
    expect(source.ranges).toEqual([])
  })
})
