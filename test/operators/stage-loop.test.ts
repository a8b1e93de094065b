import { execFileSync } from 'node:child_process'
import { afterEach, describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { generation } from '../../src/operators/stage-loop.js'
import { wantsContext } from '../../src/operators/stages.js'

describe('generated and interpreted loops', () => {
  const usual = generation.after
  afterEach(() => { generation.after = usual })

  test('are the same where the loop changes from one to the other', async () => {
    const make = () => Dataset.range(200).map(x => x + 1).filter(x => x % 3 !== 0).map((x, { index }) => x * 1000 + index)
    generation.after = Infinity
    const interpreted = await make().toArray()
    for (const after of [0, 1, 50, 133, 199]) {
      generation.after = after
      expect(await make().toArray()).toEqual(interpreted)
    }
  })

  test('where code may not be generated, plans run all the same', () => {
    const program = `
      import { Dataset } from 'millrace'
      const batches = await Dataset.range(5000).map(x => x + 1).filter(x => x % 2).map(async x => x, { parallel: 4 }).map(x => -x).batch(100).toArray()
      console.log(batches.length, batches[24].data[99])`
    const output = execFileSync(process.execPath, ['--disallow-code-generation-from-strings', '--input-type=module', '--eval', program], { encoding: 'utf8' })
    expect(output).toBe('25 -4999\n')
  })
})

describe('a function gets a context if it may look at it', () => {
  test.each<[string, (...args: never[]) => unknown, boolean]>([
    ['two parameters', (x: number, context: unknown) => [x, context], true],
    ['one parameter', (x: number) => x, false],
    ['no parameter', () => 1, false],
    ['a default for the second', (x: number, context = {}) => [x, context], true],
    ['a default for the first', (x = 1) => x, true], // in doubt
    ['rest parameters', (...all: number[]) => all, true],
    ['one and the rest', (x: number, ...all: number[]) => [x, all], true],
    ['arguments', function (x: number) { return [x, arguments.length] }, true],
    ['a bound function', ((x: number, context: unknown) => [x, context]).bind(null) as never, true],
    ['an async function of one parameter', async (x: number) => x, false]
  ])('%s', (_, fn, wants) => expect(wantsContext(fn)).toBe(wants))
})
