import type { Json } from '../types.js'
import type { State } from './operator.js'
import type { PlanNode } from './node.js'

/**
 * Worker threads, as operators see them. An operator gives a piece of a plan to the workers, and then chunks of elements, or states to
 * go on from. Worker threads run the piece with the same engine, the same rules and the same random numbers as this thread would.
 */
export interface Workers {
  /** How many threads this iteration uses at most. They start when there is something to do. */
  size: number
  /** The most that `size` may become. */
  readonly most: number
  /** Ready to run a piece of a plan; threads load it when they first need it. @throws MillraceError `Unsupported` when something in it cannot travel, naming the node */
  load(piece: Piece): Program
}

/** A piece of a plan, to be run elsewhere. */
export interface Piece {
  /**
   * The nodes, as they were written, down to a source that can travel or to {@link Piece.input}. Depths of nodes are kept: with the pass they
   * decide random numbers.
   */
  readonly plan: PlanNode
  /** The node in `plan` whose elements tasks bring along; absent when the source travels. */
  readonly input?: PlanNode | undefined
  /** Stack rows that come out, so many at a time where so many come in a row, as `batch` would. */
  readonly stack?: StackSpec | undefined
  readonly pass: { readonly seed: number; readonly epoch: number; readonly branch: number }
}

/** The `batch` above a piece: how its rows may be handed over. */
export interface StackSpec {
  readonly size: number
  readonly numbers: string
}

/** A piece that is loaded. */
export interface Program {
  /** Runs one task on whichever thread is free first; at most `size` times a few are given out, the others wait here. */
  run(task: Task, options: { readonly signal: AbortSignal }): Promise<Reply>
  /** Begins to run the piece, from a state on, on one thread that then keeps it open. */
  session(state: State | undefined, options: SessionOptions): Session
  /** Ends its sessions; tasks that are under way are waited for, and their replies lost. */
  close(): Promise<void>
}

/** How a session is opened. */
export interface SessionOptions {
  readonly signal: AbortSignal
  /** Of a piece whose source reads files: the only ones to be read, of those that a listing gave. States count files of this list. */
  readonly files?: readonly { readonly uri: string; readonly known?: unknown }[] | undefined
}

/** A chunk of elements for a piece. */
export interface Task {
  readonly elements: readonly unknown[]
  /** The state of `plan` at the first of them; that of {@link Piece.input} in it does not matter. */
  readonly state: State | undefined
  /** Ordinal of the first element in the input of the piece: errors of threads that break down name it. */
  readonly index: number
}

/** A piece that a thread keeps open. Calls are answered in turn, and may overlap. */
export interface Session {
  /**
   * Up to `max` elements, in a row, with errors in their places. Stacked rows are counted from the first of each pull: whoever knows how many
   * rows are missing asks for those first. At the end, `state` is that of the plan there: behind its last element there may be some that it left out.
   */
  pull(max: number): Promise<Reply & { readonly ended: boolean; readonly state?: State | undefined }>
  close(): Promise<void>
}

/** What comes back, in order. */
export interface Reply {
  readonly parts: readonly Part[]
  /** What the thread computed for it, milliseconds. */
  readonly threadMs: number
}

/** A run of elements, stacked or not, or the error in the place of one. In sessions `state` is that of the plan right behind it. */
export type Part =
  | { readonly kind: 'elements'; readonly elements: readonly unknown[]; readonly state?: State | undefined }
  | { readonly kind: 'stacked'; readonly rows: number; readonly stacked: unknown; readonly state?: State | undefined }
  | { readonly kind: 'error'; readonly error: unknown; readonly state?: State | undefined }

/** Where a function that can travel comes from: a module and an export of it, called with `args` first if there are any. */
export interface FunctionReference {
  readonly url: string
  readonly name: string
  readonly args?: readonly Json[] | undefined
}
