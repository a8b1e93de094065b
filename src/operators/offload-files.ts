import type { PlanNode } from '../plan/node.js'
import { nodesOf } from '../plan/node.js'
import type { Cursor, Input, OpenArguments, OpenContext, Operator, Saved, State } from '../plan/operator.js'
import { badState } from '../plan/saved.js'
import { travelling } from '../plan/reference.js'
import type { StackSpec, Workers } from '../plan/workers.js'
import { loadFunction } from '../portable.js'
import { abortable } from '../util/abort.js'
import { run, wait } from '../util/promise.js'
import { filter } from './filter.js'
import { openLanes, type OffloadedFiles } from './offload-files-lanes.js'
import { chainOf, stateAt, takeApart, type ChainState } from './offload-files-state.js'
import { cutFiles } from './offload-files-units.js'
import type { FileToRead } from './open-file.js'
import { readFiles, type ReadFilesParams } from './read-files.js'
import { wantsContext } from './stages.js'

/**
 * `readFiles` and the elementwise operators above it, run in worker threads: several files, or several parts of a large one, at the same
 * time. Made by a rule; elements, order, errors and state are those of the plan as written. Memory: what has come back and was not
 * delivered, up to 32 MiB for each file that is read, and no more than the ceiling of the process.
 *
 * Functions that look at the ordinal of their element are only run this way when it is known where a file begins: when files tell how many
 * elements they have, and no filter is below. Where it cannot be done, or there are no threads, the plan as written is run.
 */
export interface OffloadFilesParams {
  /** The chain as it was written. The input of the node is the same, as other rules have made it. */
  readonly written: PlanNode
  /** The `batch` right above. */
  readonly stack: StackSpec | undefined
  /** Bytes of a part of a large file, roughly. @default 8 MiB */
  readonly unitBytes?: number | undefined
}

/** Larger files, of which nothing can be reached before it is read, hold up those behind them: only as much as fits waits. */
const LARGE_FILE = 64 << 20

export const offloadFiles: Operator<OffloadFilesParams> = {
  name: 'offloadFiles',
  describe: ({ written }) => [...nodesOf(written)].map(({ op, params }) => `${op.name}(${op.describe?.(params) ?? ''})`).join(' → '),
  cardinality: (_, [input]) => input,
  elementSpec: (_, [input]) => input,
  knobs: () => [{ name: 'readFiles.workers', value: 'auto' }],
  reads: true,
  readsAhead: true,
  lazyInputs: true,
  randomAccess: ({ inputs: [input] }) => input ?? null,
  open: openOffloadFiles
}

function openOffloadFiles({ params, node, saved, savedInputs, ctx }: OpenArguments<OffloadFilesParams>): Cursor<unknown> {
  const [plain] = node.inputs
  if (plain === undefined) throw new TypeError('offloadFiles needs an input')
  const chain = chainOf(params.written, readFiles)
  let state: State = saved === undefined && savedInputs === undefined
    ? stateAt(chain.map(() => 0), { file: 0, fragment: 0, skip: 0 })
    : { ...(saved !== undefined && { self: saved }), ...(savedInputs !== undefined && { inputs: savedInputs }) }
  let restored = takeApart(chain, state)
  let inline: Input | undefined
  let lanes: OffloadedFiles | undefined
  /** What the checkpoint says to leave out may reach over any number of files: so far the plan as written is run. */
  let catchingUp = restored.replays

  const here = (): Input => {
    ctx.signal.throwIfAborted()
    return (inline = ctx.open(plain, { saved: state }))
  }
  function* begin(max: number): Generator<PromiseLike<unknown>, unknown[] | null, unknown> {
    if (catchingUp) {
      if (inline === undefined) return yield* wait(here().pull(max))
      const now = inline.save()
      const then = takeApart(chain, now)
      if (then.replays || now.refused !== undefined || (now.drop ?? 0) > 0 || (now.faults?.length ?? 0) > 0) return yield* wait(inline.pull(max))
      catchingUp = false
      state = now
      restored = then
      const before = inline
      inline = undefined
      yield* wait(before.close())
    }
    lanes = yield* wait(startLanes(params, plain as PlanNode, chain, restored, state, ctx))
    return yield* wait(lanes === undefined ? here().pull(max) : lanes.pull(max))
  }
  return {
    pull(max) {
      if (lanes !== undefined) return lanes.pull(max)
      if (inline !== undefined && !catchingUp) return inline.pull(max)
      return run(() => begin(max))
    },
    save: (): Saved => lanes?.save() ?? inline?.save() ?? state,
    close: () => lanes?.close()
  }
}

/** Makes ready to read in threads; undefined where that cannot be. */
async function startLanes({ written, stack, unitBytes }: OffloadFilesParams, plain: PlanNode, chain: readonly PlanNode[], restored: ChainState, state: State, ctx: OpenContext): Promise<OffloadedFiles | undefined> {
  const workers = await ctx.workers()
  if (workers === null) return undefined
  const source = [...nodesOf(written)][0] as PlanNode<unknown>
  const params = source.params as ReadFilesParams
  const contexts = await abortable(Promise.all(chain.map(looksAtOrdinal)), ctx.signal)
  const lowestFilter = chain.findLastIndex(({ op }) => op === filter)
  if (contexts.some((looks, level) => looks && level < lowestFilter)) return undefined
  let files: readonly FileToRead[]
  try {
    files = await params.list(ctx.signal)
  } catch {
    return undefined // the plan as written will say what it is
  }
  const { place } = restored
  const file = (place?.['file'] as number | undefined) ?? 0
  if (file > files.length) throw badState('readFiles', `file ${file} of ${files.length}`)
  const counting = contexts.includes(true)
  const cutter = cutFiles({
    params, files, first: place, rows: stack?.size ?? 1, cuts: lowestFilter < 0 && !restored.replays, counting, threads: workers.size, signal: ctx.signal, ...(unitBytes !== undefined && { unitBytes })
  })
  const look = await cutter.look()
  const rest = files.slice(file)
  const fits = params.elementsPerFile !== undefined || (look?.counts !== undefined && look.seek !== undefined && lowestFilter < 0) || !rest.some(({ known }) => (known?.size ?? 0) > LARGE_FILE)
  const others = [...nodesOf(plain)].some(({ op }) => op.name.startsWith('offload')) // elements can be shipped instead
  if ((!fits && others) || (counting && rest.length > 1 && params.elementsPerFile === undefined && look?.counts === undefined)) {
    await cutter.close()
    return undefined
  }
  const program = loadPiece(workers, { written, stack }, ctx)
  if (program === undefined) {
    await cutter.close()
    return undefined
  }
  const total = params.elementsPerFile ?? look?.counts?.reduce((sum, count) => sum + count, 0)
  return openLanes({ ctx, chain, contexts, cutter, program, workers, state, restored, size: stack?.size, filters: lowestFilter >= 0, expected: total, files: files.length })
}

function loadPiece(workers: Workers, { written, stack }: Pick<OffloadFilesParams, 'written' | 'stack'>, ctx: OpenContext): ReturnType<Workers['load']> | undefined {
  try {
    return workers.load({ plan: written, stack, pass: ctx.pass })
  } catch {
    ctx.note('run here: something in it cannot travel')
    return undefined
  }
}

/** True for functions that get more than the element: they may depend on its ordinal. */
async function looksAtOrdinal({ params }: PlanNode): Promise<boolean> {
  const { fn } = params as { readonly fn?: (...args: never[]) => unknown }
  if (fn === undefined) return false
  const found = travelling(fn)
  if (found === undefined || !('portable' in found)) return wantsContext(fn)
  try {
    return wantsContext(await loadFunction(found.portable)) // the wrapper takes both, whatever the function does
  } catch {
    return false // it fails in the worker as it would here
  }
}
