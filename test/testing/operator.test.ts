import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import type { Cursor, Input, OpenContext, Operator } from '../../src/plan/operator.js'
import type { Json, MaybePromise } from '../../src/types.js'
import { operatorConformance, type OperatorConformance } from '../../src/testing/operator.js'

type Open = (input: Input<number>, saved: Json | undefined, ctx: OpenContext) => Cursor<number>

/** The names of the cases that fail for an operator on top of `0 … 9`. */
async function failures(open: Open, more: Partial<Operator<object, number>> = {}, options: Partial<OperatorConformance> = {}): Promise<string[]> {
  const op: Operator<object, number> = { name: 'subject', ...more, open: ({ inputs: [input], saved, ctx }) => open(input as Input<number>, saved, ctx) }
  const failed: string[] = []
  for (const { name, run } of operatorConformance({ make: () => Dataset.range(10).operator(op, {}), ...options })) await run().catch(() => failed.push(name))
  return failed
}

const map = (chunk: MaybePromise<number[] | null>, fn: (x: number) => number): number[] | null => (chunk as number[] | null)?.map(fn) ?? null

describe('operatorConformance', () => {
  test('passes an operator that does what it must', async () => {
    expect(await failures(input => ({ pull: max => map(input.pull(max), x => x + 1) }), { cardinality: (_, [size]) => size })).toEqual([])
  })

  test('finds a state that is forgotten', async () => {
    const failed = await failures(input => {
      let sum = 0
      return { pull: max => map(input.pull(max), x => (sum += x)) }
    })
    expect(failed).toContain('a checkpoint before every element restores the rest')
    expect(failed).toContain('a restored iteration can be checkpointed again')
  })

  test('finds elements that are held back and saved nowhere', async () => {
    const failed = await failures(input => {
      let held: number[] = []
      return {
        pull(max) {
          if (held.length === 0) held = (input.pull(4) as number[] | null) ?? []
          const out = held.splice(0, max)
          return out.length > 0 ? out : null
        }
      }
    })
    expect(failed).toContain('a checkpoint before every element restores the rest')
  })

  test('finds a cardinality that is not true', async () => {
    expect(await failures(input => ({ pull: max => input.pull(max) }), { cardinality: () => 9 })).toEqual(['the cardinality is the number of elements'])
  })

  test('finds randomness without a key', async () => {
    let drawn = 0
    expect(await failures(input => ({ pull: max => map(input.pull(max), () => drawn++) }))).toContain('two iterations of one epoch give the same elements')
  })

  test('finds a knob that changes the elements', async () => {
    const failed = await failures(input => ({ pull: max => input.pull(max) }), {}, { same: [() => Dataset.range(9)] })
    expect(failed).toContain('variant 1 gives the same elements')
  })

  test('finds traits that promise the rules what the operator does not do', async () => {
    const failed = await failures(input => ({ pull: max => map(input.pull(max), x => x + 1) }), { noOp: () => true })
    expect(failed).toContain('the plan as written gives what the optimised plan gives')
  })

  test('finds a source that cannot be resumed and does not say so', async () => {
    expect(await failures(input => ({ pull: max => input.pull(max) }), {}, { resumable: false })).toEqual(['a checkpoint is refused with a reason'])
  })

  test('finds an operator that fails to close', async () => {
    const failed = await failures(input => ({ pull: max => input.pull(max), close: () => { throw new Error('still busy') } }))
    expect(failed).toContain('closing after every number of elements ends cleanly')
  })
})
