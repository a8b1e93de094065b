import { expect, test } from '@jest/globals'
import { inParallel } from '../../src/util/parallel.js'

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

test('results come in the order of the items, and no more calls are under way than said', async () => {
  let under = 0
  let most = 0
  const results = await inParallel([5, 1, 4, 2, 3], 2, async item => {
    most = Math.max(most, ++under)
    for (let i = 0; i < item; i++) await turn()
    under--
    return item * 10
  })
  expect(results).toEqual([50, 10, 40, 20, 30])
  expect(most).toBe(2)
  expect(await inParallel([], 3, async () => 1)).toEqual([])
})

test('after a failure nothing more is begun, what was begun is waited for, and the first failure is thrown', async () => {
  const begun: number[] = []
  const ended: number[] = []
  const failing = inParallel([0, 1, 2, 3], 2, async item => {
    begun.push(item)
    if (item === 0) throw new Error('first')
    for (let i = 0; i < 3; i++) await turn()
    ended.push(item)
    if (item === 1) throw new Error('second')
  })
  await expect(failing).rejects.toThrow('first')
  expect([begun, ended]).toEqual([[0, 1], [1]])
})
