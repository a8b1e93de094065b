import { equal } from '../array/equal.js'
import type { Dataset } from '../dataset.js'
import type { Checkpoint } from '../engine/checkpoint.js'
import { iterate, type DatasetIterator, type IterateOptions } from '../engine/iterate.js'
import { isMillraceError, messageOf } from '../errors.js'
import type { ConformanceCase } from './case.js'

/** What {@link operatorConformance} is to check. */
export interface OperatorConformance {
  /** Makes the dataset under test; called many times. It must be finite, and short: the cost is quadratic. */
  readonly make: () => Dataset<unknown>
  /**
   * Other ways to make a dataset of the same elements: other parallelism, other buffer sizes. Their elements must be the same,
   * and checkpoints must go from any of them to any other.
   */
  readonly same?: readonly (() => Dataset<unknown>)[]
  /** Seed and epoch of all iterations. @default { seed: 7, epoch: 0 } */
  readonly options?: Pick<IterateOptions, 'seed' | 'epoch'>
  /** False for sources that cannot be resumed: then the suite checks that they say so. @default true */
  readonly resumable?: boolean
  /** False when elements may come in another order each time. @default true */
  readonly deterministic?: boolean
}

/** What happened at one `next`: an element, or an error's message. */
type Event = { readonly element: unknown } | { readonly error: string }

/**
 * The checks that every operator and source must pass, your own too:
 * a checkpoint before every element restores exactly what is left; iterating twice gives the same; `break`, `close` and abort at
 * every element end cleanly; the optimised plan gives what the plain one gives; the cardinality is true.
 */
export function operatorConformance({ make, same = [], options = { seed: 7, epoch: 0 }, resumable = true, deterministic = true }: OperatorConformance): ConformanceCase[] {
  const variants = [make, ...same]
  const cases: ConformanceCase[] = [
    {
      name: 'two iterations of one epoch give the same elements',
      async run() {
        const dataset = make()
        expectEvents('the second iteration', await events(dataset.iterator(options)), await events(dataset.iterator(options)), deterministic)
      }
    },
    {
      name: 'the plan as written gives what the optimised plan gives',
      async run() {
        const { plan } = make()
        const plain = iterate({ plan, optimized: plan, optimize: plan => plan }, options)
        expectEvents('the plan without rules', await events(make().iterator(options)), await events(plain), deterministic)
      }
    },
    {
      name: 'the cardinality is the number of elements',
      async run() {
        const dataset = make()
        const size = dataset.cardinality
        if (size === undefined) return
        const found = await events(dataset.iterator(options))
        if (found.some(event => 'error' in event)) return // it does not count elements that fail
        if (found.length !== size) throw new Error(`cardinality says ${size}, ${found.length} elements and errors came`)
      }
    },
    {
      name: 'closing after every number of elements ends cleanly',
      async run() {
        const total = (await events(make().iterator(options))).length
        for (let stop = 0; stop <= total; stop++) {
          const iterator = make().iterator(options)
          for (let i = 0; i < stop; i++) await event(iterator)
          await iterator.close()
          const after = await iterator.next()
          if (after.done !== true) throw new Error(`an element came after the iterator was closed behind ${stop} elements`)
        }
      }
    },
    {
      name: 'an abort after every number of elements rejects with its reason',
      async run() {
        const total = (await events(make().iterator(options))).length
        for (let stop = 0; stop < total; stop++) {
          const controller = new AbortController()
          const iterator = make().iterator({ ...options, signal: controller.signal })
          for (let i = 0; i < stop; i++) await event(iterator)
          const reason = new Error(`stop at ${stop}`)
          const pending = stop % 2 === 1 ? iterator.next() : undefined // every other time while a next is under way
          pending?.catch(() => undefined)
          controller.abort(reason)
          const outcome = await iterator.next().then(() => 'an element', (error: unknown) => error)
          await iterator.close()
          await pending?.catch(() => undefined)
          if (outcome !== reason) throw new Error(`next after an abort behind ${stop} elements gave ${messageOf(outcome)} instead of the signal's reason`)
        }
      }
    }
  ]
  if (!resumable) {
    cases.push({
      name: 'a checkpoint is refused with a reason',
      async run() {
        const iterator = make().iterator(options)
        await event(iterator)
        let refused = false
        try {
          iterator.checkpoint()
        } catch (error) {
          refused = isMillraceError(error, 'Checkpoint')
        }
        await iterator.close()
        if (!refused) throw new Error('a checkpoint of a source that cannot be resumed was given')
      }
    })
    return cases
  }
  cases.push({
    name: 'a checkpoint after an abort restores what was not delivered',
    async run() {
      const whole = await events(make().iterator(options))
      for (let stop = 0; stop < whole.length; stop++) {
        const controller = new AbortController()
        const iterator = make().iterator({ ...options, signal: controller.signal })
        for (let i = 0; i < stop; i++) await event(iterator)
        const pending = event(iterator)
        controller.abort(new Error('stop'))
        const last = await pending // delivered, when nothing had to be waited for
        const from = roundTrip(iterator.checkpoint())
        await iterator.close()
        const tail = await events(make().iterator({ from }))
        const begun = last === undefined || ('error' in last && last.error === 'stop') ? stop : stop + 1
        if (deterministic) expectEvents(`the rest after an abort during element ${stop}`, whole.slice(begun), tail, true)
        else if (tail.length !== whole.length - begun) throw new Error(`${tail.length} elements came after an abort during element ${stop}`)
      }
    }
  })
  same.forEach((other, k) => {
    cases.push({
      name: `variant ${k + 1} gives the same elements`,
      async run() {
        expectEvents(`variant ${k + 1}`, await events(make().iterator(options)), await events(other().iterator(options)), deterministic)
      }
    })
  })
  variants.forEach((from, f) =>
    variants.forEach((to, t) => {
      // Every variant to itself, to the first, and from the first: all pairs would add cost and no knowledge.
      if (f !== t && f !== 0 && t !== 0) return
      cases.push({
        name: `a checkpoint before every element restores the rest${variants.length > 1 ? ` (variant ${f} to ${t})` : ''}`,
        run: () => checkResume(from, to, options, deterministic)
      })
    })
  )
  cases.push({
    name: 'a restored iteration can be checkpointed again',
    async run() {
      const whole = await events(make().iterator(options))
      let checkpoint: Checkpoint | undefined
      const pieces: Event[] = []
      for (;;) {
        const iterator = make().iterator(checkpoint === undefined ? options : { from: checkpoint })
        const found = await event(iterator)
        checkpoint = roundTrip(iterator.checkpoint())
        await iterator.close()
        if (found === undefined) break
        pieces.push(found)
        if (pieces.length > whole.length) break
      }
      expectEvents('one element per restore', whole, pieces, deterministic)
    }
  })
  return cases
}

async function checkResume(from: () => Dataset<unknown>, to: () => Dataset<unknown>, options: IterateOptions, deterministic: boolean): Promise<void> {
  const whole = await events(from().iterator(options))
  const iterator = from().iterator(options)
  const checkpoints: Checkpoint[] = []
  const seen: Event[] = []
  for (;;) {
    checkpoints.push(roundTrip(iterator.checkpoint()))
    const pending = event(iterator)
    const during = roundTrip(iterator.checkpoint()) // while a next is under way: before that element, or behind it if it came at once
    const found = await pending
    if (found === undefined) break
    seen.push(found)
    if (seen.length % 3 === 0) {
      const tail = await events(to().iterator({ from: during }))
      const begun = whole.length - tail.length
      if (begun !== seen.length && begun !== seen.length - 1) throw new Error(`a checkpoint taken during element ${seen.length - 1} restores ${tail.length} elements, ${whole.length - seen.length} are left`)
      expectEvents(`the rest after a checkpoint during element ${seen.length - 1}`, deterministic ? whole.slice(begun) : tail, tail, deterministic)
    }
  }
  await iterator.close()
  for (const [at, checkpoint] of checkpoints.entries()) {
    const tail = await events(to().iterator({ from: checkpoint }))
    if (deterministic) expectEvents(`the rest after a checkpoint before element ${at}`, whole.slice(at), tail, true)
    else expectEvents(`all after a checkpoint before element ${at}`, whole, [...seen.slice(0, at), ...tail], false)
  }
}

const roundTrip = (checkpoint: Checkpoint): Checkpoint => JSON.parse(JSON.stringify(checkpoint)) as Checkpoint

/** One step; undefined at the end. */
async function event(iterator: DatasetIterator<unknown>): Promise<Event | undefined> {
  try {
    const step = await iterator.next()
    return step.done === true ? undefined : { element: step.value }
  } catch (error) {
    return { error: messageOf(error).replace(/ \(added at .*\)$/, '') } // variants are written in different places
  }
}

/** Everything that an iteration gives, errors included, to its end. */
async function events(iterator: DatasetIterator<unknown>): Promise<Event[]> {
  const found: Event[] = []
  try {
    for (let next = await event(iterator); next !== undefined; next = await event(iterator)) {
      found.push(next)
      if (found.length > 100_000) throw new Error('the dataset under test does not end')
    }
  } finally {
    await iterator.close()
  }
  return found
}

function expectEvents(what: string, expected: readonly Event[], found: readonly Event[], ordered: boolean): void {
  const rest = [...found]
  if (!ordered) {
    for (const [i, event] of expected.entries()) {
      const at = rest.findIndex(other => equal(event, other))
      if (at < 0) throw new Error(`${what}: ${show(event)} (number ${i}) is missing`)
      rest.splice(at, 1)
    }
    if (rest.length > 0) throw new Error(`${what}: ${show(rest[0])} came once too often`)
    return
  }
  for (let i = 0; i < Math.max(expected.length, found.length); i++) {
    if (!equal(expected[i], found[i])) throw new Error(`${what}: number ${i} of ${expected.length} is ${show(found[i])} instead of ${show(expected[i])}`)
  }
}

function show(value: unknown): string {
  const text = JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? `${member}n` : member)) ?? 'nothing'
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}
