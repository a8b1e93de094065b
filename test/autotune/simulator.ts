/**
 * Pipelines in virtual time: a discrete-event simulation of cursors that pull from each other, with the meters and knobs
 * that operators have. Everything is a function of the seed.
 */
import type { KnobResource, LiveKnob, Meter, StageSample, TunerView } from '../../src/plan/tuning.js'
import { newMeter } from '../../src/plan/tuning.js'
import type { Schedule } from '../../src/autotune/autotune.js'

export type Random = () => number

export function random(seed: number): Random {
  let a = seed | 0
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Between 1 − spread and 1 + spread, by the mean 1. */
export const around = (r: Random, mean: number, spread: number): number => mean * (1 + spread * (2 * r() - 1))

export interface KnobSpec {
  readonly value: number
  readonly most?: number
  readonly least?: number
  readonly auto?: boolean
  readonly resource?: KnobResource
}

/** Milliseconds that pass without anybody's work, and milliseconds of a server. */
export interface Cost {
  readonly delay?: number
  readonly work?: number
}

export type StageSpec =
  /** One element after the other. */
  | { readonly kind: 'source'; readonly name?: string; readonly cost: (r: Random, t: number, index: number) => Cost; readonly server?: string }
  /** Several at a time, in order; without an input when it is the first stage. `size` is a second knob: elements per task. */
  | {
      readonly kind: 'parallel'; readonly name: string; readonly knob: KnobSpec; readonly size?: KnobSpec & { readonly name: string }
      readonly cost: (r: Random, t: number, items: number) => Cost; readonly server?: string; readonly items?: number; readonly bytes?: number
    }
  /** On the event loop. */
  | { readonly kind: 'inline'; readonly name: string; readonly cost: (r: Random, t: number) => number }
  | { readonly kind: 'batch'; readonly size: number }
  | { readonly kind: 'prefetch'; readonly knob: KnobSpec; readonly bytes?: number | ((t: number) => number) }

/** How many it serves at once, and by what share each that waits makes the service longer. */
export interface ServerSpec {
  readonly units: number
  readonly crowding?: number
}

export interface PipelineSpec {
  readonly seed?: number
  readonly stages: readonly StageSpec[]
  /** What the consumer leaves between elements. */
  readonly gap: (r: Random, t: number, index: number) => number
  readonly servers?: { readonly [name: string]: ServerSpec }
  readonly cores?: number
  readonly ceilingBytes?: number
}

export interface Simulation {
  readonly view: TunerView
  readonly schedule: Schedule
  readonly knobs: ReadonlyMap<string, LiveKnob>
  readonly delivered: number
  readonly peakBytes: number
  readonly peakThreads: number
  /** How often knobs were given another value. */
  readonly changes: number
  readonly timers: number
  run(untilMs: number): void
}

type Done = () => void
interface Cursor {
  pull(done: Done): void
}
interface Event {
  readonly at: number
  readonly order: number
  readonly act: (() => void) | undefined
}

/** A heap of events: the earliest first, those of the same moment in the order of their making. */
function eventQueue() {
  const heap: Event[] = []
  const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
  return {
    get first() {
      return heap[0]
    },
    push(event: Event) {
      let at = heap.push(event) - 1
      while (at > 0) {
        const above = (at - 1) >> 1
        if (!before(event, heap[above]!)) break
        heap[at] = heap[above]!
        at = above
      }
      heap[at] = event
    },
    shift(): Event | undefined {
      const top = heap[0]
      const last = heap.pop()
      if (heap.length === 0 || last === undefined) return top
      let at = 0
      for (;;) {
        let below = 2 * at + 1
        if (below >= heap.length) break
        if (below + 1 < heap.length && before(heap[below + 1]!, heap[below]!)) below++
        if (!before(heap[below]!, last)) break
        heap[at] = heap[below]!
        at = below
      }
      heap[at] = last
      return top
    }
  }
}

export function simulate(spec: PipelineSpec): Simulation {
  const r = random(spec.seed ?? 1)
  const events = eventQueue()
  const knobs = new Map<string, LiveKnob>()
  let clock = 0
  let order = 0
  let changes = 0
  let timers = 0
  let heldBytes = 0
  let peakBytes = 0
  let peakThreads = 0
  const after = (ms: number, act: () => void): void => events.push({ at: clock + Math.max(0, ms), order: order++, act })
  const hold = (bytes: number): void => {
    heldBytes += bytes
    peakBytes = Math.max(peakBytes, heldBytes)
  }
  const threads = (): number => [...knobs.values()].reduce((sum, knob) => sum + (knob.resource === 'thread' ? knob.get() : 0), 0)

  const servers = new Map(Object.entries({ loop: { units: 1 }, cpu: { units: spec.cores ?? 8 }, ...spec.servers }).map(([name, server]) => [name, serverOf(server)]))
  function serverOf({ units, crowding = 0 }: ServerSpec) {
    let active = 0
    let busyMs = 0
    let since = 0
    const waiting: { readonly ms: number; readonly done: Done }[] = []
    const begin = (ms: number, done: Done): void => {
      if (active++ === 0) since = clock
      after(ms * (1 + crowding * waiting.length), () => {
        if (--active === 0) busyMs += clock - since
        const next = waiting.shift()
        if (next !== undefined) begin(next.ms, next.done)
        done()
      })
    }
    return {
      busy: () => busyMs + (active > 0 ? clock - since : 0),
      serve(ms: number, done: Done) {
        if (active < units) begin(ms, done)
        else waiting.push({ ms, done })
      }
    }
  }
  const spend = ({ delay = 0, work = 0 }: Cost, server: string, done: Done): void => {
    const serve = (): void => (work > 0 ? servers.get(server)!.serve(work, done) : done())
    after(delay, serve)
  }

  interface Running {
    readonly operator: string
    elements: number
    pulls: number
    busyMs: number
    pulledAt: number
    readonly meter: Meter | undefined
    readonly held: () => number
    readonly knobs: LiveKnob[]
    cursor: Cursor
  }
  const stages: Running[] = []
  const knobOf = (name: string, { value, least = 1, most = 256, auto = true, resource = 'request' }: KnobSpec, changed: () => void): LiveKnob => {
    let now = value
    const knob: LiveKnob = {
      name, auto, least, most, resource,
      get: () => now,
      set(value) {
        if (!auto || value < least || value > most || !Number.isInteger(value)) throw new RangeError(`${name} was set to ${value}`)
        if (value !== now) changes++
        now = value
        peakThreads = Math.max(peakThreads, threads())
        changed()
      }
    }
    let unique = name
    for (let n = 2; knobs.has(unique); n++) unique = `${name}#${n}`
    knobs.set(unique, knob)
    return knob
  }

  const openStage = (stage: StageSpec, input: Cursor | undefined): Omit<Running, 'elements' | 'pulls' | 'busyMs' | 'pulledAt'> => {
    switch (stage.kind) {
      case 'source': {
        let index = 0
        return { operator: stage.name ?? 'source', meter: undefined, held: () => 0, knobs: [], cursor: { pull: done => spend(stage.cost(r, clock, index++), stage.server ?? 'loop', done) } }
      }
      case 'inline':
        return { operator: stage.name, meter: undefined, held: () => 0, knobs: [], cursor: { pull: done => input!.pull(() => servers.get('loop')!.serve(stage.cost(r, clock), done)) } }
      case 'batch': {
        const collect = (missing: number, done: Done): void => (missing === 0 ? done() : input!.pull(() => collect(missing - 1, done)))
        return { operator: 'batch', meter: undefined, held: () => 0, knobs: [], cursor: { pull: done => collect(stage.size, done) } }
      }
      case 'prefetch': {
        const meter = newMeter()
        const bytesOf = typeof stage.bytes === 'function' ? stage.bytes : () => (stage.bytes as number | undefined) ?? 0
        const queue: number[] = []
        let held = 0
        let fetching = false
        let waiting: Done | undefined
        const fetch = (): void => {
          if (fetching) return
          if (queue.length >= knob.get()) {
            meter.full++
            return
          }
          fetching = true
          meter.inFlight = 1
          const from = clock
          input!.pull(() => {
            fetching = false
            meter.inFlight = 0
            meter.served++
            meter.serviceMs += clock - from
            const bytes = bytesOf(clock)
            queue.push(bytes)
            held += bytes
            hold(bytes)
            deliver()
            after(0, fetch)
          })
        }
        const deliver = (): void => {
          if (waiting !== undefined && queue.length > 0) {
            const done = waiting
            waiting = undefined
            const bytes = queue.shift()!
            held -= bytes
            hold(-bytes)
            meter.queued = queue.length
            done()
          }
          meter.queued = queue.length
        }
        const knob = knobOf('prefetch.size', { resource: 'memory', ...stage.knob }, () => after(0, fetch))
        return {
          operator: 'prefetch', meter, held: () => held, knobs: [knob],
          cursor: {
            pull(done) {
              if (queue.length === 0) meter.starved++
              waiting = done
              deliver()
              after(0, fetch)
            }
          }
        }
      }
      case 'parallel': {
        const meter = newMeter()
        const slots: { done: boolean; left: number; readonly bytes: number }[] = []
        let reading = false
        let held = 0
        let waiting: Done | undefined
        const begin = (items: number): void => {
          const slot = { done: false, left: items, bytes: (stage.bytes ?? 0) * items }
          const from = clock
          slots.push(slot)
          meter.inFlight++
          held += slot.bytes
          hold(slot.bytes)
          spend(stage.cost(r, clock, items), stage.server ?? (stage.knob.resource === 'thread' ? 'cpu' : 'loop'), () => {
            slot.done = true
            meter.queued++
            meter.inFlight--
            meter.served++
            meter.serviceMs += clock - from
            if (stage.knob.resource === 'thread') meter.threadMs += clock - from
            deliver()
            advance()
          })
        }
        const advance = (): void => {
          while (!reading) {
            if (slots.length >= knob.get()) {
              meter.full++
              return
            }
            const items = (size?.get() ?? 1) * (stage.items ?? 1)
            if (input === undefined) begin(items)
            else {
              reading = true
              input.pull(() => {
                reading = false
                begin(items)
                after(0, advance)
              })
            }
          }
        }
        const deliver = (): void => {
          const head = slots[0]
          if (head?.done !== true || waiting === undefined) return
          const done = waiting
          waiting = undefined
          if (--head.left === 0) {
            slots.shift()
            meter.queued--
            held -= head.bytes
            hold(-head.bytes)
          }
          done()
        }
        const knob = knobOf(`${stage.name}.parallel`, stage.knob, () => after(0, advance))
        const size = stage.size === undefined ? undefined : knobOf(`${stage.name}.${stage.size.name}`, { resource: 'memory', ...stage.size }, () => undefined)
        return {
          operator: stage.name, meter, held: () => held, knobs: size === undefined ? [knob] : [knob, size],
          cursor: {
            pull(done) {
              if (slots[0]?.done !== true) meter.starved++
              waiting = done
              deliver()
              after(0, advance)
            }
          }
        }
      }
    }
  }
  for (const stage of spec.stages) {
    const opened: Running = { ...openStage(stage, stages.at(-1)?.cursor), elements: 0, pulls: 0, busyMs: 0, pulledAt: -1 }
    const { cursor } = opened
    opened.cursor = {
      pull(done) {
        opened.pulls++
        opened.pulledAt = clock
        cursor.pull(() => {
          opened.elements++
          opened.busyMs += clock - opened.pulledAt
          opened.pulledAt = -1
          done()
        })
      }
    }
    stages.push(opened)
  }
  peakThreads = threads()

  let delivered = 0
  let gapMs = 0
  let waitMs = 0
  let waiting = false
  const gaps: number[] = []
  const consume = (): void => {
    const from = clock
    waiting = true
    stages.at(-1)!.cursor.pull(() => {
      delivered++
      waiting = false
      waitMs += clock - from
      const gap = spec.gap(r, clock, delivered)
      after(gap, () => {
        gapMs += gap
        gaps.push(gap)
        if (gaps.length > 100) gaps.shift()
        consume()
      })
    })
  }
  after(0, consume)

  let loopAt = 0
  let loopBusy = 0
  const view: TunerView = {
    now: () => clock,
    consumer: () => ({ delivered, gapMs, waitMs, gaps, waiting }),
    stages: () => stages.map(({ operator, elements, pulls, busyMs, meter, held, knobs, pulledAt }, stage): StageSample => {
      const busy = busyMs + (pulledAt < 0 ? 0 : clock - pulledAt)
      return { operator, stage, elements, pulls, busyMs: busy, waitMs: busy, meter, heldBytes: held(), knobs }
    }),
    memory: () => ({ heldBytes, usedBytes: heldBytes, ceilingBytes: spec.ceilingBytes ?? 2 ** 30 }),
    eventLoop() {
      const busy = servers.get('loop')!.busy()
      const share = clock > loopAt ? (busy - loopBusy) / (clock - loopAt) : 0
      loopAt = clock
      loopBusy = busy
      return share
    },
    cores: spec.cores ?? 8
  }
  return {
    view,
    knobs,
    schedule(callback, ms) {
      let due = true
      timers++
      after(ms, () => {
        if (!due) return
        due = false
        timers--
        callback()
      })
      return () => {
        if (due) timers--
        due = false
      }
    },
    get delivered() { return delivered },
    get peakBytes() { return peakBytes },
    get peakThreads() { return peakThreads },
    get changes() { return changes },
    get timers() { return timers },
    run(untilMs) {
      while (events.first !== undefined && events.first.at <= untilMs) {
        const event = events.shift()!
        clock = event.at
        event.act?.()
      }
      clock = untilMs
    }
  }
}
