/**
 * Refuses keys that nobody would read, naming the one that was probably meant.
 *
 * @param elsewhere says where a key belongs that is known in another place
 * @throws TypeError
 */
export function checkKeys(where: string, options: unknown, known: readonly string[], elsewhere: (key: string) => string | undefined = () => undefined): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null || Array.isArray(options)) throw new TypeError(`${where} must be an object, got ${typeof options}`)
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue
    const place = elsewhere(key)
    const meant = nearest(key, known)
    const hint = place !== undefined ? `it belongs to ${place}` : meant !== undefined ? `did you mean '${meant}'?` : `known are ${known.join(', ')}`
    throw new TypeError(`${where}: unknown option '${key}'; ${hint}`)
  }
}

/** A word that begins or ends in the same way (`anon`, `accountKey`), else the one that differs least, if it does not differ too much. */
function nearest(word: string, known: readonly string[]): string | undefined {
  const plain = plainOf(word)
  for (const related of RELATED) {
    const found = known.find(name => Math.min(name.length, plain.length) > 2 && related(plain, plainOf(name)))
    if (found !== undefined) return found
  }
  let best: string | undefined
  let least = Math.max(2, Math.ceil(word.length / 3)) + 1
  for (const candidate of known) {
    const changes = distance(word.toLowerCase(), candidate.toLowerCase())
    if (changes < least) {
      least = changes
      best = candidate
    }
  }
  return best
}

const RELATED: readonly ((word: string, name: string) => boolean)[] = [
  (word, name) => name.startsWith(word), (word, name) => name.endsWith(word), (word, name) => word.endsWith(name), (word, name) => word.startsWith(name)
]

function plainOf(word: string): string {
  return word.replaceAll('_', '').toLowerCase()
}

/** Letters to insert, remove or replace (Levenshtein). */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i)
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1]
    for (let j = 0; j < to.length; j++) {
      next.push(Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, (row[j] ?? 0) + (from[i] === to[j] ? 0 : 1)))
    }
    row = next
  }
  return row[to.length] ?? 0
}
