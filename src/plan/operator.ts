import type { Cardinality, ElementSpec, Json, MaybePromise } from '../types.js'
import type { NumberDType } from '../array/dtype.js'
import type { BatchPool } from '../array/pool.js'
import type { Rng } from '../util/rng.js'
import type { PlanNode } from './node.js'
import type { LiveKnob, MemoryAccount, Meter, ThreadingOptions } from './tuning.js'
import type { Workers } from './workers.js'

/**
 * The position of a cursor and of everything below it, as JSON. It says which elements were delivered, never what they
 * were, and counts elements, so that it does not depend on chunk sizes, parallelism or buffer sizes.
 */
export interface State {
  /** What the operator itself needs. */
  readonly self?: Json
  /** The states of the inputs; absent when the operator has none or begins afresh. */
  readonly inputs?: readonly State[]
  /** After restoring: leave out that many outputs of this cursor. */
  readonly drop?: number
  /** After restoring: ordinals among the outputs at which an error, delivered before, is passed over. */
  readonly faults?: readonly number[]
  /** Why this cursor cannot be restored. The engine throws it when a checkpoint is asked for. */
  readonly refused?: string
}

/**
 * A running operator.
 *
 * - `pull(max)` gives 1 to `max` elements, or `null` at the end (and from then on). It returns a plain value when nothing
 *   has to be awaited. It is never called while an earlier pull is pending, nor after `close`.
 * - It takes no more from its inputs than it needs for `max`, unless the operator is a declared buffer.
 * - An error at an element is thrown (or rejected) after all elements before it were delivered; the next pull goes on
 *   behind that element.
 */
export interface Cursor<T> {
  pull(max: number): MaybePromise<T[] | null>
  /**
   * The position right behind the last element that `pull` returned; never called while a pull is pending. `inputs`
   * defaults to the present states of the inputs, which is right for every operator that holds no elements back.
   */
  save?(): Saved
  /** Releases what the cursor itself holds and waits for user functions in flight. The engine closes the inputs. */
  close?(): MaybePromise<void>
}

/** What a cursor says of its position. See {@link State}. */
export interface Saved {
  readonly self?: Json
  readonly inputs?: readonly State[]
  /** So many outputs behind that position were delivered, with no error among them: for cursors that know the states of runs of elements only. */
  readonly drop?: number
  readonly refused?: string
}

/** An opened input, owned by the engine: same contract as {@link Cursor}, with the state of the whole subtree. */
export interface Input<T = unknown> {
  pull(max: number): MaybePromise<T[] | null>
  save(): State
  /** Ends it early, for operators that open and finish inputs while running. Idempotent. */
  close(): Promise<void>
  /** False once an operator in it gives up the order: what is read again then may come in another. Absent: true. */
  readonly ordered?: boolean
}

/**
 * An input whose past positions can be told. Operators that hold elements back (buffers, windows, work in flight) pull
 * through it, and save the position of the oldest element that they still owe instead of the element.
 */
export interface TrackedInput<T = unknown> {
  pull(max: number): MaybePromise<T[] | null>
  /** Number of events so far: elements taken, and errors thrown by `pull`. It counts from 0 in each cursor. */
  readonly position: number
  /**
   * The state of the input right before the event of that ordinal, which must not have been released. Errors among the
   * events from there up to `delivered` (default: none) have reached the consumer and will not be thrown again.
   */
  stateAt(position: number, delivered?: number): State
  /** Promises that no position before this one will be asked for. */
  release(position: number): void
}

/** What a user function learns beside the element. */
export interface ElementContext {
  /** Ordinal of the element in the input of the operator, from 0, in this epoch. */
  readonly index: number
  /** Random numbers that depend only on (seed, operator, epoch, index): the same at any parallelism, on any machine. */
  readonly rng: Rng
  /** Aborted when the iteration ends for any reason. */
  readonly signal: AbortSignal
}

/** Elements by ordinal. `get` returns them in the order of `indices`, which are all inside `[0, length)`. */
export interface RandomAccess<T = unknown> {
  readonly length: number
  get(indices: readonly number[]): MaybePromise<T[]>
  close?(): MaybePromise<void>
}

/** The part of {@link OpenContext} that access by ordinal has. */
export type AccessContext = Pick<OpenContext, 'signal' | 'epoch' | 'randomKey' | 'elementContexts' | 'userError'>

/** What the engine gives to a cursor. */
export interface OpenContext {
  /** Aborted when the iteration ends for any reason. */
  readonly signal: AbortSignal
  /** Number of the pass over the data that this cursor is part of, from 0. */
  readonly epoch: number
  /** All that the first input depends on. With `open(input, { pass })` the same elements can be had again, in any iteration. */
  readonly pass: Pass
  /** Key of the random numbers of this operator; a `seed` overrides that of the iteration, an `epoch` that of the cursor. */
  randomKey(seed: number | undefined, epoch?: number): readonly [number, number]
  /** Remembers past states of an input. `every` is how many elements may have to be read again on restore (default 64). */
  track<T>(input: Input<T>, every?: number): TrackedInput<T>
  /** Opens a plan inside this cursor. The engine closes it with the cursor; the cursor may close it earlier. */
  open<T>(node: PlanNode<T>, options?: NestedOptions): Input<T>
  /**
   * Elements of a plan by ordinal, where the source and every operator above it allow it, else `null`. A promise when files have
   * to be opened to know; the caller closes what it resolves to.
   */
  randomAccess<T>(node: PlanNode<T>, options?: NestedOptions): MaybePromise<RandomAccess<T> | null>
  /** Makes the contexts that the functions of an operator get. `origin` is the node of the plan that holds the function. */
  elementContexts(seed?: number, origin?: PlanNode): (index: number) => ElementContext
  /** The error for a user function that threw at that element. An abort stays what it is. */
  userError(error: unknown, index: number, origin?: PlanNode): unknown
  /** Counts something in the statistics of the operator, under a text that says what it is. */
  note(what: string): void
  /** What the operator says of itself while it runs, for statistics and the tuner. */
  readonly meter: Meter
  /** Makes a number known that may be changed while the cursor runs. */
  knob(knob: LiveKnob): void
  /** Begins a span of a trace, under a name of its own; what comes back ends it. Absent when nobody wants to see. */
  readonly span?: ((name: string, attributes: Readonly<Record<string, string | number>>) => () => void) | undefined
  /** What buffers hold is counted here, in measured bytes; the ceiling is that of the process. */
  readonly memory: MemoryAccount
  /** Bounds that the user set for this iteration. */
  readonly threading: ThreadingOptions
  /** Worker threads of this iteration; `null` where there can be none, as in a browser. The same object whenever it is asked for. */
  workers(): Promise<Workers | null>
  /** Memory shared by all iterations over plans with this very operator: where `cache` keeps what it has. */
  readonly memo: Map<string, unknown>
}

/** What tells one pass over a plan from another: its elements depend on nothing else. */
export interface Pass {
  readonly seed: number
  readonly epoch: number
  readonly branch: number
}

/** How {@link OpenContext.open} opens a plan. */
export interface NestedOptions {
  readonly saved?: State | undefined
  /** The pass to be, whatever pass the cursor is part of. `epoch` and `branch` do not apply then. */
  readonly pass?: Pass | undefined
  /** Default: the epoch of the cursor that opens it. */
  readonly epoch?: number
  /** Makes the random numbers of unseeded operators differ between plans opened by one cursor. Default 0. */
  readonly branch?: number
}

/** One step of a fused loop. */
export interface Stage {
  readonly kind: 'map' | 'filter'
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a user function of any element type
  readonly fn: (value: any, context: ElementContext) => unknown
  /** Seed of the random numbers of `fn`. */
  readonly seed?: number | undefined
}

/** A batch in the making, filled by an operator that decodes straight into it. */
export interface Collector {
  /**
   * Decodes an element as the next row, and keeps no reference to it. When it throws, the row does not count. `index` is the
   * ordinal of the row in the input of the batch, for errors about rows that do not fit together.
   */
  add(element: unknown, index: number): void
  /**
   * Decodes `elements[from, to)` as the next rows, as far as that can be done all at once, and returns how many it did: those before
   * the first for which `add` has to be called. `index` is that of the first.
   */
  addRun?(elements: readonly unknown[], from: number, to: number, index: number): number
  /** The batch of the rows so far; the next `add` begins another. */
  finish(): unknown
}

/** What a batch is to be like. */
export interface CollectorOptions {
  readonly rows: number
  /** Dtype of plain numbers. */
  readonly numbers: NumberDType
  /** Where the memory of the arrays comes from. */
  readonly pool: BatchPool
}

/** An arithmetic selection of elements: `start, start + step, …`, at most `count` of them. */
export interface Selection {
  readonly start: number
  readonly step: number
  readonly count: number
}

/** A number that may be changed without changing the elements: a tuner's handle. `explain()` prints it. */
export interface Knob {
  readonly name: string
  readonly value: number | 'auto'
}

/** What {@link Operator.open} gets. */
export interface OpenArguments<P> {
  readonly params: P
  /** The opened inputs; empty for operators with `lazyInputs`. */
  readonly inputs: readonly Input<any>[] // eslint-disable-line @typescript-eslint/no-explicit-any
  /** The node itself, for operators that open their inputs themselves. */
  readonly node: PlanNode
  /** What `save().self` was, when this is a restore. */
  readonly saved: Json | undefined
  /** The saved states of the inputs, for operators with `lazyInputs`. */
  readonly savedInputs: readonly State[] | undefined
  readonly ctx: OpenContext
}

/**
 * The definition of an operator: a frozen plain object that nodes point at. An open set: to add one, write one.
 *
 * `P` are its resolved parameters, `O` its elements.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- nodes hold operators of any parameters
export interface Operator<P = any, O = unknown> {
  /** The name of the method on `Dataset`, where there is one. */
  readonly name: string
  /** Number of elements of a pass. Default: unknown. */
  cardinality?(params: P, inputs: readonly Cardinality[]): Cardinality
  /** The arguments as `explain()` shows them. Default: the params. */
  describe?(params: P): string
  /**
   * The part of the params that decides which elements come out, for fingerprints and checkpoints: JSON values and
   * functions. Leave out knobs. Default: all params.
   */
  identity?(params: P): unknown
  /** True when outputs are the inputs, unchanged and in order (prefetch): it has no state and no identity. */
  readonly transparent?: boolean
  /** False when the order of the outputs may differ each time. Default: true. */
  ordered?(params: P): boolean
  /** True when every output is an element of an input, unchanged: what was declared of its structure holds. */
  readonly sameElements?: boolean
  /** What is declared of the structure of the elements, given that of the inputs. Default: see `sameElements`. */
  elementSpec?(params: P, inputs: readonly (ElementSpec | undefined)[]): ElementSpec | undefined
  /** True for operators that open their inputs themselves, through `ctx.open`. */
  readonly lazyInputs?: boolean
  /** True for sources whose elements are there already: reading ahead costs nothing, and nobody can see it. */
  readonly free?: boolean
  /** For free sources: the params of one that may hand out the same array of elements again in the next pull. */
  reusing?(params: P): P
  /** True when the operator keeps its input busy ahead of demand. */
  readonly readsAhead?: boolean
  /** True for sources that read from a store: reading ahead hides waiting and has no effect that a user can see. */
  readonly reads?: boolean
  /** True when it calls functions ahead of demand, as with these params it was told to: going on ahead of them hides waiting. */
  overlaps?(params: P): boolean
  knobs?(params: P): readonly Knob[]
  /** The step of a fused loop that does the same, for elementwise operators; `null` when these params do not allow it. */
  stage?(params: P): Stage | null
  /** For elementwise operators that can decode straight into a batch: the same as their outputs stacked. */
  collector?(params: P, options: CollectorOptions): Collector
  /** For sources: the params of one whose elements need to be valid only until the next pull. */
  transient?(params: P): P
  /** For sources of rows of tables: the params of one that hands its rows out stacked, to the `batch` right above it. */
  stacked?(params: P): P | null
  /** True when these params change nothing, so that the node can be left out. */
  noOp?(params: P, input: Cardinality): boolean
  /** For sources: the params that make it produce just the selected elements; `null` when it cannot. */
  select?(params: P, selection: Selection): P | null
  /** For `take`, `skip`, `shard` and the like: which elements of the input it keeps. */
  selection?(params: P): Selection | null
  /** Access by ordinal, given that of the inputs. */
  randomAccess?(args: { readonly params: P; readonly inputs: readonly (RandomAccess | null)[]; readonly ctx: AccessContext }): MaybePromise<RandomAccess | null>
  open(args: OpenArguments<P>): Cursor<O>
}
