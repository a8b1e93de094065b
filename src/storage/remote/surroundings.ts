import type { Surroundings } from './reader.js'

/** The clock and the dice of this process. Waiting keeps it alive; what is done every so often does not. */
export const systemSurroundings: Required<Surroundings> = {
  now: () => performance.now(),
  random: () => Math.random(),

  sleep(milliseconds, signal) {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error)
      const abort = (): void => {
        clearTimeout(timer)
        reject(signal.reason as Error)
      }
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', abort)
        resolve()
      }, milliseconds)
      signal.addEventListener('abort', abort, { once: true })
    })
  },

  every(milliseconds, run) {
    const timer: unknown = setInterval(run, milliseconds)
    ;(timer as { unref?: () => void }).unref?.() // a number where the platform is a browser
    return () => clearInterval(timer as Parameters<typeof clearInterval>[0])
  }
}
