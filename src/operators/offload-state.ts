import type { PlanNode } from '../plan/node.js'
import type { Saved, State } from '../plan/operator.js'
import { savedStates } from '../plan/saved.js'
import type { Json } from '../types.js'

/** The states of the nodes of a chain, nearest to the source first, out of that of the last. */
export interface ChainState {
  /** What each has saved of itself. */
  readonly selves: readonly (Json | undefined)[]
  /** True when a node below the last is to leave something out. */
  readonly replaying: boolean
  readonly input: State | undefined
}

/** Takes the state of a chain apart. */
export function chainState(chain: readonly PlanNode[], { self, inputs }: State): ChainState {
  const selves: (Json | undefined)[] = []
  let replaying = false
  let state: State | undefined = { ...(self !== undefined && { self }), ...(inputs !== undefined && { inputs }) }
  for (let s = chain.length - 1; s >= 0; s--) {
    selves.unshift(state?.self)
    if ((state?.drop ?? 0) > 0 || (state?.faults?.length ?? 0) > 0) replaying = true
    state = savedStates((chain[s] as PlanNode).op.name, state?.self, state?.inputs, 1)?.[0]
  }
  return { selves, replaying, input: state }
}

/** Elements that have reached each node, where that is all that their states say; else undefined. */
export function plainCounts({ selves, replaying }: ChainState): readonly number[] | undefined {
  const counts = selves.map(self => self ?? 0)
  return !replaying && counts.every((count): count is number => typeof count === 'number' && Number.isSafeInteger(count) && count >= 0) ? counts : undefined
}

/** The state of a chain as its operators would have written it: so many elements have reached each of them. */
export function nestCounts(counts: readonly number[], input: State): Saved & State {
  let state = input
  for (const self of counts) state = { self, inputs: [state] }
  return state
}
