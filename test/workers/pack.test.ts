import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { MillraceError } from '../../src/errors.js'
import { pack, transferOf, unpack, type PackOptions } from '../../src/workers/pack.js'
import { slabs } from '../../src/workers/slabs.js'

const there = (values: readonly unknown[], options: Partial<PackOptions> = {}): unknown[] => {
  const packed = pack(values, { slabs: slabs(), ...options })
  return unpack(structuredClone(packed, { transfer: transferOf(packed) }), slabs())
}

const bytes = fc.uint8Array({ maxLength: 40 })
/** Views somewhere in a larger buffer, of every class. */
const view = fc.tuple(bytes, fc.constantFrom(Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array), fc.nat(3)).map(([data, View, before]) => {
  const length = Math.floor(data.length / View.BYTES_PER_ELEMENT)
  const memory = new ArrayBuffer((before + length) * View.BYTES_PER_ELEMENT)
  const made = new View(memory, before * View.BYTES_PER_ELEMENT, length)
  new Uint8Array(memory, before * View.BYTES_PER_ELEMENT, length * View.BYTES_PER_ELEMENT).set(data.subarray(0, length * View.BYTES_PER_ELEMENT))
  return made
})
const dtypes = fc.tuple(fc.constantFrom('float32', 'uint8', 'int64'), fc.array(fc.nat(3), { maxLength: 3 }), view).map(([dtype, shape, data]) => ({ dtype, shape, data }))
const primitive = fc.oneof(fc.double(), fc.integer(), fc.string(), fc.boolean(), fc.bigInt(), fc.constant(null), fc.constant(undefined))
const other = fc.oneof(fc.date({ noInvalidDate: true }), fc.array(fc.tuple(fc.string(), view)).map(entries => new Map(entries)), fc.array(fc.integer()).map(items => new Set(items)), fc.constant(/a+/gi))
const nest = fc.letrec(tie => ({
  value: fc.oneof({ maxDepth: 4, withCrossShrink: true }, primitive, view, dtypes, other, fc.array(tie('value'), { maxLength: 4 }), fc.dictionary(fc.oneof(fc.string(), fc.constant('__proto__'), fc.constant('data')), tie('value'), { maxKeys: 3, noNullPrototype: true }))
})).value
/** Elements of one kind, which is what there is to send most of the time. */
const alike = fc.oneof(
  fc.array(fc.double(), { minLength: 60, maxLength: 130 }), fc.array(fc.array(fc.double(), { minLength: 2, maxLength: 2 }), { minLength: 60, maxLength: 70 }), fc.array(fc.string()), fc.array(view), fc.array(dtypes), fc.array(fc.record({ image: dtypes, label: fc.integer(), name: fc.string() }, { noNullPrototype: true })),
  fc.array(fc.tuple(view, fc.integer())), fc.array(fc.array(fc.double(), { maxLength: 20 }), { minLength: 1 })
)

describe('elements cross as they are', () => {
  test('whatever they are', () => {
    fc.assert(fc.property(fc.array(nest, { maxLength: 6 }), values => expect(there(values)).toStrictEqual(values)), { numRuns: 600, seed: 1 })
  })

  test('when they are alike', () => {
    fc.assert(fc.property(alike, values => expect(there(values)).toStrictEqual(values)), { numRuns: 400, seed: 2 })
  })

  test('also -0, NaN and numbers that no float32 holds', () => {
    expect(there([-0, NaN, 0.1, Infinity, 2 ** 53])).toStrictEqual([-0, NaN, 0.1, Infinity, 2 ** 53])
    expect(there([[-0], [NaN]])).toStrictEqual([[-0], [NaN]])
  })

  test('a Buffer stays one', () => {
    const [back] = there([Buffer.from('some text')]) as [Buffer]
    expect(Buffer.isBuffer(back) && back.toString()).toBe('some text')
  })

  test('and those that stay behind are as they were: nothing is detached', () => {
    const image = new Uint8Array(100_000).fill(7)
    const values = [{ dtype: 'uint8', shape: [100_000], data: image }]
    there(values)
    expect(image.length).toBe(100_000)
    expect(image[99_999]).toBe(7)
  })

  test('views of a large buffer send their own bytes only', () => {
    const large = new ArrayBuffer(10_000_000)
    const packed = pack([new Uint8Array(large, 5, 10), new Float32Array(large, 400, 3)], { slabs: slabs() })
    expect(packed.memories.map(memory => memory?.byteLength)).toEqual([128])
  })
})

describe('memory', () => {
  test('of batches that nobody else holds crosses without a copy; bytes in lists are copied', () => {
    const data = new Float32Array(10_000).fill(3)
    const alone = new Uint8Array(20_000).fill(1)
    const packed = pack([{ xs: { dtype: 'float32', shape: [10_000], data }, names: [alone] }], { slabs: slabs(), owned: true })
    expect(packed.memories[1]).toBe(data.buffer)
    const back = unpack(structuredClone(packed, { transfer: transferOf(packed) })) as [{ xs: { data: Float32Array } }]
    expect(data.length).toBe(0)
    expect(alone.length).toBe(20_000)
    expect(back[0].xs.data).toEqual(new Float32Array(10_000).fill(3))
  })

  test('that came with numbers alone is free at once, and used again', () => {
    const store = slabs()
    const numbers = Array.from({ length: 5000 }, (_, k) => k / 2)
    const packed = pack(numbers, { slabs: store })
    const [memory] = packed.memories
    expect(unpack(packed, store)).toEqual(numbers)
    expect(store.bytes).toBe(memory?.byteLength)
    expect(pack(numbers, { slabs: store }).memories[0]).toBe(memory)
  })

  test('is kept within bounds', () => {
    const store = slabs(100_000, 4)
    for (let k = 0; k < 10; k++) store.give(new ArrayBuffer(20_000))
    expect(store.bytes).toBe(80_000)
    const [twice] = store.drain()
    for (let k = 0; k < 2; k++) store.give(twice as ArrayBuffer)
    expect(store.bytes).toBe(20_000) // two arrays of a batch may share memory, which crosses once
    store.give(new ArrayBuffer(90_000))
    expect(store.bytes).toBe(90_000)
    expect(store.drain()).toHaveLength(1)
    expect(store.bytes).toBe(0)
  })
})

describe('what cannot cross is named', () => {
  class Thing {
    size(): number {
      return 1
    }
  }
  const cyclic: Record<string, unknown> = {}
  cyclic['self'] = cyclic
  const root: { readonly parent: null; readonly children: unknown[] } = { parent: null, children: [] }
  for (let k = 0; k < 12; k++) root.children.push({ parent: root, children: [] })
  test.each<[string, unknown[], number, string | undefined, RegExp]>([
    ['a function', [1, 2, () => 1], 12, undefined, /element 12: a function cannot be sent/],
    ['an instance', [{ a: { b: [1, new Thing()] } }], 10, 'a.b[1]', /element 10: an instance of Thing at a\.b\[1\]/],
    ['a symbol', [{ s: 1 }, { s: Symbol('x') }], 11, 's', /a symbol at s/],
    ['a promise', [[Promise.resolve(1)]], 10, '[0]', /an instance of Promise/],
    ['what contains itself', [cyclic], 10, undefined, /contains itself/],
    ['a tree whose nodes know their parents, before it has filled the memory', [root], 10, undefined, /contains itself/]
  ])('%s', (_, values, index, keyPath, text) => {
    let error: MillraceError | undefined
    try {
      pack(values, { slabs: slabs(), index: 10 })
    } catch (caught) {
      error = caught as MillraceError
    }
    expect(error).toMatchObject({ kind: 'Unsupported', index, ...(keyPath !== undefined && { keyPath }) })
    expect(error?.message).toMatch(text)
  })
})
