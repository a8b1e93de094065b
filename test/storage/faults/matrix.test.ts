import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { DIALECTS, startOrigin, type Origin } from '../../servers/origin.js'
import { cellsOf, matrixPlan, MODES, runCells } from './cells.js'

let origin: Origin

beforeAll(async () => { origin = await startOrigin({ plan: matrixPlan }) })
afterAll(() => origin.close())

/** Servers learn a moment later that a connection is gone. */
async function noSocketIsOpen(): Promise<void> {
  const until = performance.now() + 1000
  while (origin.connections.open > 0 && performance.now() < until) await new Promise((resolve) => setImmediate(resolve))
  expect(origin.connections.open).toBe(0)
}

describe.each(DIALECTS)('%s', (dialect) => {
  test.each(MODES)('%s: every fault ends in the right bytes or the error that is named', async (mode) => {
    expect(await runCells(cellsOf(dialect, mode, false), origin, 12)).toEqual([])
    await noSocketIsOpen()
  }, 180_000)
})

test('nothing waits longer than its time limit', async () => {
  const cells = DIALECTS.flatMap((dialect) => MODES.flatMap((mode) => cellsOf(dialect, mode, true)))
  expect(await runCells(cells, origin, 24)).toEqual([])
  await noSocketIsOpen()
}, 180_000)
