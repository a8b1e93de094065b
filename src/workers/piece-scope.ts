import { batchPool } from '../array/pool.js'
import { stacker } from '../array/stack.js'
import { processBudget } from '../engine/memory-budget.js'
import { openPlan } from '../engine/open.js'
import type { Iteration, Services } from '../engine/scope.js'
import { batch, type BatchParams } from '../operators/batch.js'
import { optimizeInner } from '../optimizer/optimize-inner.js'
import { planNode, type PlanNode } from '../plan/node.js'
import type { Input, State } from '../plan/operator.js'
import type { Part, StackSpec } from '../plan/workers.js'
import type { UnpackedPiece } from './plan-json.js'
import type { Progress } from './progress.js'

/** All that opening the plans of one piece takes. */
export interface PieceScope {
  readonly piece: UnpackedPiece
  readonly iteration: Iteration
  readonly progress: Progress
  open(plan: PlanNode, state: State | undefined): Input
  /** Stacks rows; undefined when they do not fit together, and the `batch` above is to say so. */
  stack(rows: readonly unknown[]): unknown
}

/** Nothing of the other thread is had here: no threads, no tuner. */
const services: Services = { threading: {}, get budget() { return processBudget() }, cores: 1, workers: () => Promise.resolve(null), close: () => Promise.resolve() }

/** Nothing of an iteration is made that is not needed to run here. */
export function makeScope(piece: UnpackedPiece, progress: Progress, signal: AbortSignal): PieceScope {
  const { seed, epoch, branch } = piece.pass
  const iteration: Iteration = { signal, aborted: false, seed, optimize: optimizeInner, stages: new Map(), services }
  signal.addEventListener('abort', () => { iteration.aborted = true }, { once: true })
  const pool = batchPool()
  const stackRows = stacker({ numbers: (piece.stack?.numbers ?? 'float32') as BatchParams['numbers'], pool })
  return {
    piece,
    iteration,
    progress,
    open: (plan, state) => openPlan(optimizeInner(plan), iteration, { epoch, branch }, state),
    stack(rows) {
      try {
        return stackRows(rows)
      } catch {
        return undefined
      }
    }
  }
}

/** The `batch` that a piece is to be stacked by, over its plan: rules see the two together. */
export function batchOver(plan: PlanNode, { size, numbers }: StackSpec): PlanNode {
  return planNode(batch, { size, dropRemainder: false, numbers: numbers as BatchParams['numbers'] }, [plan])
}

/** Elements as batches of `size`, and what is left of them. */
export function stackRuns({ stack: stackRows }: Pick<PieceScope, 'stack'>, { size }: StackSpec, part: Part): Part[] {
  if (part.kind !== 'elements' || part.elements.length < size) return [part]
  const parts: Part[] = []
  let at = 0
  for (; at + size <= part.elements.length; at += size) {
    const rows = part.elements.slice(at, at + size)
    const stacked = stackRows(rows)
    parts.push(stacked === undefined ? { kind: 'elements', elements: rows } : { kind: 'stacked', rows: size, stacked })
  }
  if (at < part.elements.length) parts.push({ kind: 'elements', elements: part.elements.slice(at) })
  return parts
}
