import { describe, expect, test } from '@jest/globals'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Dataset } from '../../src/dataset.js'
import type { NdArray } from '../../src/types.js'
import { build, REDUCES, textOf, type Mode, type Pipeline } from '../fixtures/tfdata/pipeline.js'

/** More with `MILLRACE_GOLDENS=folder`, written by `make.py random 3000 7 folder`. */
const FOLDERS = [fileURLToPath(new URL('../fixtures/tfdata/', import.meta.url)), ...(process.env['MILLRACE_GOLDENS']?.split(':') ?? [])]

/** A case as `make.py` writes it: one of elements, of a reduction, or of a cardinality alone. */
interface Case {
  readonly pipeline: Pipeline
  readonly elements?: readonly unknown[]
  readonly more?: true
  readonly typed?: true
  readonly rules?: Rules
  readonly reduce?: readonly [name: string, initial: unknown]
  readonly result?: unknown
}

/** What is the same for all random numbers: see `shuffled` in `make.py`. */
interface Rules {
  readonly every?: number
  readonly reach?: number
  readonly order?: 'same' | 'differs'
  readonly mixes?: number
}

const MODES: readonly (Mode & { readonly how: string })[] = [
  { how: 'with plain functions', parallel: false },
  { how: 'with functions that return promises, several in flight', parallel: true }
]

const GROUPS = FOLDERS.flatMap(folder => readdirSync(folder).filter(name => name.endsWith('.json')).toSorted()
  .map(file => ({ file, cases: JSON.parse(readFileSync(join(folder, file), 'utf8')) as readonly Case[] })))
const GOLDENS = GROUPS.flatMap(({ cases }) => cases)
const ELEMENTS = GROUPS
  .map(({ file, cases }) => ({ file, cases: cases.filter(({ elements, rules }) => elements !== undefined && rules === undefined) }))
  .filter(({ cases }) => cases.length > 0)
const SHUFFLED = GOLDENS.filter(({ rules }) => rules !== undefined)
const REDUCTIONS = GOLDENS.filter(({ reduce }) => reduce !== undefined)

/** An error in the place of an element. */
const ERR = { $error: true }
const f32 = (...values: readonly number[]): unknown => ({ $: ['float32', [values.length], values] })

/**
 * Where we differ on purpose: why, and what each pipeline gives here instead. Everything else is exact, but for the dtype of plain
 * numbers: they are float64 until they are batched, then float32, where tf.data has int64 or float32 all along.
 */
const DIFFERENCES: readonly { readonly why: string; readonly pipelines: Readonly<Record<string, readonly unknown[]>> }[] = [
  {
    why: 'A list is structure here, as tuples are there: JavaScript has no tuples. An array is an NdArray or a typed array.',
    pipelines: {
      'fromTensors([1, 2, 3])': [[1, 2, 3]],
      'fromTensors([a, bc, "", "déf", "日本"])': [['a', 'bc', '', 'déf', '日本']],
      'fromTensors([true, false])': [[true, false]],
      'fromTensors({ a: 1, b: [1.5, 2.5] })': [{ a: 1, b: [1.5, 2.5] }],
      'fromTensors([[1, 2], [x]])': [[[1, 2], ['x']]],
      'fromTensors({ a: { b: [[1], [true, false]] } })': [{ a: { b: [[1], [true, false]] } }]
    }
  },
  {
    why: 'Behind an error the reference begins anew to count what it passes over; here elements count once, and errors not.',
    pipelines: {
      'range(10).filter(checkedEven).skip(3)': [ERR, 6, ERR],
      'range(8).map(checked).skip(4)': [ERR, 5, 6, 7],
      'range(8).map(checked).skip(5)': [ERR, 6, 7],
      'range(8).map(checked).shard(3, 1)': [1, ERR, 5]
    }
  },
  {
    why: 'The reference keeps a pass that had errors: later passes lack those elements in silence. Here such a pass is not kept.',
    pipelines: {
      'range(8).map(checked).cache().repeat(2)': [0, 1, 2, ERR, 4, 5, 6, 7, 0, 1, 2, ERR, 4, 5, 6, 7],
      'range(10).filter(checkedEven).cache().repeat(2)': [0, 2, ERR, 4, 6, ERR, 0, 2, ERR, 4, 6, ERR]
    }
  },
  {
    // Which elements those are depends on the reference's optimizer: without it, batch(3) of the second pipeline is as here.
    why: 'An error surfaces at its element and nothing else is lost; the reference gives up the elements that would share its batch.',
    pipelines: {
      'range(8).map(checked).batch(2)': [f32(0, 1), ERR, f32(2, 4), f32(5, 6), f32(7)],
      'range(8).map(checked).batch(3)': [f32(0, 1, 2), ERR, f32(4, 5, 6), f32(7)],
      'range(10).filter(checkedEven).batch(3)': [ERR, f32(0, 2, 4), ERR, f32(6)],
      'range(8).map(checked).batch(4)': [ERR, f32(0, 1, 2, 4), f32(5, 6, 7)],
      'range(10).filter(checkedEven).batch(4)': [ERR, f32(0, 2, 4, 6), ERR],
      'range(8).map(checked).batch(2, { dropRemainder: true })': [f32(0, 1), ERR, f32(2, 4), f32(5, 6)],
      'range(8).map(checked).batch(3, { dropRemainder: true })': [f32(0, 1, 2), ERR, f32(4, 5, 6)],
      'range(10).filter(checkedEven).batch(3, { dropRemainder: true })': [ERR, f32(0, 2, 4), ERR],
      'range(8).map(checked).paddedBatch(2)': [f32(0, 1), ERR, f32(2, 4), f32(5, 6), f32(7)],
      'range(10).filter(checkedEven).paddedBatch(3)': [ERR, f32(0, 2, 4), ERR, f32(6)],
      'range(8).map(checked).batch(2).unbatch()': [0, 1, ERR, 2, 4, 5, 6, 7],
      'range(8).map(checked).batch(3).map(sum)': [3, ERR, 15, 7],
      'range(10).filter(checkedEven).batch(3).map(sum)': [ERR, 6, ERR, 6],
      'fromTensorSlices([-1, -4, 2, 0, 1, 5, 8, 8]).map(checked).filter(always).map(checked).batch(4).take(5)':
        [f32(-1, -4, 2, 0), ERR, ERR, f32(1, 5)],
      'range(8).map(negate, { parallel: 2 }).map(checked).paddedBatch(3).prefetch(3).unbatch()':
        [ERR, 0, -1, -3, -4, -5, -6, ERR]
    }
  },
  {
    // The reference's optimizer makes one operator of map and batch, which compares sizes only, and stacks what it drops.
    why: 'Rows of unequal shape are an error whatever their size, and no concern where they are dropped.',
    pipelines: {
      'fromTensorSlices([9, 10, 2, 8]).map(matrix).batch(2)': [ERR, { $: ['int32', [2, 3, 1], [2, 3, 4, 8, 9, 10]] }],
      'range(6).map(words).batch(4, { dropRemainder: true })': [ERR],
      'range(2).map(words).batch(3, { dropRemainder: true })': []
    }
  },
  {
    why: 'An interleave gives the same order in parallel, behind errors too: there the reference leaves a slot empty for a turn.',
    pipelines: {
      'range(8).map(checked).interleave(fromTensors(x).repeat(3), { cycleLength: 3, parallel: 2 })':
        [0, 1, 2, 0, 1, 2, 0, 1, 2, ERR, 4, 5, 6, 4, 5, 6, 4, 5, 6, 7, 7, 7]
    }
  },
  {
    why: 'An error surfaces once, at its element; the reference repeats it for each window, and hides it between windows.',
    pipelines: {
      'range(8).map(checked).window(3).flatMap(element().batch(3))': [f32(0, 1, 2), ERR, f32(4, 5, 6), f32(7)],
      'range(10).filter(checkedEven).window(3).flatMap(element().batch(3))': [ERR, f32(0, 2, 4), ERR, f32(6)],
      'range(8).map(checked).window(3, { shift: 1 }).flatMap(element().batch(3))':
        [f32(0, 1, 2), ERR, f32(1, 2, 4), f32(2, 4, 5), f32(4, 5, 6), f32(5, 6, 7), f32(6, 7), f32(7)],
      'range(10).filter(checkedEven).window(3, { shift: 1 }).flatMap(element().batch(3))':
        [ERR, f32(0, 2, 4), f32(2, 4, 6), ERR, f32(4, 6), f32(6)],
      'range(8).map(checked).window(2, { shift: 3 }).flatMap(element().batch(3))': [f32(0, 1), ERR, f32(4, 5), f32(7)],
      'range(10).filter(checkedEven).window(2, { shift: 3 }).flatMap(element().batch(3))': [f32(0, 2), ERR, ERR, f32(6)],
      'range(7).map(checked).repeat().take(11).window(4, { shift: 1 }).flatMap(element().batch(2))':
        [
          ERR, f32(0, 1), f32(2, 4), f32(1, 2), f32(4, 5), f32(2, 4), f32(5, 6), f32(4, 5), f32(6, 0), f32(5, 6), f32(0, 1), f32(6, 0),
          f32(1, 2), ERR, f32(0, 1), f32(2, 4), f32(1, 2), f32(4, 5), f32(2, 4), f32(5), f32(4, 5), f32(5)
        ],
      'fromTensorSlices([0, 1, 1, -3, 1, 6, 4, -3, 2]).map(matrix).batch(4, { dropRemainder: true }).window(2, { shift: 2, dropRemainder: true }).flatMap(element().take(2)).batch(1)':
        [ERR, ERR]
    }
  }
]

const ours = new Map(DIFFERENCES.flatMap(({ pipelines }) => Object.entries(pipelines)))

describe.each(ELEMENTS)('$file: the pipelines give the elements of tf.data, in its order', ({ cases }) => {
  test.each(MODES)('$how', async mode => {
    const faults: string[] = []
    for (const item of cases) faults.push(...(await faultsOf(item, mode)))
    if (faults.length > 0) throw new Error(`${faults.length} of ${cases.length} pipelines differ:\n${faults.join('\n')}`)
  }, 240_000)
})

async function faultsOf({ pipeline, elements = [], more, typed }: Case, mode: Mode): Promise<string[]> {
  const text = textOf(pipeline)
  const plain = typed === undefined
  const difference = ours.get(text)
  const theirs = canonical(elements, plain)
  const expected = difference === undefined ? theirs : canonical(difference, plain)
  const spare = more === undefined ? 20 : 0 // an element too many is to be seen
  const count = (difference ?? elements).length + spare
  const found = await eventsOf(build(pipeline, mode), count).then(events => canonical(events, plain), String)
  return [
    ...(difference !== undefined && expected === theirs ? [`${text}\n  is listed as a difference, and is none`] : []),
    ...(found !== expected ? [`${text}\n  expected ${expected}\n  found    ${found}`] : [])
  ]
}

describe('The differences that are listed', () => {
  test.each(DIFFERENCES)('$why', ({ pipelines }) => {
    const known = new Set(GOLDENS.map(({ pipeline }) => textOf(pipeline)))
    expect(Object.keys(pipelines).filter(text => !known.has(text))).toEqual([])
  })
})

describe.each(MODES)('A shuffle keeps the rules that hold for all random numbers, $how', mode => {
  const named = SHUFFLED.map(item => ({ ...item, text: textOf(item.pipeline) }))
  test.each(named)('$text', async ({ pipeline, elements = [], rules }) => {
    const found = (await eventsOf(build(pipeline, mode), elements.length + 20)) as number[]
    expect(ascending(found)).toEqual(elements)
    const { every = Infinity, reach = Infinity, order, mixes } = rules as Rules
    const count = every === Infinity ? 0 : Math.ceil(found.length / every)
    const epochs = Array.from({ length: count }, (_, i) => found.slice(i * every, (i + 1) * every))
    for (const epoch of epochs) {
      expect(ascending(epoch)).toEqual(Array.from({ length: every }, (_, i) => i))
      expect(epoch.filter((x, place) => x >= place + reach)).toEqual([])
    }
    if (order === 'same') expect(epochs[1]).toEqual(epochs[0])
    if (order === 'differs') expect(epochs[1]).not.toEqual(epochs[0])
    if (mixes !== undefined) expect(ascending(found.slice(0, mixes))).not.toEqual(Array.from({ length: mixes }, (_, i) => i))
  })
})

const ascending = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b)

describe.each(MODES)('A reduction gives the result of tf.data, $how', mode => {
  const named = REDUCTIONS.map(item => ({ ...item, text: `${textOf(item.pipeline)}.reduce(${JSON.stringify(item.reduce)})` }))
  test.each(named)('$text', async ({ pipeline, reduce, result }) => {
    const [name, initial] = reduce ?? []
    const fn = REDUCES[String(name)]
    if (fn === undefined) throw new TypeError(`no function ${String(name)}`)
    const later = async (state: unknown, x: unknown): Promise<unknown> => {
      await null
      return fn(state, x)
    }
    expect(toJson(await build(pipeline, mode).reduce(initial, mode.parallel ? later : fn))).toEqual(result)
  })
})

/** Up to `count` elements, and errors in their places. */
async function eventsOf(dataset: Dataset<unknown>, count: number): Promise<unknown[]> {
  const iterator = dataset.iterator()
  const events: unknown[] = []
  try {
    while (events.length < count) {
      try {
        const step = await iterator.next()
        if (step.done === true) break
        events.push(toJson(step.value))
      } catch {
        events.push(ERR)
      }
    }
  } finally {
    await iterator.close()
  }
  return events
}

/** An element in the words of the goldens. */
function toJson(value: unknown): unknown {
  if (typeof value === 'bigint') return { $: ['int64', [], [Number(value)]] }
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(toJson)
  if (!('dtype' in value)) return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toJson(member)]))
  const { dtype, shape, data } = value as NdArray
  const plain = (item: unknown): unknown => (dtype === 'bool' ? item === 1 : typeof item === 'bigint' ? Number(item) : item)
  return { $: [dtype, shape, Array.from(data as Iterable<unknown>, plain)] }
}

/** Text to compare, with keys in order. If plain, int64 arrays count as float32, and fractions have its precision. */
function canonical(events: unknown, plain: boolean): string {
  const walk = (value: unknown): unknown => {
    if (plain && typeof value === 'number' && !Number.isInteger(value)) return Math.fround(value)
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) {
      const array = plain && value.length === 3 && value[0] === 'int64'
      return array ? ['float32', ...value.slice(1).map(walk)] : value.map(walk)
    }
    const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
    return Object.fromEntries(members.map(([key, member]) => [key, walk(member)]))
  }
  return JSON.stringify(walk(events))
}
