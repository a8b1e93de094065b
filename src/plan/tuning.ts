/**
 * What an operator that does several things at once, or holds elements, says of itself while it runs. It writes; statistics and the
 * tuner read. Totals only grow; times are milliseconds.
 */
export interface Meter {
  /** What calls, reads or tasks took, added up: those side by side each count. */
  serviceMs: number
  /** How many of them have ended. */
  served: number
  /** Of `serviceMs`, what other threads computed for it. */
  threadMs: number
  /** How many are under way. */
  inFlight: number
  /** Elements that are ready and wait to be pulled. */
  queued: number
  /** Pulls that found nothing ready and had to wait. */
  starved: number
  /** How often it began nothing more because it was full, by elements or by bytes. */
  full: number
}

/** What has no entries yet. */
export const newMeter = (): Meter => ({ serviceMs: 0, served: 0, threadMs: 0, inFlight: 0, queued: 0, starved: 0, full: 0 })

/** What one unit of a knob takes: a place in memory, a request under way, or a thread at work. */
export type KnobResource = 'memory' | 'request' | 'thread'

/** A number that may be changed while a cursor runs, without changing its elements, their order or checkpoints. */
export interface LiveKnob {
  /** As `explain()` names it: `map.parallel`. */
  readonly name: string
  /** False when the user gave the value: it is shown, and never changed. */
  readonly auto: boolean
  readonly least: number
  readonly most: number
  readonly resource: KnobResource
  get(): number
  /** Takes effect at once where it is raised, and with what is under way where it is lowered. */
  set(value: number): void
}

/** Bytes that buffers hold, under one ceiling for the process. */
export interface MemoryAccount {
  /** Adds to what the operator holds; negative when it gives something away. What is left at its end the engine takes off. */
  add(bytes: number): void
  /** What it holds. */
  readonly held: number
  /**
   * False when all that is held in the process, or the process as measured, has reached the ceiling. Then whoever holds
   * something fetches no more until it was asked again; whoever holds nothing may fetch one element.
   */
  readonly hasRoom: boolean
}

/** One stage of a running plan, as the tuner sees it. */
export interface StageSample {
  readonly operator: string
  /** Ordinal in the list of stages, sources first. */
  readonly stage: number
  readonly elements: number
  readonly pulls: number
  /** Inside `pull`, inputs included. */
  readonly busyMs: number
  /** Of `busyMs`, until promises settled. */
  readonly waitMs: number
  readonly meter: Readonly<Meter> | undefined
  readonly heldBytes: number
  readonly knobs: readonly LiveKnob[]
}

/** What a tuner sees of an iteration. Totals since its beginning. */
export interface TunerView {
  /** Milliseconds. */
  now(): number
  /** What is between a delivered element and the next call is the consumer's own time; `waitMs` is what it waited for us. */
  consumer(): { readonly delivered: number; readonly gapMs: number; readonly waitMs: number; /** of the last elements, newest last */ readonly gaps: readonly number[]; /** Whether it waits now; undefined where that is not known. */ readonly waiting?: boolean }
  stages(): readonly StageSample[]
  memory(): { readonly heldBytes: number; readonly usedBytes: number; readonly ceilingBytes: number }
  /** Share of the last moments in which the event loop was busy, 0 to 1. */
  eventLoop(): number
  /** Threads that may compute at the same time. */
  readonly cores: number
}

/** One decision of the tuner. */
export interface TuningStep {
  /** Milliseconds since the first pull. */
  readonly atMs: number
  /** `map.parallel`, with `#2` behind it for the second operator of that name. */
  readonly knob: string
  readonly from: number
  readonly to: number
  /** Why it was tried: the bottleneck, in words. */
  readonly why: string
  /** Change of the measured throughput as a share: 0.18 is 18 % more. Undefined while it is being measured, and where it could not be: a ceiling left no choice, or the plan changed. */
  readonly effect: number | undefined
  readonly outcome: 'measuring' | 'kept' | 'taken back'
  /** `map.parallel 4 → 6: +18 %, kept` */
  readonly text: string
}

/** Values of knobs that worked, by their names: JSON. */
export interface TuningProfile {
  readonly version: 1
  readonly knobs: { readonly [name: string]: number }
}

/** A running tuner. */
export interface Tuner {
  log(): readonly TuningStep[]
  profile(): TuningProfile
  /** Takes no more decisions, and leaves no timer. */
  stop(): void
}

/** How a plan is to be tuned. */
export interface AutotuneOptions {
  /** False leaves every knob where it begins. @default true */
  readonly enabled?: boolean
  /** Threads that may compute at the same time. @default the cores that this process may use */
  readonly cpuBudget?: number
  /** Bytes that all buffers together may hold, and by which the process may grow. @default half of the memory that is free at the first iteration */
  readonly memoryBytes?: number
  /** Where knobs that are counts begin. @default what each operator thinks right */
  readonly initialParallelism?: number
  /** Values that worked before: `iterator.profile()` of an earlier run. */
  readonly warmStart?: TuningProfile
}

/** Where the threads of a plan come from. */
export interface ThreadingOptions {
  /** Worker threads that one iteration may have at most, explicit numbers included. @default the cores of `cpuBudget` for those that `'auto'` chooses */
  readonly privateThreadpoolSize?: number
  /** The most that `parallel` of any one operator may be, given or chosen. @default no bound */
  readonly maxIntraOpParallelism?: number
}

/** How work is done on worker threads. */
export interface WorkerOptions {
  /**
   * Threads that run all that can travel of the plan: files, declarative transforms, portable functions, up to and with the first batch. 0: only
   * `map`s with `parallel` use threads. @default 0
   */
  readonly count?: number | 'auto'
  /** Keep the threads for the next iteration instead of ending them with this one. @default false */
  readonly persistent?: boolean
  /** How often the work of a thread that broke down is given to another one. @default 0: it is an error at the element that was being worked on */
  readonly retries?: number
  /** Bytes that the JavaScript objects of one thread may have. @default Node's */
  readonly maxHeapBytes?: number
  /** A module and the name of a function in it that every thread calls once, with its number, before it does anything else. */
  readonly init?: { readonly url: string; readonly name: string } | undefined
}

/** What `Dataset.options` takes. */
export interface DatasetOptions {
  readonly autotune?: boolean | AutotuneOptions
  readonly threading?: ThreadingOptions
  readonly workers?: number | 'auto' | WorkerOptions
  /**
   * Make what happens visible: spans of OpenTelemetry for the epoch, files and elements, where `@opentelemetry/api` is installed and set up; and measures
   * of the stages for DevTools, Perfetto and `PerformanceObserver`. @default false
   */
  readonly tracing?: boolean
}
