import type { AutotuneOptions, Tuner, TunerView } from '../plan/tuning.js'

/** Adjusts the knobs of a running plan, until it is stopped. */
export function autotune(_view: TunerView, _options: AutotuneOptions): Tuner {
  return { log: () => [], profile: () => ({ version: 1, knobs: {} }), stop: () => undefined }
}
