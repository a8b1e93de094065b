import { describe, expect, test } from '@jest/globals'
import { isMillraceError, type ByteSource } from '../../../src/format.js'
import { EXPECTED, fixture, generator, memorySource, named, openBytes, plain, readRows } from './support.js'
import type { Hdf5Group } from '../../../formats/hdf5/index.js'

const FACTOR = Math.max(1, Number(process.env['MILLRACE_FUZZ'] ?? 1))
const TIMEOUT = 20_000 * FACTOR
/** Rows that are read from the beginning and from the end: a damaged header may speak of any number. */
const ROWS = 16
const MOST_BYTES = 2 ** 16

interface Outcome {
  /** Values of columns by path and name, of datasets that could be read whole. */
  readonly values: Map<string, string | readonly string[]>
  readonly errors: unknown[]
}

const datasetsOf = (group: Hdf5Group): string[] =>
  group.members.flatMap(member => (member.kind === 'group' ? datasetsOf(member) : member.kind === 'dataset' ? [member.path] : []))

/** Reads datasets, or lists the file and reads what it lists. */
async function readAll(source: ByteSource, paths: readonly string[] | 'listed'): Promise<Outcome> {
  const values = new Map<string, string | readonly string[]>()
  const errors: unknown[] = []
  const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work()
    } catch (error) {
      errors.push(error)
      return undefined
    }
  }
  const file = await attempt(() => openBytes(source, { cacheBytes: 1000, maxChunkBytes: MOST_BYTES }))
  if (file === undefined) return { values, errors }
  const listed = paths === 'listed' ? await attempt(() => file.inspect()) : undefined
  for (const path of paths === 'listed' ? (listed === undefined ? [] : datasetsOf(listed)) : paths) {
    const table = await attempt(async () => (await file.dataset(path)).table())
    if (table === undefined) continue
    const columns = await attempt(() => readRows(table, 0, Math.min(ROWS, table.rows)))
    if (columns !== undefined && table.rows <= ROWS) for (const [name, column] of Object.entries(named(columns))) values.set(`${path} ${name}`, plain(column))
    if (table.rows > ROWS) await attempt(() => readRows(table, table.rows - ROWS, ROWS))
  }
  return { values, errors }
}

function checkErrors(what: string, errors: readonly unknown[]): void {
  for (const error of errors) {
    const right = isMillraceError(error) && error.uri === 'mem://bucket/file.h5' && typeof error.offset === 'number'
      && ['Corrupt', 'Truncated', 'Unsupported', 'Limit', 'NotFound'].includes(error.kind)
    if (!right) throw new Error(`${what}: ${error instanceof Error ? error.stack : String(error)}`, { cause: error })
  }
}

/** Bytes of all arrays that are made by length meanwhile. */
async function allocated<T>(work: () => Promise<T>): Promise<readonly [T, number]> {
  const Real = globalThis.Uint8Array
  let bytes = 0
  globalThis.Uint8Array = new Proxy(Real, {
    construct(target, args: unknown[], newTarget) {
      if (typeof args[0] === 'number') bytes += args[0]
      return Reflect.construct(target, args, newTarget) as object
    }
  })
  try {
    return [await work(), bytes]
  } finally {
    globalThis.Uint8Array = Real
  }
}

const FILES = ['fuzz-checked', 'fuzz-unchecked'] as const
const WHOLE = Object.fromEntries(FILES.map(name => [name, fixture(name)]))
const PATHS = Object.fromEntries(FILES.map(name => [name, Object.keys(EXPECTED[name]!)]))
const RIGHT = Object.fromEntries(FILES.map(name => [name, new Map<string, string | readonly string[] | undefined>(Object.entries(EXPECTED[name]!).flatMap(([path, { columns }]) =>
  Object.entries(columns).map(([column, { data, strings }]) => [`${path} ${column}`, data ?? strings] as const)))]))

/** Reads damaged bytes. Values of the file whose every byte is checked have to be right. */
async function check(name: (typeof FILES)[number], bytes: Uint8Array, what: string, turn: number): Promise<Outcome> {
  const source = memorySource(bytes)
  const paths = PATHS[name]!
  // One dataset at a time: that is most of what a case costs.
  const [outcome, memory] = await allocated(() => readAll(source, turn % 8 === 0 ? 'listed' : [paths[turn % paths.length]!]))
  checkErrors(what, outcome.errors)
  if (memory > 2 ** 24) throw new Error(`${what}: ${memory} bytes of memory`)
  const requested = source.ranges.reduce((sum, [, length]) => sum + length, 0)
  if (requested > 2 ** 22) throw new Error(`${what}: ${requested} bytes were read`)
  if (name === 'fuzz-checked') {
    for (const [key, value] of outcome.values) {
      const right = RIGHT[name]!.get(key)
      if (right !== undefined && String(right) !== String(value)) throw new Error(`${what}: wrong values in ${key}`)
    }
  }
  return outcome
}

describe.each(FILES)('%s', name => {
  const whole = WHOLE[name]!

  test('is read right when it is whole', async () => {
    const { values, errors } = await check(name, whole, 'whole', 0)
    expect(errors).toEqual([])
    expect(values).toEqual(RIGHT[name])
  })

  /** The larger file is tried less densely. */
  const sparse = whole.length > 8000 ? 2 : 1

  test('cut off at any byte is Truncated', async () => {
    for (let length = 0; length < whole.length; length += sparse === 1 ? 1 : Math.max(1, Math.round(8 / FACTOR))) {
      const { values, errors } = await check(name, whole.subarray(0, length), `${length} bytes`, length)
      expect(values.size).toBe(0)
      expect(errors).toMatchObject([{ kind: length === 0 ? 'Corrupt' : 'Truncated' }])
    }
  })

  test('with one wrong bit is right, or an error', async () => {
    let found = 0
    const step = Math.max(1, Math.round(17 * sparse / FACTOR))
    for (let bit = 0; bit < whole.length * 8; bit += step) {
      const damaged = whole.slice()
      damaged[bit >>> 3] = (damaged[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
      found += (await check(name, damaged, `bit ${bit}`, bit / step)).errors.length > 0 ? 1 : 0
    }
    expect(found).toBeGreaterThan(100)
  }, TIMEOUT)

  test('with garbage over a part of it is right, or an error', async () => {
    const random = generator(name.length)
    const favourites = [0, 1, 0x7f, 0x80, 0xff]
    for (let i = 0; i < 1200 * FACTOR; i++) {
      const damaged = whole.slice()
      const at = random(whole.length)
      const length = 1 + random(random(4) === 0 ? 64 : 8)
      const value = favourites[random(7)]
      for (let k = at; k < Math.min(whole.length, at + length); k++) damaged[k] = value ?? random(256)
      await check(name, damaged, `garbage ${i}`, i)
    }
  }, TIMEOUT)

  test('with a field copied over another is right, or an error', async () => {
    // Addresses point to other structures, or back: cycles.
    const random = generator(7)
    for (let i = 0; i < 1200 * FACTOR; i++) {
      const damaged = whole.slice()
      const length = [4, 8, 16, 40][random(4)] ?? 8
      const from = random(whole.length / 8) * 8
      damaged.copyWithin(random(whole.length / 8) * 8, from, Math.min(whole.length, from + length))
      await check(name, damaged, `copy ${i}`, i)
    }
  }, TIMEOUT)
})

test('garbage is not an HDF5 file', async () => {
  const random = generator(3)
  for (let i = 0; i < 2500 * FACTOR; i++) {
    const bytes = new Uint8Array(1 + random(1200))
    for (let k = 0; k < bytes.length; k++) bytes[k] = random(3) === 0 ? 0 : random(256)
    if (i % 2 === 0) bytes.set(WHOLE['fuzz-unchecked']!.subarray(0, Math.min(bytes.length, 9 + random(40))))
    const { values, errors } = await readAll(memorySource(bytes), ['/plain'])
    checkErrors(`case ${i}`, errors)
    if (values.size > 0 || errors.length === 0) throw new Error(`case ${i}: no error`)
  }
})
