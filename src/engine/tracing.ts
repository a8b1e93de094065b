/**
 * Makes an iteration visible: spans of OpenTelemetry for the epoch, its files and elements, and measures of the stages. Nothing of it is
 * loaded or called unless `options({ tracing: true })` asks for it.
 */

/** What of `@opentelemetry/api` is used. */
export interface OpenTelemetry {
  readonly trace: {
    getTracer(name: string): { startSpan(name: string, options: SpanOptions, context?: unknown): Span }
    setSpan(context: unknown, span: Span): unknown
  }
  readonly context: { active(): unknown }
}

interface Span {
  end(endTime?: number): void
}

interface SpanOptions {
  /** Milliseconds since 1970, as `endTime` is. */
  readonly startTime: number
  readonly attributes: Attributes
}

type Attributes = Readonly<Record<string, string | number>>

/** Watches one iteration. */
export interface Tracer {
  /** Begins a span below that of the epoch; what comes back ends it. */
  readonly span: (name: string, attributes: Attributes) => () => void
  /** A pull of a stage, with `performance.now()` before and behind it. */
  stage(operator: string, started: number, ended: number): void
  /** An element was delivered, and waited for since then. Of quick ones, one in many is shown. */
  delivered(ordinal: number, waitedSince: number): void
  close(): void
}

/** Spans that wait for the package to be loaded. */
const MOST_EARLY = 1024
/** Elements that come faster than that, in milliseconds, are not shown each. */
const QUICK_MS = 1
const QUICK_EVERY = 64

let loading: Promise<OpenTelemetry | undefined> | undefined
const PACKAGE = '@opentelemetry/api'

/** The package, if it is installed: looked for once per process. */
function openTelemetry(): Promise<OpenTelemetry | undefined> {
  return (loading ??= import(PACKAGE).then((module: Partial<OpenTelemetry>) => (module.trace === undefined || module.context === undefined ? undefined : (module as OpenTelemetry)), () => undefined))
}

/** Begins the span of an epoch. `load` finds the package; tests bring their own. */
export function tracer(epoch: number, seed: number, load: () => Promise<OpenTelemetry | undefined> = openTelemetry): Tracer {
  let api: OpenTelemetry | null | undefined // null: there is none
  let root: Span | undefined
  let early: (() => void)[] = []
  const begun = wallClock(performance.now())

  const begin = (name: string, startTime: number, attributes: Attributes): Span | undefined => {
    if (api === null || api === undefined) return undefined
    const active = api.context.active()
    const own = api.trace.getTracer('millrace')
    return own.startSpan(`millrace.${name}`, { startTime, attributes }, root === undefined ? active : api.trace.setSpan(active, root))
  }
  /** Now, or when the package is there. */
  const record = (write: () => void): void => {
    if (api === null) return
    if (api !== undefined) write()
    else if (early.length < MOST_EARLY) early.push(write)
  }
  const whole = (name: string, from: number, to: number, attributes: Attributes): void => record(() => begin(name, from, attributes)?.end(to))

  record(() => { root = begin('epoch', begun, { 'millrace.epoch': epoch, 'millrace.seed': seed }) })
  load().catch(() => undefined).then(found => {
    api = found ?? null
    const writes = early
    early = []
    if (found !== undefined) for (const write of writes) write()
  }).catch(() => { api = null }) // a package that does not work must not break an iteration

  return {
    span(name, attributes) {
      const from = wallClock(performance.now())
      return () => whole(name, from, wallClock(performance.now()), attributes)
    },
    stage(operator, started, ended) {
      const name = `millrace ${operator}`
      const detail = { devtools: { track: operator, trackGroup: 'millrace' } }
      performance.measure(name, { start: started, end: ended, detail })
      performance.clearMeasures(name) // observers and traces have it; a list of all would grow without end
    },
    delivered(ordinal, waitedSince) {
      const now = performance.now()
      if (now - waitedSince < QUICK_MS && ordinal % QUICK_EVERY !== 0) return
      whole('element', wallClock(waitedSince), wallClock(now), { 'millrace.element': ordinal })
    },
    close() {
      const ended = wallClock(performance.now())
      record(() => root?.end(ended))
    }
  }
}

const wallClock = (time: number): number => performance.timeOrigin + time
