/** Keeps track of promises, for those who close something and have to wait for what is under way. */
export interface UnderWay {
  /** Returns the same promise. */
  track<T>(promise: Promise<T>): Promise<T>
  /** Resolves when all that are tracked now have settled, behind those who waited for them before. */
  ended(): Promise<void>
}

export function underWay(): UnderWay {
  const promises = new Set<Promise<unknown>>()
  return {
    track(promise) {
      promises.add(promise)
      const done = (): void => void promises.delete(promise)
      promise.then(done, done)
      return promise
    },
    async ended() {
      await Promise.allSettled(promises)
    }
  }
}
