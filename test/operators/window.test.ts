import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import type { WindowOptions } from '../../src/operators/window.js'
import { operatorConformance } from '../../src/testing/operator.js'

const windowed = (ds: Dataset<unknown>, size: number, options: WindowOptions = {}): Dataset<unknown> => ds.window(size, options)

/** Windows as arrays, wherever they are in the structure. */
async function read(value: unknown): Promise<unknown> {
  if (value instanceof Dataset) return value.toArray()
  if (Array.isArray(value)) return Promise.all(value.map(read))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(await Promise.all(Object.entries(value).map(async ([key, member]) => [key, await read(member)] as const)))
}

type Case = [n: number, size: number, shift: number | null, stride: number, dropRemainder: boolean, cardinality: number, windows: number[][]]
interface Golden {
  readonly structures: readonly { readonly name: string; readonly windows: unknown[] }[]
  readonly cases: readonly Case[]
}
const golden = JSON.parse(readFileSync(new URL('../fixtures/operators/window.json', import.meta.url), 'utf8')) as Golden

const slow = async <T>(value: T): Promise<T> => {
  for (let i = 0; i < Number(value) % 3; i++) await null
  return value
}
const failing = (x: number): number => {
  if (x % 7 === 5) throw new Error(`no ${x}`)
  return x
}

describe('as tf.data', () => {
  test('windows and cardinalities of every combination of small arguments', async () => {
    for (const [n, size, shift, stride, dropRemainder, cardinality, windows] of golden.cases) {
      const options = { stride, dropRemainder, ...(shift !== null && { shift }) }
      const ds = windowed(Dataset.range(n), size, options)
      const found = await ds.map(read).toArray()
      expect([n, size, options, found]).toEqual([n, size, options, windows])
      expect([n, size, options, ds.cardinality]).toEqual([n, size, options, cardinality])
    }
    expect(golden.cases.length).toBeGreaterThan(800)
  })

  const five = Dataset.range(5)
  test.each([
    ['tuple', windowed(five.map(x => [x, x * 10]), 2, { dropRemainder: true })],
    ['dict', windowed(five.map(a => ({ a, b: a * 10 })), 3, { shift: 2 })],
    ['nested', windowed(five.map(x => ({ a: x, b: [x + 1, { c: x + 2 }] })), 2)],
    ['vector', windowed(five.map(x => Int32Array.of(x, x + 1)), 2)]
  ])('a structure becomes a structure of windows: %s', async (name, ds) => {
    const found = JSON.parse(JSON.stringify(await ds.map(read).toArray(), (_, member: unknown) => (ArrayBuffer.isView(member) ? Array.from(member as Int32Array) : member))) as unknown
    expect(found).toEqual(golden.structures.find(structure => structure.name === name)?.windows)
  })

  test('the cardinality is unknown for an input of unknown size, and infinite for one without end', () => {
    expect(windowed(Dataset.range(5).filter(() => true), 2).cardinality).toBeUndefined()
    expect(windowed(Dataset.range(5).repeat(), 2).cardinality).toBe(Infinity)
    expect(windowed(Dataset.range(5).repeat(), 2, { dropRemainder: true }).cardinality).toBe(Infinity)
  })
})

describe('conformance', () => {
  const SUBJECTS: Record<string, [() => Dataset<unknown>, ...(() => Dataset<unknown>)[]]> = {
    'windows side by side': [() => windowed(Dataset.range(11), 3)],
    'overlapping windows': [() => windowed(Dataset.range(14), 4, { shift: 1 }), () => windowed(Dataset.range(14).prefetch(3), 4, { shift: 1 })],
    'windows with a stride': [() => windowed(Dataset.range(17), 3, { shift: 2, stride: 2, dropRemainder: true })],
    'windows with gaps': [() => windowed(Dataset.range(40).map(slow, { parallel: 1 }), 2, { shift: 9 }), () => windowed(Dataset.range(40).map(slow, { parallel: 4 }), 2, { shift: 9 })],
    'windows with long gaps': [() => windowed(Dataset.range(300), 2, { shift: 90, stride: 3 })],
    'windows of a filtered input': [() => windowed(Dataset.range(40).filter(x => x % 3 > 0), 4, { shift: 3 })],
    'windows of an asynchronous input': [1, 2, 8].map(parallel => () => windowed(Dataset.range(30).map(slow, { parallel }), 4, { shift: 2 })) as never,
    'windows of a failing input': [() => windowed(Dataset.range(40).map(failing), 4, { shift: 2, stride: 2 })],
    'windows with gaps of a failing input': [() => windowed(Dataset.range(60).map(failing), 2, { shift: 7 })],
    'windows of a shuffled input': [() => windowed(Dataset.range(30).filter(() => true).shuffle(8), 4, { shift: 1 })],
    'windows of elements that differ': [() => windowed(Dataset.range(20).map(x => (x === 9 ? { a: x } : { b: x })), 3, { shift: 1 })],
    'windows of windows': [() => windowed(windowed(Dataset.range(30), 3, { shift: 1 }).map(read).map(window => ({ window: String(window) })), 2)],
    'windows of many': [() => windowed(Dataset.range(200), 100, { shift: 13 })],
    'batches of windows': [() => windowed(Dataset.range(60).map(failing), 3, { shift: 2 }).map(read).map(String).batch(3)]
  }
  for (const [name, [make, ...same]] of Object.entries(SUBJECTS)) {
    const plain = (subject: () => Dataset<unknown>) => () => subject().map(read)
    for (const { name: check, run } of operatorConformance({ make: plain(make), same: same.map(plain) })) test(`${name}: ${check}`, run)
  }
})

test('a window is a dataset with random access, which can be read again and again', async () => {
  const first = (await windowed(Dataset.range(10), 4).first()) as Dataset<number>
  expect(first.cardinality).toBe(4)
  expect(await first.toArray()).toEqual([0, 1, 2, 3])
  expect((await first.shuffle({ seed: 1 }).toArray()).sort()).toEqual([0, 1, 2, 3])
})

test('no element beyond a window is asked for', async () => {
  let taken = 0
  const source = Dataset.from(function* () {
    for (;;) yield taken++
  })
  const iterator = windowed(source, 3, { shift: 5 }).iterator()
  await iterator.next()
  expect(taken).toBe(3)
  await iterator.next()
  expect(taken).toBe(8)
  await iterator.close()
})

test('an error comes after the windows before it, and its element has no place in a window', async () => {
  const iterator = windowed(Dataset.range(8).map(failing), 3, { shift: 1 }).iterator()
  const found: unknown[] = []
  for (let i = 0; i < 9; i++) {
    try {
      const step = await iterator.next()
      found.push(step.done === true ? 'end' : await read(step.value))
    } catch (error) {
      found.push((error as { kind: string; index: number }).index)
    }
  }
  expect(found).toEqual([[0, 1, 2], [1, 2, 3], [2, 3, 4], 5, [3, 4, 6], [4, 6, 7], [6, 7], [7], 'end'])
})

test('elements of different structure are a Mismatch that names both, and the windows without them come', async () => {
  const iterator = windowed(Dataset.of<unknown>({ a: { b: 1 } }, { a: { c: 1 } }, { a: { c: 2 } }, { a: { c: 3 } }), 2).iterator()
  await expect(iterator.next()).rejects.toMatchObject({ kind: 'Mismatch', index: 1, keyPath: 'a', message: expect.stringContaining('element 1 is an object { c } at a, but element 0 is an object { b }') })
  expect(await read((await iterator.next()).value)).toEqual({ a: { c: [2, 3] } })
  await iterator.close()
})

test('wrong arguments throw at the call', () => {
  const ds = Dataset.range(3)
  expect(() => windowed(ds, 0)).toThrow(RangeError)
  expect(() => windowed(ds, 2, { shift: 0 })).toThrow('window: shift must be an integer of at least 1, got 0')
  expect(() => windowed(ds, 2, { stride: 1.5 })).toThrow(RangeError)
  expect(() => windowed(ds, 2, { drop: true } as WindowOptions)).toThrow("window: unknown option 'drop'")
})

test('explain names what is not the default', () => {
  expect(windowed(Dataset.range(9), 3, { shift: 2, stride: 2, dropRemainder: true }).explain()).toContain('window(3, shift: 2, stride: 2, dropRemainder)  [3 elements]')
})
