/** What is special in a pattern, and becomes a plain character behind a backslash. */
const SPECIAL = '*?[]{},\\'

/** One path segment of a pattern: any number of directories, or a name to match. */
export type GlobSegment = 'directories' | readonly GlobToken[]

/** A character, any one character, any number of them, or one out of a set. */
export type GlobToken =
  | { readonly kind: 'character'; readonly character: string }
  | { readonly kind: 'any' | 'star' }
  | { readonly kind: 'set'; readonly has: (character: string) => boolean }

/** True when the segment has to be looked up: it is more than plain characters. */
export function isGlob(segment: GlobSegment): boolean {
  return segment === 'directories' || segment.some((token) => token.kind !== 'character')
}

/** The plain characters that the segment begins with. */
export function literalStart(segment: GlobSegment): string {
  if (segment === 'directories') return ''
  const end = segment.findIndex((token) => token.kind !== 'character')
  return segment.slice(0, end < 0 ? undefined : end).map((token) => (token.kind === 'character' ? token.character : '')).join('')
}

/**
 * Reads one path segment: `*`, `?`, `[a-z]`, `[!a-z]`, and `**` when it stands alone. `decode` makes plain characters out
 * of the text between them.
 */
export function parseSegment(text: string, decode: (text: string) => string): GlobSegment {
  if (text === '**') return 'directories'
  const tokens: GlobToken[] = []
  let plain = ''
  function flush(): void {
    for (const character of decode(plain)) tokens.push({ kind: 'character', character })
    plain = ''
  }
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i)
    const next = text.charAt(i + 1)
    if (character === '\\' && next !== '' && SPECIAL.includes(next)) {
      flush()
      tokens.push({ kind: 'character', character: next })
      i++
    } else if (character === '*' || character === '?') {
      flush()
      tokens.push({ kind: character === '*' ? 'star' : 'any' })
    } else {
      const set = character === '[' ? parseSet(text, i) : undefined
      if (set === undefined) {
        plain += character
        continue
      }
      flush()
      tokens.push({ kind: 'set', has: set.has })
      i = set.end
    }
  }
  flush()
  return tokens
}

/** The text without the backslashes that make special characters plain; `encode` makes them safe for its kind of URI. */
export function unescapeGlob(text: string, encode: (character: string) => string = (character) => character): string {
  return text.replace(/\\([*?[\]{},\\])/g, (_, character: string) => encode(character))
}

/** Whether a name matches. As in shells, a dot at the beginning has to be written out. */
export function matchName(tokens: readonly GlobToken[], name: string): boolean {
  if (name.startsWith('.') && tokens[0]?.kind !== 'character') return false
  const characters = [...name]
  let t = 0
  let c = 0
  // Only the last star needs to be tried again: what an earlier one could take more, the later one can take as well.
  let starToken = -1
  let starCharacter = 0
  while (c < characters.length) {
    const token = tokens[t]
    if (token?.kind === 'star') {
      starToken = t++
      starCharacter = c
    } else if (token !== undefined && matchOne(token, characters[c] ?? '')) {
      t++
      c++
    } else if (starToken >= 0) {
      t = starToken + 1
      c = ++starCharacter
    } else {
      return false
    }
  }
  while (tokens[t]?.kind === 'star') t++
  return t === tokens.length
}

/** Whether a path, as names, matches; or, when `partly`, whether something below that directory may. */
export function matchPath(segments: readonly GlobSegment[], names: readonly string[], partly = false): boolean {
  const end = segments.length
  // The places in the pattern where one can be after so many names.
  let places = reach(segments, new Set([0]))
  for (const name of names) {
    const next = new Set<number>()
    for (const place of places) {
      const segment = segments[place]
      if (segment === undefined) continue
      if (segment === 'directories') {
        if (!name.startsWith('.')) next.add(place)
      } else if (matchName(segment, name)) {
        next.add(place + 1)
      }
    }
    places = reach(segments, next)
  }
  return partly ? [...places].some((place) => place < end) : places.has(end)
}

/** `**` may stand for no directory at all; at the end it needs a name. */
function reach(segments: readonly GlobSegment[], places: Set<number>): Set<number> {
  for (const place of places) if (segments[place] === 'directories') places.add(place + 1)
  return places
}

function matchOne(token: GlobToken, character: string): boolean {
  if (token.kind === 'character') return token.character === character
  return token.kind === 'any' || (token.kind === 'set' && token.has(character))
}

interface ParsedSet {
  readonly has: (character: string) => boolean
  /** Where the closing bracket is. */
  readonly end: number
}

/** A bracket expression that begins at `start`; nothing when it is not closed, so that the bracket is a plain one. */
function parseSet(text: string, start: number): ParsedSet | undefined {
  const characters = [...text.slice(start + 1)]
  const negated = characters[0] === '!' || characters[0] === '^'
  const ranges: [number, number][] = []
  let at = negated ? 1 : 0
  for (const first = at; ; at++) {
    let from = characters[at]
    if (from === undefined) return undefined
    if (from === ']' && at > first) break
    if (from === '[' && /[:.=]/.test(characters[at + 1] ?? '')) {
      throw new RangeError(`pattern ${JSON.stringify(text)}: named classes like [:digit:] are not known; write the range, [0-9]`)
    }
    if (from === '\\') from = characters[++at]
    let to = from
    if (characters[at + 1] === '-' && characters[at + 2] !== undefined && characters[at + 2] !== ']') {
      at += 2
      to = characters[at] === '\\' ? characters[++at] : characters[at]
    }
    if (from === undefined || to === undefined) return undefined
    const range: [number, number] = [from.codePointAt(0) ?? 0, to.codePointAt(0) ?? 0]
    if (range[0] > range[1]) throw new RangeError(`pattern ${JSON.stringify(text)}: the range ${from}-${to} runs backwards`)
    ranges.push(range)
  }
  const has = (character: string): boolean => {
    const code = character.codePointAt(0) ?? 0
    return ranges.some(([low, high]) => low <= code && code <= high) !== negated
  }
  return { has, end: start + characters.slice(0, at + 1).join('').length }
}
