import { MillraceError } from '../errors.js'
import type { BatchSampler } from '../loader/sampler.js'
import type { Cursor, OpenArguments, Operator } from '../plan/operator.js'
import { savedCount, savedObject } from '../plan/saved.js'
import { run, wait } from '../util/promise.js'
import { collectRows, groupCount } from './collect-rows.js'
import { samplerName } from './sampled.js'
import { elementsOf } from './stacked-chunk.js'

/**
 * Collects elements in arrays: of `size` each, or of as many as each batch of a batch sampler has. Order: kept. Memory: one array. It reads
 * no element beyond the arrays asked for.
 *
 * An error of the input is thrown at once; the elements before it stay, and the next pull goes on with the same array. Where a sampler says
 * what belongs together, the array is one element shorter then; otherwise it is filled.
 */
export interface GroupParams {
  readonly size: number
  readonly dropRemainder: boolean
  /** It is asked for its batches once more, and only their lengths matter. Then `size` does not apply. */
  readonly sampler: BatchSampler | undefined
}

export const group: Operator<GroupParams, readonly unknown[]> = {
  name: 'group',
  describe: ({ size, dropRemainder, sampler }) => (sampler !== undefined ? 'as sampled' : `${size}${dropRemainder ? ', dropRemainder' : ''}`),
  identity: ({ size, dropRemainder, sampler }) => (sampler === undefined ? { size, dropRemainder } : 'sampled'), // what `sampled` is below tells the rest
  cardinality: (params, [input]) => (params.sampler === undefined ? groupCount(params, input) : params.sampler.length),
  open: args => (args.params.sampler === undefined ? (collectRows(args, rows => elementsOf([...rows])) as Cursor<readonly unknown[]>) : groupAsSampled(args, args.params.sampler))
}

function groupAsSampled({ inputs: [input], saved, ctx }: OpenArguments<GroupParams>, sampler: BatchSampler): Cursor<readonly unknown[]> {
  if (input === undefined) throw new TypeError('group needs an input')
  const source = ctx.track(input)
  const restored = savedObject('group', saved ?? { delivered: 0 })
  const epoch = restored['epoch'] === undefined ? sampler.epoch : savedCount('group', restored['epoch'], 'the epoch')
  let delivered = savedCount('group', restored['delivered'])
  let failed = restored['failed'] === undefined ? 0 : savedCount('group', restored['failed'], 'what failed') // of the array in the making
  let sizes: Iterator<readonly number[]> | undefined
  let ended = false
  let size: number | undefined
  let begun = 0
  let rows: unknown[] = []

  /** The length of the array in the making; undefined when there is none any more. */
  const nextSize = (): number | undefined => {
    if (sizes === undefined) {
      sizes = sampler.batches({ seed: ctx.pass.seed, epoch: epoch ?? ctx.epoch })[Symbol.iterator]()
      for (let i = 0; i < delivered; i++) sizes.next()
    }
    const step = sizes.next()
    if (step.done === true) return checkCount(sampler, delivered)
    if (delivered === sampler.length) throw new MillraceError('UserFunction', `${samplerName(sampler)}: it goes on behind ${delivered} batches, and its length says so many`, { index: delivered })
    const batch: unknown = step.value
    return Array.isArray(batch) && batch.length > 0 ? batch.length : 1 // what is none fails below, where its indices are drawn
  }
  const begin = (): void => {
    size = undefined
    failed = 0
    rows = []
    delivered++
    begun = source.position
    source.release(begun)
  }
  return {
    pull: () =>
      run(function* () {
        for (;;) {
          if (ended) return null
          if (size === undefined) {
            ended = true // a failure of the sampler leaves nothing to go on with
            size = nextSize()
            if (size === undefined) return null
            ended = false
          }
          while (rows.length < size - failed) {
            let chunk: unknown[] | null
            try {
              chunk = yield* wait(source.pull(size - failed - rows.length))
            } catch (error) {
              if (!ctx.signal.aborted) failed++
              throw error
            }
            if (chunk === null) break
            for (const row of elementsOf(chunk)) rows.push(row)
          }
          const out = rows
          const short = out.length < size - failed
          begin()
          if (out.length > 0) return [out]
          if (short) return null
        }
      }),
    save: () => ({
      self: { delivered, ...(failed > 0 && { failed }), ...(epoch !== undefined && { epoch }) },
      inputs: [source.stateAt(begun, source.position)]
    }),
    close: () => void sizes?.return?.()
  }
}

function checkCount(sampler: BatchSampler, count: number): undefined {
  if (sampler.length === undefined || count >= sampler.length) return
  throw new MillraceError('UserFunction', `${samplerName(sampler)}: it ended behind ${count} batches, and its length says ${sampler.length}`, { index: count })
}
