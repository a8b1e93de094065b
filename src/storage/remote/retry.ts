import type { MillraceError } from '../../errors.js'
import type { RangeEngineConfig } from '../config.js'
import { backoff } from './backoff.js'
import type { Surroundings } from './reader.js'

/** What came of one attempt. */
export type Outcome<T> =
  | { readonly value: T }
  | {
    readonly error: MillraceError
    /** Whether one more attempt may do good and can do no harm. */
    readonly again: boolean
    /** Milliseconds that the service asks to wait. */
    readonly wait?: number | undefined
  }

export type RetrySettings = Pick<RangeEngineConfig, 'maxAttempts' | 'backoffBase' | 'throttleBase' | 'backoffCap' | 'deadline'>

/**
 * Attempts with growing random waits between them, until one is good or no more may be made: then its error is thrown. None begins behind the
 * deadline; one that has begun may take its time, since large bodies do.
 */
export async function retrying<T>(
  attempt: (number: number) => Promise<Outcome<T>>, settings: RetrySettings, { now, sleep, random }: Surroundings, signal: AbortSignal
): Promise<T> {
  const started = now()
  for (let number = 1; ; number++) {
    signal.throwIfAborted()
    const outcome = await attempt(number)
    if ('value' in outcome) return outcome.value
    const { error, again } = outcome
    const wait = backoff(settings, number - 1, error.kind === 'Throttled', random(), outcome.wait)
    if (!again || number >= settings.maxAttempts || now() - started + wait >= settings.deadline) throw error
    await sleep(wait, signal)
  }
}
