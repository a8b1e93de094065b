import type { RandomAccess } from '../plan/operator.js'
import type { MaybePromise } from '../types.js'
import { isPromise } from '../util/promise.js'

/** All inputs with access by ordinal, for operators that have it when each of their inputs has; else `null`. */
export function allAccess(inputs: readonly (RandomAccess | null)[]): readonly RandomAccess[] | null {
  return inputs.every(input => input !== null) ? inputs : null
}

/** What all the functions return. When one fails, it waits for the others that were begun, and then throws the first error. */
export function allOf<T>(begin: readonly (() => MaybePromise<T>)[]): MaybePromise<T[]> {
  const begun: MaybePromise<T>[] = []
  let waits = false
  for (const start of begin) {
    try {
      const value = start()
      waits ||= isPromise(value)
      begun.push(value)
    } catch (error) {
      if (!waits) throw error
      begun.push(Promise.reject(error as Error))
      break
    }
  }
  return waits ? settleAll(begun) : (begun as T[])
}

/** Closes all of them, whatever fails. */
export async function closeAll(accesses: readonly RandomAccess[]): Promise<void> {
  await settleAll(accesses.map(async access => access.close?.()))
}

async function settleAll<T>(begun: readonly MaybePromise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(begun)
  return settled.map(outcome => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  })
}
