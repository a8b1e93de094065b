import { wantsContext } from '../operators/stages.js'
import type { AnyFunction } from '../portable.js'
import type { ElementContext, State } from '../plan/operator.js'
import { isPromise } from '../util/promise.js'

/**
 * What a thread is doing, in memory that outlives it: when it breaks down, this says at which element. Written by one thread per element, which
 * costs some stores; read by the other after the end.
 */
export type ProgressCells = Float64Array

/** Number of cells. */
export const CELLS = 3
/** The task or session that is being worked on; 0 for none. */
export const RUN = 0
/** The node, counted from the source. */
export const NODE = 1
/** Ordinal of the element in the input of that node. */
export const INDEX = 2

/** Counts the elements that reach the functions of one piece. */
export interface Progress {
  /** A run begins, or goes on; `state` is that of the piece at its beginning. */
  begin(run: number, state?: State): void
  /** Nothing is being worked on. */
  end(): void
  wrap(fn: AnyFunction, ordinal: number): AnyFunction
}

/** Writes into `cells` what functions are called for. Nodes are counted from the source, which is node 0 of `nodes`. */
export function progressIn(cells: ProgressCells, nodes: number): Progress {
  const counts = new Float64Array(nodes)
  let id = 0
  const began = (ordinal: number): void => {
    cells[RUN] = id
    cells[NODE] = ordinal
    cells[INDEX] = counts[ordinal] as number
    counts[ordinal] = (counts[ordinal] as number) + 1
  }
  /** An error takes an index in every node that it passes. */
  const failed = (ordinal: number, error: unknown): never => {
    for (let above = ordinal + 1; above < counts.length; above++) counts[above] = (counts[above] as number) + 1
    throw error
  }
  return {
    begin(run, state) {
      cells[RUN] = id = run
      cells[NODE] = -1
      if (state === undefined) return
      for (let ordinal = nodes - 1, at: State | undefined = state; ordinal > 0; ordinal--, at = at?.inputs?.[0]) counts[ordinal] = typeof at?.self === 'number' ? at.self : 0
    },
    end() {
      cells[RUN] = 0
    },
    wrap(fn, ordinal) {
      const settled = (result: unknown): unknown => (isPromise(result) ? Promise.resolve(result).then(undefined, error => failed(ordinal, error)) : result)
      const withContext = (element: unknown, context: ElementContext): unknown => {
        began(ordinal)
        let result: unknown
        try {
          result = fn(element, context)
        } catch (error) {
          failed(ordinal, error)
        }
        return typeof result === 'object' ? settled(result) : result
      }
      const alone = (element: unknown): unknown => {
        began(ordinal)
        let result: unknown
        try {
          result = fn(element)
        } catch (error) {
          failed(ordinal, error)
        }
        return typeof result === 'object' ? settled(result) : result
      }
      const { transform, batched } = fn as { readonly transform?: unknown; readonly batched?: unknown }
      const wrapped: AnyFunction = wantsContext(fn) ? withContext : alone
      return Object.assign(wrapped, transform !== undefined && { transform }, batched !== undefined && { batched })
    }
  }
}
