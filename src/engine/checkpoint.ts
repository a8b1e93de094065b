import { MillraceError } from '../errors.js'
import type { State } from '../plan/operator.js'
import { checkState, savedCount } from '../plan/saved.js'

/** The version of the envelope and of the states that operators write. */
const VERSION = 1

/**
 * A position in a dataset, as JSON: restoring it yields exactly the elements that were still to come. It holds positions,
 * never data, and does not depend on parallelism or buffer sizes.
 */
export interface Checkpoint {
  readonly version: number
  /** One entry per operator, sources first: `name:hash`. */
  readonly plan: readonly string[]
  readonly epoch: number
  readonly seed: number
  readonly state: State
}

export function makeCheckpoint(plan: readonly string[], epoch: number, seed: number, state: State): Checkpoint {
  if (state.refused !== undefined) throw new MillraceError('Checkpoint', state.refused)
  return { version: VERSION, plan, epoch, seed, state }
}

/** Checks that a checkpoint belongs to a plan. @throws MillraceError `Checkpoint` that names the first operator that differs. */
export function checkCheckpoint(checkpoint: Checkpoint, plan: readonly string[]): void {
  const fail = (message: string, operator?: string): never => {
    throw new MillraceError('Checkpoint', message, operator === undefined ? {} : { operator })
  }
  if (typeof checkpoint !== 'object' || (checkpoint as unknown) === null || !Array.isArray(checkpoint.plan) || typeof checkpoint.state !== 'object') {
    fail('this is not a checkpoint: pass what iterator.checkpoint() returned, or JSON.parse of its JSON')
  }
  if (checkpoint.version !== VERSION) fail(`the checkpoint has version ${checkpoint.version}, this millrace reads version ${VERSION}`)
  const length = Math.max(checkpoint.plan.length, plan.length)
  for (let i = 0; i < length; i++) {
    const [saved, present] = [checkpoint.plan[i], plan[i]]
    if (saved === present) continue
    const [savedName, presentName] = [nameOf(saved), nameOf(present)]
    const where = `operator ${i + 1} of ${length}, counted from the source,`
    if (saved === undefined) fail(`the checkpoint belongs to another plan: ${where} is ${presentName} here, and the checkpoint has none`, presentName)
    if (present === undefined) fail(`the checkpoint belongs to another plan: ${where} was ${savedName}, and the plan has none`, savedName)
    if (savedName === presentName) fail(`the checkpoint belongs to another plan: ${where} is ${presentName} in both, but its arguments or its function differ`, presentName)
    fail(`the checkpoint belongs to another plan: ${where} was ${savedName} and is ${presentName} here`, presentName)
  }
  savedCount('checkpoint', checkpoint.epoch, 'the epoch')
  if (!Number.isSafeInteger(checkpoint.seed)) fail(`the seed in the checkpoint, ${String(checkpoint.seed)}, is no integer: the checkpoint is damaged`)
  checkState(checkpoint.state)
}

const nameOf = (entry: unknown): string => (typeof entry === 'string' ? entry.slice(0, entry.lastIndexOf(':')) : 'nothing')
