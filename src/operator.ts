/** The door for people who write their own operators: see `Dataset.operator`, and `millrace/testing` for what they must hold. */
export { planNode, type Planned, type PlanNode } from './plan/node.js'
export type {
  AccessContext, Collector, CollectorOptions, Cursor, ElementContext, Input, Knob, NestedOptions, OpenArguments, OpenContext, Operator, Pass, RandomAccess,
  Saved, Selection, Stage, State, TrackedInput
} from './plan/operator.js'
export type { KnobResource, LiveKnob, MemoryAccount, Meter } from './plan/tuning.js'
export type { Part, Piece, Program, Reply, Session, SessionOptions, StackSpec, Task, Workers } from './plan/workers.js'
export { chain, isPromise, run, wait } from './util/promise.js'
