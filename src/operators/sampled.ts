import { describe } from '../array/nest.js'
import { MillraceError, messageOf } from '../errors.js'
import type { BatchSampler, Sampler, SamplerPass } from '../loader/sampler.js'
import type { OpenContext, Operator } from '../plan/operator.js'
import { badState, savedCount, savedObject } from '../plan/saved.js'
import type { Json } from '../types.js'
import { checkInteger } from '../util/check.js'
import { later } from '../util/later.js'
import { run, wait } from '../util/promise.js'

/**
 * The indices that a sampler draws, or the arrays of indices that a batch sampler draws, each checked. Memory: that of the sampler.
 *
 * A sampler that throws ends the pass with that error. An index that is none, or a batch with such an index or without any, is an
 * error in its place, and the pass goes on behind it. One that draws fewer or more than its `length` is an error at the end.
 *
 * State: how many were drawn, and the epoch if the sampler set one. A restore goes on there at once where the sampler tells indices by
 * their place, and draws the ones before again where it does not.
 */
export interface SampledParams {
  readonly sampler: Sampler | BatchSampler
  /** Indices are below it: the number of elements that there are to draw from. Undefined when that is not known. */
  readonly of: number | undefined
}

/** Checks the members of a sampler. What it draws is checked as it comes. */
export function sampledParams(sampler: Sampler | BatchSampler, of?: number): SampledParams {
  const { indices, batches, length, order } = (sampler ?? {}) as { readonly [member in 'indices' | 'batches' | 'length' | 'order']?: unknown }
  if ((typeof indices === 'function') === (typeof batches === 'function')) {
    throw new TypeError(`sampler: it must have one of the methods 'indices(pass)' and 'batches(pass)', got ${describe(sampler)}`)
  }
  if (length !== undefined && length !== Infinity) checkInteger(samplerName(sampler), 'length', length as number, 0)
  if (order !== undefined && typeof order !== 'function') throw new TypeError(`${samplerName(sampler)}: order must be a function, got ${describe(order)}`)
  if (of !== undefined) checkInteger('sampler', 'the number of elements', of, 0)
  return { sampler, of }
}

/** True for a sampler of whole batches. */
export function drawsBatches(sampler: Sampler | BatchSampler): sampler is BatchSampler {
  return typeof (sampler as Partial<BatchSampler>).batches === 'function'
}

export const sampled: Operator<SampledParams, number | readonly number[]> = {
  name: 'sampled',
  describe: ({ sampler }) => samplerName(sampler) + (sampler.length === undefined ? '' : `, ${sampler.length} ${drawsBatches(sampler) ? 'batches' : 'indices'}`),
  identity: ({ sampler, of }) => [samplerName(sampler), sampler.length ?? null, of ?? null, sampler.identity ?? (drawsBatches(sampler) ? sampler.batches : sampler.indices)],
  cardinality: ({ sampler }) => sampler.length,

  open({ params: { sampler, of }, saved, ctx }) {
    const name = samplerName(sampler)
    const restored = savedState(saved, sampler.length)
    const epoch = restored.epoch ?? sampler.epoch
    const source = drawsFrom(sampler, { seed: ctx.pass.seed, epoch: epoch ?? ctx.epoch })
    let { position, ended } = restored
    let begun = position === 0
    let held: { readonly error: unknown; readonly ends: boolean } | undefined

    const failed = (text: string, ends: boolean, cause?: unknown): void => {
      const error = new MillraceError('UserFunction', `${name}: ${text}`, { index: position, cause })
      held = { error: ctx.userError(error, position), ends }
    }
    const take = (max: number): (number | readonly number[])[] | null => {
      const out: (number | readonly number[])[] = []
      while (!ended && held === undefined && out.length < max) {
        let step: IteratorResult<unknown>
        try {
          step = source.next(position)
        } catch (error) {
          failed(`it failed at position ${position}: ${messageOf(error)}`, true, error)
          break
        }
        const fault = step.done === true ? undefined : faultOf(step.value, drawsBatches(sampler), of)
        if (step.done === true) {
          if (sampler.length === undefined || position === sampler.length) ended = true
          else failed(`it ended behind ${position}, and its length says ${sampler.length}`, true)
        } else if (position === sampler.length) failed(`it goes on behind ${position}, and its length says so many`, true)
        else if (fault !== undefined) failed(`position ${position}: ${fault}`, false)
        else {
          out.push(drawsBatches(sampler) ? (step.value as readonly number[]).slice() : (step.value as number))
          position++
        }
      }
      if (out.length > 0) return out
      if (held === undefined) return null
      const { error, ends } = held
      held = undefined
      if (ends) ended = true
      else position++
      throw error
    }
    return {
      pull(max) {
        if (ended) return null
        if (begun) return take(max)
        return run(function* () {
          begun = ended = true // a failure leaves nothing to go on with
          yield* skip(source, position, name, ctx)
          ended = false
          return take(max)
        })
      },
      save: () => ({ self: { position, ...(ended && { ended }), ...(epoch !== undefined && { epoch }) } }),
      close: () => source.close()
    }
  }
}

/** What errors and `explain()` call it. */
export function samplerName(sampler: Sampler | BatchSampler): string {
  const type = (sampler as { readonly constructor?: { readonly name?: unknown } }).constructor?.name
  return sampler.name ?? (typeof type === 'string' && type !== 'Object' && type !== '' ? type : 'sampler')
}

interface State {
  readonly position: number
  readonly ended: boolean
  readonly epoch: number | undefined
}

function savedState(saved: Json | undefined, length: number | undefined): State {
  if (saved === undefined) return { position: 0, ended: false, epoch: undefined }
  const { position, ended, epoch } = savedObject('sampled', saved)
  if (ended !== undefined && ended !== true) throw badState('sampled', 'the end')
  return {
    position: savedCount('sampled', position, 'the position', length),
    ended: ended === true,
    epoch: epoch === undefined ? undefined : savedCount('sampled', epoch, 'the epoch')
  }
}

/** What a sampler draws in one pass, asked for in turn. */
interface Draws {
  next(position: number): IteratorResult<unknown>
  /** True when positions before need not be drawn. */
  readonly direct: boolean
  close(): void
}

const END: IteratorResult<unknown> = { done: true, value: undefined }

function drawsFrom(sampler: Sampler | BatchSampler, pass: SamplerPass): Draws {
  const { length } = sampler
  if (length !== undefined && sampler.order !== undefined) {
    let at: ((place: number) => unknown) | undefined
    return {
      direct: true,
      next: position => (position < length ? { value: (at ??= sampler.order?.(pass) as (place: number) => unknown)(position) } : END),
      close: () => undefined
    }
  }
  let iterator: Iterator<unknown> | undefined
  let done = false
  return {
    direct: false,
    next() {
      iterator ??= begin(sampler, pass)
      const step = iterator.next()
      done = step.done === true
      return step
    },
    close() {
      if (iterator !== undefined && !done) iterator.return?.()
      done = true
    }
  }
}

function begin(sampler: Sampler | BatchSampler, pass: SamplerPass): Iterator<unknown> {
  const drawn: unknown = drawsBatches(sampler) ? sampler.batches(pass) : sampler.indices(pass)
  const iterate = (drawn as Partial<Iterable<unknown>> | null | undefined)?.[Symbol.iterator]
  if (typeof iterate === 'function') return iterate.call(drawn)
  throw new TypeError(`${drawsBatches(sampler) ? 'batches' : 'indices'}(pass) must return an iterable, got ${describe(drawn)}`)
}

/** Why that cannot be drawn. */
function faultOf(value: unknown, batch: boolean, of: number | undefined): string | undefined {
  if (!batch) return indexFault(value, of)
  if (!Array.isArray(value)) return `a batch must be an array of indices, got ${describe(value)}`
  if (value.length === 0) return 'the batch is empty'
  for (let i = 0; i < value.length; i++) {
    const fault = indexFault(value[i], of)
    if (fault !== undefined) return `in the batch at ${i}, ${fault}`
  }
  return undefined
}

function indexFault(index: unknown, of: number | undefined): string | undefined {
  if (typeof index !== 'number') return `an index must be a number, got ${describe(index)}`
  if (!Number.isSafeInteger(index) || index < 0) return `${index} is no index: it must be an integer of at least 0`
  return of === undefined || index < of ? undefined : `index ${index} is not below ${of}, the number of elements`
}

/** After so many, others have their turn: an abort must be heard. */
const DRAWS_AT_A_TIME = 2 ** 20

/** Draws again what was delivered before a checkpoint. */
function* skip(source: Draws, count: number, name: string, { signal }: OpenContext): Generator<PromiseLike<unknown>, void, unknown> {
  if (source.direct) return
  for (let drawn = 0; drawn < count; drawn++) {
    if (drawn % DRAWS_AT_A_TIME === DRAWS_AT_A_TIME - 1) {
      yield* wait(new Promise<void>(resolve => later(resolve)))
      signal.throwIfAborted()
    }
    if (source.next(drawn).done === true) {
      throw new MillraceError('Checkpoint', `${name}: it ended after ${drawn}, before the ${count} that were drawn when the checkpoint was taken: it does not draw the same again`)
    }
  }
}
