import { byteLengthOf } from '../array/byte-length.js'
import { withInputs, type PlanNode } from '../plan/node.js'
import type { Input, OpenContext, Operator, Saved, State } from '../plan/operator.js'
import { travelling } from '../plan/reference.js'
import type { MaybePromise } from '../types.js'
import { isPromise } from '../util/promise.js'
import { filter } from './filter.js'
import { map, type MapParams } from './map.js'
import { chainState, nestCounts, plainCounts } from './offload-state.js'
import { wantsContext } from './stages.js'

/** A chain that runs in this thread, over an input that it does not own. */
export interface InlineChain {
  pull(max: number): MaybePromise<unknown[] | null>
  save(): Saved
  /** Elements that have reached each node; undefined while it holds some back, or is still to leave some out. */
  counts(): readonly number[] | undefined
  /** Begins to time the next pull. */
  time(): void
  /** Milliseconds that the chain itself took since then. */
  timed(): number
  /** Bytes of an element of the input, as they were when it was last timed. */
  readonly inputBytes: number
  close(): Promise<void>
}

/** What is made of a chain once, and used by every iteration over it. */
export interface InlinePlans {
  /** Promises in flight, as written. */
  readonly written: PlanNode
  /** One after the other, in one loop: for functions that return plain values. */
  plain(): PlanNode
  /** A function has returned a promise. */
  asynchronous: boolean
  /** Loads the modules of portable functions, so that calls return plain values. */
  load(): Promise<void>
  loaded: boolean
  readonly slot: Slot
}

/** Where a relay finds its input. Filled while the chain above it is opened. */
interface Slot {
  given: { readonly input: Input; readonly ctx: OpenContext } | undefined
}

/** Hands on the elements of an input that is open already. */
const relay: Operator<{ readonly slot: Slot }> = {
  name: 'relay',
  transparent: true,
  lazyInputs: true,
  ordered: ({ slot }) => slot.given?.input.ordered !== false,
  open({ params: { slot } }) {
    const input = slot.given?.input
    if (input === undefined) throw new Error('a relay was opened without its input')
    return { pull: max => input.pull(max), save: () => ({ inputs: [input.save()] }) }
  }
}

const PLANS = new WeakMap<object, InlinePlans>()

/** The plans of a chain, nearest to the source first. */
export function inlinePlans(chain: readonly PlanNode[]): InlinePlans {
  const known = PLANS.get(chain)
  if (known !== undefined) return known
  const slot: Slot = { given: undefined }
  const source: PlanNode = Object.freeze({ op: relay, params: Object.freeze({ slot }), inputs: Object.freeze([]), depth: Math.max(0, (chain[0]?.depth ?? 0) - 1), site: undefined })
  const stack = (nodes: readonly PlanNode[]): PlanNode => nodes.reduce((below, node) => withInputs(node, [below]), source)
  let plain: PlanNode | undefined
  const plans: InlinePlans = {
    slot,
    written: stack(chain.map(node => reporting(node, slot))),
    plain() {
      const made = plain ?? stack(chain.map(node => oneByOne(node, () => { plans.asynchronous = true })))
      if (plans.loaded) plain = made // before, it calls the functions that stand for those in modules
      return made
    },
    asynchronous: false,
    loaded: !chain.some(node => loadOf(node) !== undefined),
    async load() {
      for (const node of chain) await loadOf(node)?.().catch(() => undefined) // whoever calls it learns why it cannot be loaded
      plans.loaded = true
    }
  }
  PLANS.set(chain, plans)
  return plans
}

/** Opens a chain over an input that stays open when the chain is closed. */
export function openInline(plan: PlanNode, { slot }: InlinePlans, chain: readonly PlanNode[], input: Input, ctx: OpenContext, state: State): InlineChain {
  const begun = chainState(chain, state).selves[0]
  let events = 0
  let timing = false
  let since = 0
  let ownMs = 0
  let inputBytes = 0
  const took = (chunk: unknown[] | null): unknown[] | null => {
    events += chunk?.length ?? 0
    if (timing) {
      if (chunk !== null) inputBytes = byteLengthOf(chunk[0])
      since = performance.now()
    }
    return chunk
  }
  const threw = (error: unknown): never => {
    if (!ctx.signal.aborted) events++
    if (timing) since = performance.now()
    throw error
  }
  const counting: Input = {
    get ordered() {
      return input.ordered !== false
    },
    pull(max) {
      if (timing) ownMs += performance.now() - since
      let chunk: MaybePromise<unknown[] | null>
      try {
        chunk = input.pull(max)
      } catch (error) {
        return threw(error)
      }
      return isPromise(chunk) ? chunk.then(took, threw) : took(chunk)
    },
    save: () => input.save(),
    close: () => Promise.resolve()
  }
  slot.given = { input: counting, ctx }
  let opened: Input
  try {
    opened = ctx.open(plan, { saved: state })
  } finally {
    slot.given = undefined
  }
  return {
    pull: max => opened.pull(max),
    save: () => opened.save(),
    counts() {
      const now = chainState(chain, opened.save())
      const counts = plainCounts(now)
      return counts !== undefined && counts[0] === (typeof begun === 'number' ? begun : 0) + events ? counts : undefined
    },
    time() {
      timing = true
      ownMs = 0
      since = performance.now()
    },
    timed() {
      timing = false
      return ownMs + performance.now() - since
    },
    get inputBytes() {
      return inputBytes
    },
    close: () => opened.close()
  }
}

/** The state to begin from where so many elements have reached each node. */
export const stateFrom = (counts: readonly number[]): State => nestCounts(counts, {})

/** The node as it was written, whose statistics and knobs are those of the operator that runs it. */
function reporting(node: PlanNode, slot: Slot): PlanNode {
  if (node.op !== map || (node.params as MapParams).parallel === undefined) return node
  const op: Operator<MapParams> = {
    ...map,
    open(args) {
      const outer = slot.given?.ctx
      if (outer === undefined) return map.open(args)
      const ctx = Object.create(args.ctx, {
        meter: { get: () => outer.meter },
        knob: { value: outer.knob }
      }) as OpenContext
      return map.open({ ...args, ctx })
    }
  }
  return Object.freeze({ ...node, op })
}

/** The node without promises in flight; it tells when a function returns one. */
function oneByOne(node: PlanNode, tell: () => void): PlanNode {
  if (node.op !== map && node.op !== filter) return node
  const given = (node.params as MapParams).fn
  const fn = (given as { readonly loaded?: MapParams['fn'] }).loaded ?? given
  const declarative = 'transform' in (travelling(given) ?? {})
  const told = <R>(result: R): R => {
    if (isPromise(result)) tell()
    return result
  }
  const watched: MapParams['fn'] = declarative ? fn : wantsContext(fn) ? (value, context) => told(fn(value, context)) : value => told((fn as (value: unknown) => unknown)(value))
  const params = node.op === map ? { ...(node.params as MapParams), fn: watched, parallel: undefined, deterministic: true } : { ...(node.params as object), fn: watched }
  return Object.freeze({ ...node, params: Object.freeze(params) })
}

function loadOf({ op, params }: PlanNode): (() => Promise<void>) | undefined {
  if (op !== map && op !== filter) return undefined
  const { load, portable } = (params as MapParams).fn as { readonly load?: unknown; readonly portable?: unknown }
  return typeof load === 'function' && portable !== undefined ? (load as () => Promise<void>) : undefined
}
