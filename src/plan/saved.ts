import { MillraceError } from '../errors.js'
import type { Json } from '../types.js'
import type { State } from './operator.js'

/**
 * Readers of saved states. A checkpoint is JSON that may have been edited, cut or mixed up on its way: whatever no operator has
 * written is told, and never taken for a position.
 */

/** The error for a state that no operator has written. */
export function badState(operator: string, what: string): MillraceError {
  return new MillraceError('Checkpoint', `${operator}: ${what} in the checkpoint is nothing that it has written: the checkpoint is damaged; take an older one, or begin anew without it`, { operator })
}

/** A number of elements: an integer from 0 to `most`. */
export function savedCount(operator: string, value: unknown, what = 'the position', most = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most) return value
  throw badState(operator, `${what} ${shown(value)}${most < Number.MAX_SAFE_INTEGER ? ` (it is at most ${most})` : ''}`)
}

/** The state of an operator that is a number of elements; 0 when there is none. */
export function savedPosition(operator: string, saved: Json | undefined, most?: number): number {
  return saved === undefined ? 0 : savedCount(operator, saved, 'the position', most)
}

/** The members of a state that is an object. */
export function savedObject(operator: string, saved: unknown, what = 'the state'): { readonly [key: string]: unknown } {
  if (typeof saved === 'object' && saved !== null && !Array.isArray(saved)) return saved as { readonly [key: string]: unknown }
  throw badState(operator, `${what} ${shown(saved)}`)
}

/** A list in a state. */
export function savedList(operator: string, saved: unknown, what: string): readonly unknown[] {
  if (Array.isArray(saved)) return saved as readonly unknown[]
  throw badState(operator, `${what} ${shown(saved)}`)
}

/** The states of as many inputs as an operator has, or none where it begins afresh. */
export function savedStates(operator: string, saved: Json | undefined, inputs: readonly State[] | undefined, count: number): readonly State[] | undefined {
  if (inputs === undefined ? saved === undefined || count === 0 : inputs.length === count) return inputs
  throw badState(operator, `the state of ${inputs?.length ?? 0} inputs (it has ${count})`)
}

/** Checks the members that every state has, down to the sources. Operators check their own. */
export function checkState(state: unknown, operator = 'checkpoint'): void {
  const { inputs, drop, faults, refused } = savedObject(operator, state)
  if (drop !== undefined) savedCount(operator, drop, 'drop')
  if (faults !== undefined) for (const fault of savedList(operator, faults, 'faults')) savedCount(operator, fault, 'a fault')
  if (refused !== undefined) throw badState(operator, 'refused')
  if (inputs !== undefined) for (const input of savedList(operator, inputs, 'inputs')) checkState(input, operator)
}

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
