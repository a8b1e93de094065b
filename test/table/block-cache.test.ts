import { expect, test } from '@jest/globals'
import { blockCache } from '../../src/table/block-cache.js'
import type { Columns } from '../../src/table/table.js'

const columns = (): Columns => ({ dtype: 'uint8', shape: [1], data: new Uint8Array(1) })

test('keeps what was used last, within its bytes, and hands out the memory of what has to go', () => {
  const cache = blockCache(10)
  const table = {}
  const [a, b, c] = [columns(), columns(), columns()]
  for (const [block, memory] of [a, b].entries()) {
    expect(cache.room(table, 5)).toBeUndefined()
    cache.add(table, block, 5, memory)
  }
  expect(cache.find(table, 0)).toBe(a)
  expect(cache.room(table, 5)).toBe(b)
  cache.add(table, 2, 5, c)
  expect(cache.find(table, 1)).toBeUndefined()
  expect([cache.find(table, 0), cache.find(table, 2)]).toEqual([a, c])
})

test('tells tables apart, and forgets one of them', () => {
  const cache = blockCache(100)
  const [one, two] = [{}, {}]
  const [a, b] = [columns(), columns()]
  cache.room(one, 40)
  cache.add(one, 0, 40, a)
  cache.room(two, 40)
  cache.add(two, 0, 40, b)
  expect(cache.room(two, 50)).toBeUndefined() // that of the other table is of no use
  cache.release(50)
  expect(cache.find(one, 0)).toBeUndefined()
  cache.forget(two)
  expect(cache.find(two, 0)).toBeUndefined()
  expect(cache.room(one, 100)).toBeUndefined()
})

test('two reads of one block count once', () => {
  const cache = blockCache(10)
  const table = {}
  for (let i = 0; i < 2; i++) cache.room(table, 5)
  for (let i = 0; i < 2; i++) cache.add(table, 0, 5, columns())
  expect(cache.room(table, 5)).toBeUndefined()
  expect(cache.find(table, 0)).toBeDefined()
})
