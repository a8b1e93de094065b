import { isMillraceError, MillraceError } from '../errors.js'
import type { PlanNode } from '../plan/node.js'
import type { State } from '../plan/operator.js'
import { savedCount, savedObject, savedPosition, savedStates } from '../plan/saved.js'
import type { Json } from '../types.js'

/**
 * States of a chain of elementwise operators above `readFiles`, and errors from it, as they are when the files and the elements before are
 * counted otherwise: in a worker, files are counted from the first that it was given, and elements from where it was thought to begin.
 */

/** The nodes of the chain that have a state, the uppermost first. */
export function chainOf(top: PlanNode, source: object): readonly PlanNode[] {
  const chain: PlanNode[] = []
  for (let node: PlanNode | undefined = top; node !== undefined && node.op !== source; node = node.inputs[0]) if (node.op.transparent !== true) chain.push(node)
  return chain
}

/** A state, taken apart. */
export interface ChainState {
  /** Elements that reached each operator, the uppermost first. */
  readonly counts: readonly number[]
  /** Where `readFiles` is; undefined at the beginning. */
  readonly place: { readonly [key: string]: unknown } | undefined
  /** True when an operator below the uppermost is to leave out elements: its count is that of another element. */
  readonly replays: boolean
}

/** Takes a state apart. @throws MillraceError `Checkpoint` for what no such chain has written. */
export function takeApart(chain: readonly PlanNode[], state: State | undefined): ChainState {
  const counts: number[] = []
  let below = state
  let replays = false
  for (const { op: { name } } of chain) {
    counts.push(savedPosition(name, below?.self))
    below = savedStates(name, below?.self, below?.inputs, 1)?.[0]
    replays ||= (below?.drop ?? 0) > 0 || (below?.faults?.length ?? 0) > 0
  }
  if (below?.self === undefined) return { counts, place: undefined, replays }
  const place = savedObject('readFiles', below.self)
  savedCount('readFiles', place['file'], 'the ordinal of the file')
  return { counts, place, replays }
}

/** The state in which so many elements have reached each operator, and `readFiles` is at that place. */
export function stateAt(counts: readonly number[], place: Json): State {
  return counts.reduceRight<State>((below, self) => ({ self, inputs: [below] }), { self: place })
}

/** The state with the counts of elements and of files moved. */
export function moved(state: State, counts: readonly number[], files: number, level = 0): State {
  if (level === counts.length) {
    const place = (state.self ?? { file: 0, fragment: 0, skip: 0 }) as { readonly file: number }
    return { ...state, self: { ...place, file: place.file + files } }
  }
  const self = ((state.self as number | undefined) ?? 0) + (counts[level] as number)
  return { ...state, self, inputs: [moved(state.inputs?.[0] ?? {}, counts, files, level + 1)] }
}

/** The state behind the next record, which is passed over as an error is: it takes an index in every operator. */
export function behindNext(state: State, depth: number): State {
  if (depth > 0) return { ...state, self: ((state.self as number | undefined) ?? 0) + 1, inputs: [behindNext(state.inputs?.[0] ?? {}, depth - 1)] }
  const place = (state.self ?? { file: 0, fragment: 0, skip: 0 }) as { readonly skip: number }
  return { ...state, self: { ...place, skip: place.skip + 1 } }
}

/** What a function failed with says which element it was: how that is counted in the worker, behind the error. */
const ORDINAL = /^([^:]*: (?:the function failed at )?element |[^:]*: the worker thread .*? at element )(\d+)(?=[: .])/

/**
 * The error with the ordinal of its element counted from the beginning of the pass. `state` is that behind it, as the worker counts: the operator that
 * failed has counted its element last.
 */
export function movedError(error: unknown, chain: readonly PlanNode[], state: State | undefined, counts: readonly number[], files: number): unknown {
  if (!isMillraceError(error)) return error
  if (error.kind === 'Checkpoint' && files > 0) return withText(error, error.message.replace(/^readFiles: file (\d+) is /, (_, file: string) => `readFiles: file ${Number(file) + files} is `))
  const { index, operator } = error
  if (index === undefined) return error
  let level = -1
  let below = state
  for (const [k, { op: { name } }] of chain.entries()) {
    // The lowest of those that it may be: the others have counted the same, unless there is a filter between.
    // What a thread was at when it broke down may be any.
    if (name === operator && (level < 0 || (below?.self as number | undefined) === index + 1)) level = k
    below = below?.inputs?.[0]
  }
  const offset = counts[level] ?? 0
  if (offset === 0) return error
  return withText(error, error.message.replace(ORDINAL, (_, before: string) => `${before}${index + offset}`), index + offset)
}

/** How many records lie between a state and the element at which a thread broke down; undefined when that is not known. */
export function recordsBefore(error: unknown, chain: readonly PlanNode[], state: State): number | undefined {
  if (!isMillraceError(error, 'WorkerLost') || error.index === undefined || error.message.includes(' or behind it')) return undefined
  const level = chain.findLastIndex(({ op }) => op.name === error.operator)
  if (level < 0 || chain.slice(level + 1).some(({ op }) => op.name === 'filter')) return undefined
  const before = error.index - (takeApart(chain, state).counts[level] as number)
  return before < 0 ? undefined : before
}

function withText(error: MillraceError, message: string, index = error.index): MillraceError {
  if (message === error.message && index === error.index) return error
  const { kind: _, ...where } = error
  const again = new MillraceError(error.kind, message, { ...where, ...(index !== undefined && { index }), cause: error.cause })
  if (error.stack !== undefined) Object.defineProperty(again, 'stack', { value: error.stack.replace(error.message, message), configurable: true, writable: true })
  return again
}
