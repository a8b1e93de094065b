import { describe, expect, test } from '@jest/globals'
import { ndarray, ragged } from '../../src/array/ndarray.js'
import type { PaddedShapes } from '../../src/array/pad.js'
import { formatSpec, specOf } from '../../src/array/spec.js'
import { Dataset } from '../../src/dataset.js'
import { declaredSpec } from '../../src/plan/declared-spec.js'
import { operatorConformance } from '../../src/testing/operator.js'
import type { ElementSpec } from '../../src/types.js'

const asserted = <T>(ds: Dataset<T>, spec: ElementSpec): Dataset<T> => ds.assertElementSpec(spec)
const leaf = (dtype: string, ...shape: number[]) => ({ dtype, shape }) as ElementSpec
const NUMBER = leaf('float32')

describe('what fits', () => {
  const bytes = new Uint8Array(2)
  test.each<[ElementSpec, unknown]>([
    [NUMBER, 1], [NUMBER, ndarray(Float32Array.of(1), [])], [leaf('bool'), true], [leaf('int64'), 1n], [leaf('string'), ''], [leaf('bytes'), bytes],
    [leaf('int16', 2), new Int16Array(2)], [leaf('int16', -1), new Int16Array(5)], [leaf('uint8', 2, -1), ndarray(new Uint8Array(6), [2, 3])],
    [leaf('int8', 1, -1), ragged('int8', new Int8Array(2), [Int32Array.of(0, 2)])], [leaf('int8', -1, -1), ragged('int8', new Int8Array(2), [Int32Array.of(0, 2)])],
    [leaf('bytes', 2), [bytes, bytes]], [leaf('bytes', -1), []], [[leaf('bytes'), leaf('bytes')], [bytes, bytes]], [leaf('unknown'), new Date()],
    [{ a: [NUMBER, leaf('string')], 'b c': {} }, { 'b c': {}, a: [2, 'x'] }], [{ dtype: NUMBER }, { dtype: 1 }]
  ])('%j', async (spec, element) => {
    expect(await asserted(Dataset.of(element), spec).toArray()).toEqual([element])
  })

  test('what specOf says of an element fits it', async () => {
    for (const element of [1, { a: [new Uint8Array(1)], b: ndarray([[1, 2]]) }, [[], 'x'], ragged('int8', new Int8Array(2), []), null]) {
      await asserted(Dataset.of(element), specOf(element)).toArray()
    }
  })
})

describe('what does not', () => {
  test.each<[ElementSpec, unknown, string, string]>([
    [NUMBER, 'x', '', 'the element is a string, but float32[] was declared'],
    [leaf('int32'), 1, '', 'the element is a number, but int32[] was declared'],
    [{ a: [NUMBER, NUMBER] }, { a: [1, 1n] }, 'a[1]', 'the element is a bigint at a[1], but float32[] was declared'],
    [{ a: [NUMBER] }, { a: [1, 1] }, 'a', 'an array of 2 at a, but [float32[]] was declared'],
    [{ a: NUMBER }, { b: 1 }, 'b', 'the element has b, which the declared spec { a: float32[] } does not have'],
    [{ a: NUMBER, b: leaf('unknown') }, { a: 1 }, 'b', 'the element has no b'],
    [{ x: leaf('uint8', 2, -1) }, { x: ndarray(new Uint8Array(6), [3, 2]) }, 'x', 'an NdArray uint8 [3, 2] at x, but uint8[2, ?] was declared'],
    [leaf('float32', 2), new Float32Array(3), '', 'float32 [3], but float32[2]'],
    [leaf('float32', 2), new Float64Array(2), '', 'float64 [2], but float32[2]'],
    [leaf('float32', 2, 2), new Float32Array(2), '', 'float32 [2], but float32[2, 2]'],
    [leaf('int8', 2, -1), ragged('int8', new Int8Array(2), [Int32Array.of(0, 2)]), '', 'a RaggedArray int8'],
    [leaf('int8', -1, 2), ragged('int8', new Int8Array(2), [Int32Array.of(0, 2)]), '', 'a RaggedArray int8'],
    [leaf('bytes'), 'text', '', 'a string, but bytes[]'],
    [leaf('bytes', 1), [new Uint8Array(1), new Uint8Array(1)], '', 'an array of 2, but bytes[1]'],
    [{}, null, '', 'the element is null, but {} was declared']
  ])('%j', async (spec, element, keyPath, message) => {
    await expect(asserted(Dataset.of(element), spec).toArray()).rejects.toMatchObject({ kind: 'Mismatch', operator: 'assertElementSpec', index: 0, keyPath, message: expect.stringContaining(message) })
  })

  test('is an error at its element, with its ordinal and the place in user code; the next elements come', async () => {
    const ds = asserted(Dataset.range(5).map(x => (x === 3 ? 'three' : x)).filter(x => x !== 1), NUMBER)
    const iterator = ds.map(x => (x as number) * 10).iterator()
    expect([(await iterator.next()).value, (await iterator.next()).value]).toEqual([0, 20])
    await expect(iterator.next()).rejects.toMatchObject({ index: 2, site: expect.stringContaining('assert-element-spec.test'), message: expect.stringContaining('assertElementSpec: element 2: the element is a string') })
    expect((await iterator.next()).value).toBe(40)
    await iterator.close()
  })
})

test('it is part of the fused loop, and passes random access on', () => {
  const ds = asserted(Dataset.range(5).map(x => x + 1), NUMBER).map(x => x * 2)
  expect(ds.explain()).toContain('fused(map(fn) → assertElementSpec(float32[]) → map(fn))')
})

describe('conformance', () => {
  const SUBJECTS: Record<string, () => Dataset<unknown>> = {
    'all fit': () => asserted(Dataset.range(9), NUMBER),
    'some do not fit': () => asserted(Dataset.range(20).map(x => (x % 7 === 5 ? String(x) : x)), NUMBER).filter(x => x !== 3),
    'in a shuffle by index': () => asserted(Dataset.range(20).map(x => (x % 7 === 5 ? String(x) : x)), NUMBER).shuffle({ seed: 3 })
  }
  for (const [name, make] of Object.entries(SUBJECTS)) for (const { name: check, run } of operatorConformance({ make })) test(`${name}: ${check}`, run)
})

test('a spec that is none throws at the call, naming the place', () => {
  const assert = (spec: unknown) => () => asserted(Dataset.range(1), spec as ElementSpec)
  expect(assert({ a: 'float32' })).toThrow('assertElementSpec: expected { dtype, shape } or a structure of them at a, got a string')
  expect(assert({ a: [leaf('float31')] })).toThrow("unknown dtype 'float31' at a[0]")
  expect(assert(leaf('float32', -2))).toThrow('the shape must be a list of lengths')
  expect(assert(leaf('bytes', 1, 2))).toThrow('lists of bytes [n]')
  expect(assert({ a: { dtype: 'float32' } })).toThrow('at a.dtype')
})

describe('the declared spec', () => {
  const spec: ElementSpec = { x: leaf('uint8', -1, 3), y: NUMBER }
  const ds = asserted(Dataset.range(4).map(() => ({ x: ndarray(new Uint8Array(6), [2, 3]), y: 1 })), spec)
  const told = (of: Dataset<unknown>) => {
    const declared = declaredSpec(of.plan)
    return declared === undefined ? undefined : formatSpec(declared)
  }

  test('passes through operators that do not change elements', () => {
    expect(declaredSpec(ds.plan)).toBe(spec)
    expect(declaredSpec(ds.take(3).skip(1).shard(2, 0).shuffle(2).repeat(2).filter(() => true).prefetch(1).plan)).toBe(spec)
  })

  test('ends at a function', () => {
    expect(told(ds.map(x => x))).toBeUndefined()
    expect(told(Dataset.range(3))).toBeUndefined()
  })

  test('is batched with the elements', () => {
    expect(told(ds.batch(2))).toBe('{ x: uint8[?, ?, 3], y: float32[?] }')
    expect(told(ds.batch(2, { dropRemainder: true }))).toBe('{ x: uint8[2, ?, 3], y: float32[2] }')
    const pad = (shapes: PaddedShapes) => ds.paddedBatch(2, { shapes })
    expect(told(pad({ x: [7, -1] }))).toBe('{ x: uint8[?, 7, 3], y: float32[?] }')
    expect(told(pad({}))).toBe('{ x: uint8[?, ?, 3], y: float32[?] }')
  })

  test('is not told where another dtype for plain numbers makes it uncertain', () => {
    expect(told(ds.batch(2, { numbers: 'int32' }))).toBeUndefined()
    expect(told(asserted(Dataset.of('a'), leaf('string')).batch(2, { numbers: 'int32' }))).toBe('string[?]')
  })

  test('holds for what comes out', async () => {
    for (const batches of [ds.batch(3), ds.batch(2, { dropRemainder: true }), ds.paddedBatch(2, { shapes: { x: [7, -1] } })]) {
      const declared = declaredSpec(batches.plan) as ElementSpec
      expect((await asserted(batches as Dataset<unknown>, declared).toArray()).length).toBe(2)
    }
  })
})

describe('elementSpec', () => {
  test('is the declared spec, without reading', async () => {
    const unread = Dataset.from((): number[] => { throw new Error('read') })
    expect(await unread.assertElementSpec(NUMBER).take(3).elementSpec()).toEqual(NUMBER)
  })

  test('is that of the first element where nothing is declared', async () => {
    expect(formatSpec(await Dataset.range(5).map(x => ({ x, y: new Int8Array(3) })).batch(2).elementSpec())).toBe('{ x: float32[2], y: int8[2, 3] }')
  })

  test('does not count as an epoch', async () => {
    const shuffled = () => Dataset.range(50).shuffle(50, { seed: 1 })
    const ds = shuffled()
    await ds.elementSpec()
    expect(await ds.toArray()).toEqual(await shuffled().toArray())
  })

  test('of nothing is an error that says what to do', async () => {
    await expect(Dataset.range(0).elementSpec()).rejects.toMatchObject({ name: 'MillraceError', message: expect.stringContaining('assertElementSpec') })
  })
})
