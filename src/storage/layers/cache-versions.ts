import type { ObjectMeta } from '../../store.js'

/** Remembers which version of an object is the latest, for as long as it is trusted. */
export interface VersionMemory {
  trusted(uri: string): ObjectMeta | undefined
  /**
   * Asks the store, and remembers what it says. Not when the object was written meanwhile: the answer may be of before or after. Asking may
   * be writing, whose answer is what was written; then all that was known before is forgotten.
   */
  learn<Answer>(uri: string, how: 'read' | 'write', ask: () => Promise<Answer>, metaOf: (answer: Answer) => ObjectMeta | undefined): Promise<Answer>
  /** The object is about to change, or has. */
  forget(uri: string): void
  clear(): void
}

/** Objects that are remembered; those that were told of first go. */
const MOST = 100_000

export function versionMemory(trustFor: number, clock: { now(): number }): VersionMemory {
  const known = new Map<string, { readonly meta: ObjectMeta; readonly at: number }>()
  const questions = new Map<string, Set<{ stale: boolean }>>()

  function forget(uri: string): void {
    known.delete(uri)
    for (const question of questions.get(uri) ?? []) question.stale = true
  }

  function remember(uri: string, meta: ObjectMeta, at: number): void {
    known.delete(uri)
    known.set(uri, { meta, at })
    if (known.size <= MOST) return
    for (const first of known.keys()) {
      known.delete(first)
      return
    }
  }

  return {
    trusted(uri) {
      const entry = known.get(uri)
      if (entry === undefined) return undefined
      if (clock.now() - entry.at < trustFor) return entry.meta
      known.delete(uri)
      return undefined
    },
    async learn(uri, how, ask, metaOf) {
      if (trustFor === 0) return ask()
      if (how === 'write') forget(uri)
      const question = { stale: false }
      const at = clock.now()
      const asked = questions.get(uri) ?? new Set()
      questions.set(uri, asked.add(question))
      let meta: ObjectMeta | undefined
      try {
        const answer = await ask()
        meta = metaOf(answer)
        return answer
      } finally {
        asked.delete(question)
        if (asked.size === 0) questions.delete(uri)
        if (how === 'write') forget(uri)
        if (meta?.uri === uri && meta.version !== '' && !question.stale) remember(uri, { uri, size: meta.size, version: meta.version }, at)
      }
    },
    forget,
    clear() {
      for (const uri of [...known.keys(), ...questions.keys()]) forget(uri)
    }
  }
}
