import { describe, expect, test } from '@jest/globals'
import { Dataset, portable } from '../../src/index.js'
import type { MillraceError } from '../../src/errors.js'
import { openPlan } from '../../src/engine/open.js'
import { planNode, withInputs, type PlanNode } from '../../src/plan/node.js'
import type { State } from '../../src/plan/operator.js'
import type { Part } from '../../src/plan/workers.js'
import { batch } from '../../src/operators/batch.js'
import { cast } from '../../src/transforms.js'
import { packPiece, type PieceJson } from '../../src/workers/plan-json.js'
import { openPiece } from '../../src/workers/run-piece.js'
import { inProcessWorkers } from './double.js'

const url = new URL('./modules/functions.mjs', import.meta.url)
type Module = Readonly<Record<string, (x: number, context: { index: number; rng: { uniform(): number } }) => unknown>>
const fn = (name: string, ...args: number[]) => (args.length > 0 ? portable<Module>(url, name, { args }) : portable<Module>(url, name)) as unknown as (x: number) => number
const pass = { seed: 7, epoch: 2, branch: 3 }

/** Everything above the source, with the input that tasks feed. */
function above(plan: PlanNode): { readonly plan: PlanNode; readonly input: PlanNode } {
  let input = plan
  while (input.inputs[0] !== undefined) input = input.inputs[0]
  return { plan, input }
}

/** All parts, flat: errors as their messages, stacked ones as they are. */
const flat = (parts: readonly Part[]): unknown[] => parts.flatMap(part => (part.kind === 'elements' ? part.elements : part.kind === 'stacked' ? [part.stacked] : [`${(part.error as MillraceError).kind} ${(part.error as MillraceError).message}`]))

/** The plan in this thread, by the same pass. */
async function here(plan: PlanNode): Promise<{ readonly events: unknown[]; readonly states: State[] }> {
  const { signal } = new AbortController()
  const budget = { ceilingBytes: 1e9, heldBytes: 0, usedBytes: 0, hasRoom: true, add: () => undefined }
  const services = { threading: {}, budget, cores: 1, workers: () => Promise.resolve(null), close: () => Promise.resolve() }
  const root = openPlan(plan, { signal, aborted: false, seed: pass.seed, optimize: plan => plan, stages: new Map(), services }, pass)
  const events: unknown[] = []
  const states: State[] = [root.save()]
  for (;;) {
    try {
      const chunk = await root.pull(1)
      if (chunk === null) break
      events.push(...chunk)
    } catch (error) {
      events.push(`${(error as MillraceError).kind} ${(error as MillraceError).message}`)
    }
    states.push(root.save())
  }
  await root.close()
  return { events, states }
}

const chains: [string, Dataset<unknown>][] = [
  ['a portable function', Dataset.range(40).map(fn('double'))],
  ['a filter and an index', Dataset.range(40).filter(fn('odd')).map(fn('addIndex'))],
  ['random numbers', Dataset.range(40).map(fn('double')).map(fn('draw'))],
  ['a function that args make', Dataset.range(40).map(fn('makeAdd', 5))],
  ['promises', Dataset.range(40).map(fn('later')).map(fn('addIndex'))],
  ['promises side by side', Dataset.range(40).map(fn('later'), { parallel: 4 }).map(fn('addIndex'))],
  ['errors', Dataset.range(40).map(fn('notOdd')).map(fn('addIndex')).filter(fn('odd'))],
  ['transforms', Dataset.range(40).map(fn('row') as unknown as (x: number) => { readonly id: number }).map(cast({ id: 'int32' }))]
]

describe('a piece that tasks feed', () => {
  test.each(chains)('runs as in one thread: %s', async (_, { plan }) => {
    const piece = packPiece({ ...above(plan), pass })
    const running = await openPiece(JSON.parse(JSON.stringify(piece)) as PieceJson)
    const expected = await here(plan)
    const first = await running.run({ elements: Array.from({ length: 40 }, (_, k) => k), state: undefined, index: 0 })
    expect(flat(first.parts)).toEqual(expected.events)
    await running.close()
  })

  test.each(chains)('goes on from the state at its first element: %s', async (_, { plan }) => {
    const running = await openPiece(packPiece({ ...above(plan), pass }))
    const expected = await here(plan)
    for (const k of [1, 3, 8, 19]) {
      const state = expected.states[k] as State
      let source: State | undefined = state
      while (source?.inputs?.[0] !== undefined) source = source.inputs[0]
      const from = source?.self as number
      const drop = source?.drop ?? 0
      const elements = Array.from({ length: 40 - from - drop }, (_, i) => from + drop + i)
      expect(flat((await running.run({ elements, state, index: from })).parts)).toEqual(expected.events.slice(k))
    }
    await running.close()
  })

  test('hands rows over stacked where so many come in a row, and loses none around an error', async () => {
    const { plan } = Dataset.range(23).map(fn('notOdd')).map(fn('row'))
    const running = await openPiece(packPiece({ ...above(plan), pass, stack: { size: 4, numbers: 'float32' } }))
    const { parts } = await running.run({ elements: Array.from({ length: 23 }, (_, k) => k), state: undefined, index: 0 })
    expect(parts.map(part => (part.kind === 'elements' ? part.elements.length : part.kind === 'stacked' ? `${part.rows} stacked` : 'error'))).toEqual([
      3, 'error', '4 stacked', 2, 'error', '4 stacked', 2, 'error', '4 stacked', 1
    ])
  })

  test('stacks through declarative transforms as batch does, and what is left comes as elements', async () => {
    const rows = Array.from({ length: 11 }, (_, k) => ({ x: Float32Array.of(k, 2 * k), id: k }))
    const { plan } = Dataset.from(rows).map(cast({ id: 'int32' }))
    const running = await openPiece(packPiece({ ...above(plan), pass, stack: { size: 4, numbers: 'float32' } }))
    const { parts } = await running.run({ elements: rows, state: undefined, index: 0 })
    expect(parts.map(({ kind }) => kind)).toEqual(['stacked', 'stacked', 'elements'])
    const expected = await here(planNode(batch, { size: 4, dropRemainder: false, numbers: 'float32' as const }, [plan]))
    expect(flat(parts).slice(0, 2)).toEqual(expected.events.slice(0, 2))
    expect(flat(parts.slice(2))).toEqual((await here(plan)).events.slice(8))
  })

  test('gives elements where rows do not fit together', async () => {
    const { plan } = Dataset.range(8).map(fn('ragged'))
    const running = await openPiece(packPiece({ ...above(plan), pass, stack: { size: 4, numbers: 'float32' } }))
    const { parts } = await running.run({ elements: [0, 1, 2, 3, 4, 5, 6, 7], state: undefined, index: 0 })
    expect(parts.map(({ kind }) => kind)).toEqual(['stacked', 'elements'])
    expect(flat(parts.slice(1))).toEqual([4, 'text', 6, 7])
  })
})

describe('what cannot travel', () => {
  const local = (x: number): number => x
  test.each<[string, Dataset<unknown>, string]>([
    ['a closure', Dataset.range(3).map(local), 'the function local is a closure'],
    ['another operator', Dataset.range(3).shuffle(2), 'the operator shuffle runs in one place only'],
    ['several inputs', Dataset.range(3).concatenate(Dataset.range(3)), 'the operator concatenate runs in one place only'],
    ['files in memory', Dataset.tfrecord('mem://x'), 'is in the memory of this thread']
  ])('is named with its place: %s', (_, { plan }, reason) => {
    let error: unknown
    try {
      packPiece({ ...(plan.inputs.length === 0 ? { plan } : above(plan)), pass })
    } catch (caught) {
      error = caught
    }
    expect(error).toMatchObject({ kind: 'Unsupported', operator: plan.op.name })
    expect((error as Error).message).toContain(reason)
    expect((error as Error).message).toMatch(/added at .*run-piece/)
  })

  test('is a missing export, which says what there is', async () => {
    const { plan } = Dataset.range(3).map(fn('missing'))
    await expect(openPiece(packPiece({ ...above(plan), pass }))).rejects.toThrow(/exports no function of that name; it exports .*double/)
  })
})

describe('the double', () => {
  test('gives the same in any order of replies, and breaks down when it is told to', async () => {
    const { plan, input } = above(Dataset.range(4).map(fn('addIndex')).plan)
    const workers = inProcessWorkers({ threads: 2, seed: 5, breaks: [2] })
    const program = workers.load({ plan, input, pass })
    const { signal } = new AbortController()
    const tasks = [0, 1, 2, 3].map(k => program.run({ elements: [k], state: { self: k, inputs: [{}] }, index: k }, { signal }).then(reply => flat(reply.parts), (error: MillraceError) => `${error.kind} ${error.index}`))
    expect(await Promise.all(tasks)).toEqual([[0], [2], 'WorkerLost 2', [6]])
    await workers.close()
    expect(workers.seen).toMatchObject({ tasks: 4, elements: 4, open: 0 })
  })
})

test('nodes keep their depth, whatever was left out below', () => {
  const { plan } = Dataset.range(9).prefetch(2).map(fn('double')).prefetch(2).map(fn('draw'))
  const { nodes } = packPiece({ ...above(plan), pass })
  expect(nodes.map(({ op, depth }) => [op, depth])).toEqual([['input', 0], ['map', 1], ['map', 2]])
  expect(withInputs(plan, plan.inputs)).toBe(plan)
})
