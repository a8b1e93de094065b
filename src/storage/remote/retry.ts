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

export type RetrySettings = Pick<RangeEngineConfig, 'maxAttempts' | 'backoffBase' | 'throttleBase' | 'backoffCap'>

/** The longest that a service may ask to wait: more is no wait but an outage. */
const LONGEST_WAIT = 60_000

/** Attempts with growing random waits between them, until one is good or no more are allowed: then its error is thrown. */
export async function retrying<T>(
  attempt: (number: number) => Promise<Outcome<T>>,
  settings: RetrySettings,
  { sleep, random }: Pick<Surroundings, 'sleep' | 'random'>,
  signal: AbortSignal
): Promise<T> {
  for (let number = 1; ; number++) {
    signal.throwIfAborted()
    const outcome = await attempt(number)
    if ('value' in outcome) return outcome.value
    const { error, again, wait = 0 } = outcome
    if (!again || number >= settings.maxAttempts || wait > LONGEST_WAIT) throw error
    await sleep(backoff(settings, number - 1, error.kind === 'Throttled', random(), wait), signal)
  }
}
