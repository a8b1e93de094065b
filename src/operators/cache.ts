import { byteLengthOf } from '../array/byte-length.js'
import { retain } from '../array/pool.js'
import { MillraceError } from '../errors.js'
import type { Input, OpenContext, Operator, Pass, Saved, State } from '../plan/operator.js'
import { savedCount, savedObject, savedStates } from '../plan/saved.js'
import type { Json, MaybePromise } from '../types.js'
import { checkInteger, checkOptions } from '../util/check.js'
import { run, wait } from '../util/promise.js'
import { unorderedReason } from './unordered.js'

/**
 * Keeps the elements of the first complete pass in memory, and gives them again in every later pass over the same dataset, or
 * over datasets derived from it, without reading the input.
 *
 * - What is given again is that pass: `shuffle().cache()` freezes its order, and random numbers drawn below the cache; those
 *   above it go on changing from epoch to epoch. Elements are handed out by reference: change none of them.
 * - A pass that is left before its end, or in which an error came, fills nothing; the next pass reads the input again. Errors
 *   surface at their element, as they do without a cache.
 * - Iterations that run at the same time fill each their own, and stay with it; those that begin once one is complete use that.
 * - Beyond `memoryBytes` an error `Limit` is thrown, once; the pass goes on without a cache and loses no element.
 *
 * Order: kept. Memory: all elements, for as long as the dataset lives. State: the number of elements delivered, and which
 * pass they are of. A restore where the cache is empty or filled by another pass reads that pass again from its beginning.
 * A checkpoint at which no part of the plan has the cache open (before the first element of a `repeat`, between the plans that the
 * function of a `flatMap` returns) knows nothing of it: what follows is exact if nothing below the cache changes between passes.
 */
export interface CacheParams {
  /** `Infinity` for no bound. */
  readonly memoryBytes: number
}

/** Options of `Dataset.cache`. */
export interface CacheOptions {
  /** Bytes that the elements may hold. @default no bound */
  readonly memoryBytes?: number
}

/** Checks the arguments. */
export function cacheParams(options: CacheOptions = {}): CacheParams {
  checkOptions('cache', options, ['memoryBytes'])
  return { memoryBytes: options.memoryBytes === undefined ? Infinity : checkInteger('cache', 'memoryBytes', options.memoryBytes, 1) }
}

export const cache: Operator<CacheParams, unknown> = {
  name: 'cache',
  sameElements: true,
  describe: ({ memoryBytes }) => (memoryBytes === Infinity ? '' : `${memoryBytes} bytes`),
  identity: () => null,
  cardinality: (_, [input]) => input,
  lazyInputs: true,

  open({ params: { memoryBytes }, node, saved, savedInputs, ctx }) {
    const [inputNode] = node.inputs
    if (inputNode === undefined) throw new TypeError('cache needs an input')
    const restored = saved === undefined ? undefined : savedState(saved)
    const start = savedStates('cache', saved, savedInputs, 1)?.[0]
    const shelf = shelfOf(ctx, restored, start)
    let source: Source | undefined // decided at the first pull: an earlier part of the plan may fill the cache until then
    let opened: Input | undefined

    const open = (pass: Pass): Input => (opened ??= ctx.open(inputNode, { pass, saved: start }))
    const filling = (pass: Pass, from: CacheState): Source => {
      const input = open(pass)
      return fill({ input, pass, start: start ?? input.save(), from, memoryBytes, done: filled => { shelf.finish(filled) } })
    }
    const decide = (): Source => {
      if (restored?.pass === undefined) return shelf.filled === undefined ? filling(ctx.pass, { at: 0 }) : replay(shelf.filled, 0)
      return isOf(shelf.filled, restored, start) ? replay(shelf.filled, restored.at) : filling(restored.pass, restored)
    }
    return {
      pull: max => (source ??= decide()).pull(max),
      save(): Saved {
        if (source !== undefined) return source.save()
        if (restored?.pass !== undefined) return { self: saved as Json, inputs: [...(savedInputs ?? [])] }
        // Undecided, but what the input begins with is known: a cache below may be filled.
        return shelf.filled === undefined ? { self: { at: 0 }, inputs: [open(ctx.pass).save()] } : replay(shelf.filled, 0).save()
      }
    }
  }
}

/** The elements of a complete pass. */
interface Filled {
  readonly items: readonly unknown[]
  readonly pass: Pass
  /** The state of the input at the beginning of the pass: with `pass`, all that it takes to have these elements again. */
  readonly start: State
  /** Why the input could not be read again. */
  readonly refused: string | undefined
}

interface CacheState {
  /** Elements delivered. */
  readonly at: number
  /** The pass that they are of; absent before the first one was asked for, when there was no complete pass. */
  readonly pass?: Pass
  /** Errors thrown. */
  readonly errors?: number
  /** True once the bound was reached. */
  readonly over?: boolean
}

/** The state, checked. */
function savedState(saved: Json): CacheState {
  const { at, pass, errors, over } = savedObject('cache', saved) as { readonly [member in keyof CacheState]?: unknown }
  const restored = { at: savedCount('cache', at), ...(errors !== undefined && { errors: savedCount('cache', errors, 'errors') }), ...(over === true && { over }) }
  if (pass === undefined) return { ...restored, at: savedCount('cache', at, 'the position before the first pass', 0) }
  const { seed, epoch, branch } = savedObject('cache', pass, 'the pass') as { readonly [member in keyof Pass]?: unknown }
  if (!Number.isSafeInteger(seed)) savedCount('cache', seed, 'the seed')
  return { ...restored, pass: { seed: seed as number, epoch: savedCount('cache', epoch, 'the epoch'), branch: savedCount('cache', branch, 'the branch') } }
}

interface Source {
  pull(max: number): MaybePromise<unknown[] | null>
  save(): Saved
}

/** What an iteration knows of the cache. */
interface Shelf {
  readonly filled: Filled | undefined
  finish(filled: Filled): void
}

interface Shared {
  /** The first complete pass of all. */
  filled: Filled | undefined
  readonly iterations: WeakMap<AbortSignal, Shelf>
}

/**
 * An iteration sees what was complete when it first opened the cache, and what it completes itself. What others complete
 * meanwhile stays unseen: the elements of an iteration, restored or not, must not depend on others.
 */
function shelfOf(ctx: OpenContext, restored: CacheState | undefined, start: State | undefined): Shelf {
  const shared = (ctx.memo.get('cache') ?? { filled: undefined, iterations: new WeakMap() }) as Shared
  ctx.memo.set('cache', shared)
  const known = shared.iterations.get(ctx.signal)
  if (known !== undefined) return known
  let filled = restored === undefined || isOf(shared.filled, restored, start) ? shared.filled : undefined
  const shelf: Shelf = {
    get filled() {
      return filled
    },
    finish(complete) {
      filled ??= complete
      shared.filled ??= complete
    }
  }
  shared.iterations.set(ctx.signal, shelf)
  return shelf
}

/** True when a restored state is a position in these elements. */
function isOf(filled: Filled | undefined, { pass, errors, over }: CacheState, start: State | undefined): filled is Filled {
  if (filled === undefined || pass === undefined || errors !== undefined || over === true) return false
  return filled.pass.seed === pass.seed && filled.pass.epoch === pass.epoch && filled.pass.branch === pass.branch && JSON.stringify(filled.start) === JSON.stringify(start)
}

function savedAt({ at, pass, errors = 0, over = false }: CacheState & { readonly pass: Pass }, start: State, refused: string | undefined): Saved {
  const { seed, epoch, branch } = pass
  return {
    self: { at, pass: { seed, epoch, branch }, ...(errors > 0 && { errors }), ...(over && { over }) },
    inputs: [start],
    ...(refused !== undefined && { refused })
  }
}

function replay({ items, pass, start, refused }: Filled, from: number): Source {
  let at = from
  return {
    pull(max) {
      if (at >= items.length) return null
      const chunk = items.slice(at, at + max)
      at += chunk.length
      return chunk
    },
    save: () => savedAt({ at, pass }, start, refused)
  }
}

interface Filling {
  readonly input: Input
  readonly pass: Pass
  readonly start: State
  /** What was delivered before: it is read again, and left out. */
  readonly from: CacheState
  readonly memoryBytes: number
  readonly done: (filled: Filled) => void
}

function fill({ input, pass, start, from, memoryBytes, done }: Filling): Source {
  let { at, errors = 0, over = false } = from
  let drop = at
  let pardoned = errors // errors that are still to be passed over
  let items: unknown[] | undefined = errors > 0 || over ? undefined : []
  let bytes = 0
  let behind: unknown[] = [] // elements behind the one that reached the bound
  let reached = false // the bound, and it was not said yet
  let ended = false
  let refused: string | undefined

  /** Keeps what the bound allows; returns how many elements that is. */
  const keep = (chunk: readonly unknown[]): number => {
    if (items === undefined) return chunk.length
    for (let i = 0; i < chunk.length; i++) {
      if (memoryBytes !== Infinity && (bytes += byteLengthOf(chunk[i])) > memoryBytes) {
        items = undefined
        reached = true
        return i
      }
      retain(chunk[i]) // it is handed out again
      items.push(chunk[i])
    }
    return chunk.length
  }
  /** Why what was read cannot be read again. */
  const reason = (): string | undefined => (input.ordered === false && at > 0 ? unorderedReason('cache', 'inside a pass') : input.save().refused)
  const deliver = (chunk: unknown[]): unknown[] => {
    at += chunk.length
    return chunk
  }
  return {
    pull: max =>
      run(function* () {
        for (;;) {
          if (reached) {
            reached = false
            over = true
            throw new MillraceError('Limit', `cache: element ${at} takes the cache beyond memoryBytes, ${memoryBytes}: raise it, put cache() before the step that makes the elements big, or leave it out; this pass goes on without it`, { operator: 'cache', index: at })
          }
          if (behind.length > 0) return deliver(behind.splice(0, max))
          if (ended) return null
          let chunk: unknown[] | null
          try {
            chunk = yield* wait(input.pull(drop > 0 ? Math.min(drop, 256) : pardoned > 0 ? 1 : max))
          } catch (error) {
            items = undefined
            if (pardoned > 0) {
              pardoned--
              continue
            }
            errors++
            throw error
          }
          if (chunk === null) {
            if (drop > 0) throw new MillraceError('Checkpoint', `cache: the data end ${drop} elements before the place where the checkpoint was taken: they are not the same data`, { operator: 'cache' })
            ended = true
            refused = reason()
            if (items !== undefined) done({ items, pass, start, refused })
            yield* wait(input.close())
            return null
          }
          if (drop > 0) {
            drop -= chunk.length
            keep(chunk)
            reached = false // only when the bound was lowered since: then there is no cache, and nothing to say in the middle
            continue
          }
          pardoned = 0
          const kept = keep(chunk)
          if (kept === chunk.length) return deliver(chunk)
          behind = chunk.slice(kept)
          if (kept > 0) return deliver(chunk.slice(0, kept))
        }
      }),
    save: () => savedAt({ at, pass, errors, over }, start, ended ? refused : reason())
  }
}
