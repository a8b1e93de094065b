import { setMember } from '../array/nest.js'
import { slicer, type Slicer } from '../array/slice.js'
import { isLeafSpec } from '../array/spec.js'
import { declaredSpec } from '../plan/declared-spec.js'
import type { PlanNode } from '../plan/node.js'
import type { Operator, State } from '../plan/operator.js'
import { savedCount, savedObject } from '../plan/saved.js'
import type { ElementSpec } from '../types.js'
import { run, wait } from '../util/promise.js'
import { batch } from './batch.js'
import { paddedBatch } from './padded-batch.js'
import { unorderedReason } from './unordered.js'

/**
 * The rows of every element: its slices along the first axis, the inverse of `batch`. Order: kept. An element without rows
 * gives none.
 *
 * Arrays are views of the batch, so a row that is kept keeps its batch. Memory: one batch. State: the place of the batch, and
 * how many of its rows were delivered.
 *
 * A batch whose arrays disagree about the number of rows is thrown as an error in place of all its rows.
 */
export interface UnbatchParams {
  /** Rows of every element, where the plan says so. */
  readonly rows: number | undefined
}

/** Looks in the plan for the number of rows: that of a batch without a remainder, or what was declared. */
export function unbatchParams(input: PlanNode): UnbatchParams {
  return { rows: batchSize(input) ?? firstAxis(declaredSpec(input)) }
}

export const unbatch: Operator<UnbatchParams> = {
  name: 'unbatch',
  describe: () => '',
  identity: () => null,
  cardinality: ({ rows }, [input]) => (input === Infinity ? Infinity : input === undefined || rows === undefined ? undefined : input * rows),
  elementSpec: (_, [spec]) => (spec === undefined ? undefined : rowSpec(spec)),

  open({ inputs: [input], saved, ctx }) {
    if (input === undefined) throw new TypeError('unbatch needs an input')
    const restored = savedObject('unbatch', saved ?? { index: 0, row: 0 })
    let index = savedCount('unbatch', restored['index']) // of the batch
    let row = savedCount('unbatch', restored['row'], 'the row') // the next one in it
    let current: Slicer<unknown> | undefined
    let before: State = {} // where the input stood before the batch

    const cut = (batch: Slicer<unknown>, max: number): unknown[] => {
      const out: unknown[] = []
      for (let end = Math.min(batch.rows, row + max); row < end; row++) out.push(batch.row(row))
      if (row >= batch.rows) {
        current = undefined
        row = 0
        index++
      }
      return out
    }
    const step = function* (max: number): Generator<PromiseLike<unknown>, unknown[] | null, unknown> {
      for (;;) {
        if (current === undefined) {
          before = input.save()
          const chunk = yield* wait(input.pull(1))
          if (chunk === null) return null
          try {
            current = slicer(chunk[0], 'batch')
          } catch (error) {
            row = 0
            throw ctx.userError(error, index++)
          }
        }
        const out = cut(current, max)
        if (out.length > 0) return out
      }
    }
    return {
      pull: max => (current !== undefined && current.rows > row ? cut(current, max) : run(() => step(max))),
      save: () => ({
        self: { index, row },
        inputs: [current === undefined ? input.save() : before],
        ...(row > 0 && input.ordered === false && { refused: unorderedReason('unbatch', 'inside a batch') })
      })
    }
  }
}

function batchSize(node: PlanNode): number | undefined {
  const [input] = node.inputs
  if (node.op === batch || node.op === paddedBatch) {
    const { size, dropRemainder } = node.params as { readonly size: number; readonly dropRemainder: boolean }
    return dropRemainder ? size : undefined
  }
  const passes = node.inputs.length === 1 && (node.op.sameElements === true || node.op.transparent === true)
  return passes && input !== undefined ? batchSize(input) : undefined
}

function firstAxis(spec: ElementSpec | undefined): number | undefined {
  if (spec === undefined) return undefined
  if (isLeafSpec(spec)) return (spec.shape[0] ?? -1) < 0 ? undefined : spec.shape[0]
  for (const member of Object.values(spec)) {
    const rows = firstAxis(member as ElementSpec)
    if (rows !== undefined) return rows
  }
  return undefined
}

/** The spec without its first axis; undefined when a leaf has none. */
function rowSpec(spec: ElementSpec): ElementSpec | undefined {
  if (isLeafSpec(spec)) return spec.shape.length === 0 ? undefined : { dtype: spec.dtype, shape: spec.shape.slice(1) }
  const rows = new Map(Object.entries(spec).map(([key, member]) => [key, rowSpec(member as ElementSpec)]))
  if ([...rows.values()].includes(undefined)) return undefined
  if (Array.isArray(spec)) return [...rows.values()] as ElementSpec[]
  const row: Record<string, ElementSpec | undefined> = {}
  for (const [key, member] of rows) setMember(row, key, member)
  return row as Record<string, ElementSpec>
}
