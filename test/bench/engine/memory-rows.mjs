import { join } from 'node:path'
import { inChild, interleaved } from '../harness/measure.mjs'
import { row, within } from '../harness/rows.mjs'

const MODULE = join(import.meta.dirname, 'memory.mjs')
/** The young generation has one size from the beginning: V8 would let it grow in steps for the first 2·10⁸ elements, up to 35 MB. */
const FLAGS = { flags: ['--expose-gc', '--min-semi-space-size=4', '--max-semi-space-size=4'] }

/** Whether memory stays flat: lines through the samples of long runs. Three runs will do. */
export async function memoryRows({ repeats, quick, progress, failures }) {
  const elements = quick ? 10_000_000 : 100_000_000
  const iterations = quick ? 2_000 : 10_000
  const results = await interleaved([
    { key: 'memory, elements', run: () => inChild(MODULE, 'memorySlope', { elements, samples: 100 }, FLAGS) },
    { key: 'memory, iterations', run: () => inChild(MODULE, 'iterationSlope', { iterations, samples: 50 }, FLAGS) }
  ], Math.min(repeats, 3), progress, failures)
  const long = results.get('memory, elements')
  const many = results.get('memory, iterations')
  const name = `memory over ${elements.toLocaleString('en')} elements`
  // 1 KiB per 10⁶ elements is a thousandth of a byte for each. Resident memory moves by whole pages.
  return [
    ...(long.length === 0 ? [] : [
      row({ name: `${name}, heap + external`, unit: 'B/10⁶ elements', ours: long.map(({ heap }) => heap), goal: within(1024, '|slope| ≤ 1 KiB') }),
      row({ name: `${name}, resident`, unit: 'B/10⁶ elements', ours: long.map(({ rss }) => rss), goal: within(4 * 1024, '|slope| ≤ 4 KiB') })
    ]),
    ...(many.length === 0 ? [] : [
      row({ name: `memory over ${iterations.toLocaleString('en')} iterations, heap + external`, unit: 'B/iteration', ours: many.map(({ heap }) => heap), goal: within(16, '|slope| ≤ 16 B') })
    ])
  ]
}
