import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Dataset, portable } from '../../src/index.js'
import type { MillraceError } from '../../src/errors.js'
import type { PlanNode } from '../../src/plan/node.js'
import type { State } from '../../src/plan/operator.js'
import type { Part } from '../../src/plan/workers.js'
import { decodeRaw } from '../../src/transforms.js'
import { packPiece } from '../../src/workers/plan-json.js'
import { openPiece } from '../../src/workers/run-piece.js'

const url = new URL('./modules/functions.mjs', import.meta.url)
const fn = (name: string) => portable<Readonly<Record<string, (x: unknown) => unknown>>>(url, name)
const pass = { seed: 7, epoch: 0, branch: 0 }
const RECORDS = 30

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-sessions-'))
  // Two files of records of 4 bytes: an int32 that counts them.
  for (const file of [0, 1]) await writeFile(join(folder, `${file}.bin`), Int32Array.from({ length: RECORDS / 2 }, (_, k) => file * (RECORDS / 2) + k))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const records = (): Dataset<Uint8Array> => Dataset.fixedLengthRecords(join(folder, '*.bin'), { recordBytes: 4 })
const plans: [string, () => Dataset<unknown>][] = [
  ['records', () => records()],
  ['a transform', () => records().map(decodeRaw({ dtype: 'int32' }))],
  ['a function', () => records().map(fn('firstByte')).map(fn('notOdd'))],
  ['a filter', () => records().map(fn('firstByte')).filter(fn('odd'))],
  ['a batch', () => records().map(decodeRaw({ dtype: 'int32' })).batch(4)],
  ['a selection', () => records().skip(3).shard(2, 1).map(decodeRaw({ dtype: 'int32' }))]
]

/** Elements one by one; errors as their messages; and the state that is told behind the parts. */
const flat = (parts: readonly Part[]): unknown[] => parts.flatMap(part => (part.kind === 'elements' ? [...part.elements] : part.kind === 'stacked' ? [part.stacked] : [(part.error as MillraceError).message]))

async function here(dataset: Dataset<unknown>): Promise<unknown[]> {
  const out: unknown[] = []
  const iterator = dataset.iterator({ seed: 7, epoch: 0 })
  for (;;) {
    try {
      const { done, value } = await iterator.next()
      if (done === true) return out
      out.push(value)
    } catch (error) {
      out.push((error as Error).message)
    }
  }
}

async function all(plan: PlanNode, max: number, from?: State, stack?: { size: number; numbers: string }): Promise<{ readonly parts: Part[]; readonly states: (State | undefined)[] }> {
  const piece = await openPiece(packPiece({ plan, pass, stack }))
  const session = await piece.session(from)
  const parts: Part[] = []
  for (;;) {
    const reply = await session.pull(max)
    parts.push(...reply.parts)
    if (reply.ended) break
  }
  await session.close()
  await piece.close()
  return { parts, states: parts.map(({ state }) => state) }
}

describe('a session', () => {
  test.each(plans)('gives what one thread gives, in pulls of any size: %s', async (_, make) => {
    const expected = await here(make())
    for (const max of [1, 7, 1000]) expect(flat((await all(make().plan, max)).parts)).toEqual(expected)
  })

  test.each(plans)('goes on from the state of any part: %s', async (_, make) => {
    const expected = await here(make())
    const { parts, states } = await all(make().plan, 4)
    for (const k of [0, 1, 2, 3].filter(k => k < parts.length)) {
      const rest = await all(make().plan, 5, JSON.parse(JSON.stringify(states[k])) as State)
      expect(flat(rest.parts)).toEqual(expected.slice(flat(parts.slice(0, k + 1)).length))
    }
  })

  test('reads other files when it is told which', async () => {
    const piece = await openPiece(packPiece({ plan: records().map(fn('firstByte')).plan, pass }))
    const files = [1, 0].map(file => ({ uri: join(folder, `${file}.bin`) }))
    const session = await piece.session(undefined, files)
    expect(flat((await session.pull(100)).parts)).toEqual([...Array.from({ length: 15 }, (_, k) => 15 + k), ...Array.from({ length: 15 }, (_, k) => k)])
    await piece.close()
    expect(pathToFileURL(folder).protocol).toBe('file:')
  })

  test.each([['declarative', () => records().map(decodeRaw({ dtype: 'int32' }))], ['with a function', () => records().map(fn('bytesRow'))]] as const)('hands rows over stacked, and what is left one by one: %s', async (_, make) => {
    const stack = { size: 4, numbers: 'float32' }
    const { parts, states } = await all(make().plan, 12, undefined, stack)
    const kinds = parts.map(part => (part.kind === 'stacked' ? part.rows : part.kind === 'elements' ? [part.elements.length] : part.kind))
    expect(kinds.flat().reduce<number>((sum, n) => sum + (n as number), 0)).toBe(RECORDS)
    expect(kinds.slice(0, 7)).toEqual([4, 4, 4, 4, 4, 4, 4])
    const batches = await here(make().batch(4))
    expect(flat(parts.slice(0, 7))).toEqual(batches.slice(0, 7))
    const rest = await all(make().plan, 100, states[2])
    expect(flat(rest.parts)).toEqual((await here(make())).slice(12))
  })

  test('loses no row before or behind an error where rows are stacked', async () => {
    await writeFile(join(folder, 'short.bin'), Uint8Array.from({ length: 18 }, (_, k) => k))
    const make = (): Dataset<unknown> => Dataset.fixedLengthRecords([join(folder, '0.bin'), join(folder, 'short.bin'), join(folder, '1.bin')], { recordBytes: 4 }).map(decodeRaw({ dtype: 'int32' }))
    const { parts } = await all(make().plan, 1000, undefined, { size: 4, numbers: 'float32' })
    const expected = await here(make())
    const rows: unknown[] = parts.flatMap((part): readonly unknown[] => (part.kind === 'stacked' ? Array.from((part.stacked as { data: Int32Array }).data) : part.kind === 'error' ? [(part.error as Error).message] : part.elements.map(element => (element as { data: Int32Array }).data[0])))
    expect(rows).toEqual(expected.map(value => (typeof value === 'string' ? value : (value as { data: Int32Array }).data[0])))
    expect(rows.filter(row => typeof row === 'string')).toHaveLength(1)
  })

  test('answers pulls that overlap in turn', async () => {
    const piece = await openPiece(packPiece({ plan: records().map(fn('firstByte')).plan, pass }))
    const session = await piece.session(undefined)
    const replies = await Promise.all([3, 2, 4].map(max => session.pull(max)))
    expect(replies.map(({ parts }) => flat(parts))).toEqual([[0, 1, 2], [3, 4], [5, 6, 7, 8]])
    await session.close()
    await expect(session.pull(1)).rejects.toThrow('closed')
    await piece.close()
  })
})
