/** How many names one pattern may expand to. */
const LIMIT = 100_000

/** The longest pattern, and the most text that an expansion may produce, in characters. */
const LONGEST = 1 << 16
const MOST_TEXT = 1 << 26

/**
 * Expands braces as shells do: `{a,b}`, `{1..10}`, `{000..031}` (as wide as the wider end), `{10..0..-5}`, `{a..e}`,
 * nested to any depth. Braces without a comma or a range, and unmatched ones, stay. A backslash takes the meaning from
 * the character behind it; it is kept, for those who read the result. The order is that of the shell.
 *
 * @throws RangeError when that would be more than 100,000 names.
 */
export function expandBraces(pattern: string): string[] {
  if (pattern.length > LONGEST) {
    throw new RangeError(`pattern of ${pattern.length} characters: the longest has ${LONGEST}; pass a list of patterns`)
  }
  const parts = parse(pattern, 0, pattern.length, matchBraces(pattern))
  const count = countOf(parts)
  if (count > LIMIT || count * pattern.length > MOST_TEXT) {
    throw new RangeError(`pattern ${JSON.stringify(shorten(pattern))} expands to ${count} names; the limit is ${LIMIT} names `
      + `and ${MOST_TEXT} characters; write narrower ranges, or use * and let the store list what there is`)
  }
  return expand(parts)
}

/** Text, or a choice between sequences, or a range of numbers or letters. */
type Part = string | readonly (readonly Part[])[] | Range

interface Range {
  readonly from: number
  readonly step: number
  readonly count: number
  readonly text: (value: number) => string
}

/** Where the closing brace of each opening one is. */
function matchBraces(text: string): ReadonlyMap<number, number> {
  const closing = new Map<number, number>()
  const open: number[] = []
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '{') open.push(i)
    else if (text[i] === '}') {
      const start = open.pop()
      if (start !== undefined) closing.set(start, i)
    }
  }
  return closing
}

function parse(text: string, from: number, to: number, closing: ReadonlyMap<number, number>): Part[] {
  const parts: Part[] = []
  let literal = ''
  for (let i = from; i < to; i++) {
    const close = text[i] === '{' ? closing.get(i) : undefined
    const choice = close === undefined ? undefined : choiceOf(text, i + 1, close, closing)
    if (close === undefined || choice === undefined) {
      literal += text[i]
      if (text[i] === '\\' && i + 1 < to) literal += text[++i]
      continue
    }
    parts.push(literal, choice)
    literal = ''
    i = close
  }
  parts.push(literal)
  return parts.filter((part) => part !== '')
}

function choiceOf(text: string, from: number, to: number, closing: ReadonlyMap<number, number>): Part | undefined {
  const alternatives: Part[][] = []
  let start = from
  for (let i = from; i < to; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '{') i = closing.get(i) ?? i
    else if (text[i] === ',') {
      alternatives.push(parse(text, start, i, closing))
      start = i + 1
    }
  }
  if (alternatives.length === 0) return rangeOf(text.slice(from, to))
  return [...alternatives, parse(text, start, to, closing)]
}

function rangeOf(text: string): Range | undefined {
  const numbers = /^([+-]?\d+)\.\.([+-]?\d+)(?:\.\.([+-]?\d+))?$/.exec(text)
  const letters = /^([a-z]\.\.[a-z]|[A-Z]\.\.[A-Z])(?:\.\.([+-]?\d+))?$/.exec(text)
  if (numbers !== null) {
    const [, a = '', b = '', step] = numbers
    const width = [a, b].some((end) => /^[+-]?0\d/.test(end)) ? Math.max(a.length, b.length) : 0
    return range(Number(a), Number(b), step, (value) =>
      value < 0 ? `-${String(-value).padStart(width - 1, '0')}` : String(value).padStart(width, '0'))
  }
  if (letters === null) return undefined
  return range(text.charCodeAt(0), text.charCodeAt(3), letters[2], (value) => String.fromCharCode(value))
}

function range(from: number, to: number, stepText: string | undefined, text: Range['text']): Range {
  const stride = Math.abs(Number(stepText ?? 1)) || 1
  if (![from, to, stride].every(Number.isSafeInteger)) throw new RangeError('pattern: a range reaches beyond the safe integers')
  return { from, step: to < from ? -stride : stride, count: Math.floor(Math.abs(to - from) / stride) + 1, text }
}

function countOf(parts: readonly Part[]): number {
  return parts.reduce((product, part) => product * (typeof part === 'string' ? 1
    : 'count' in part ? part.count
    : part.reduce((sum, sequence) => sum + countOf(sequence), 0)), 1)
}

function expand(parts: readonly Part[]): string[] {
  return parts.reduce<string[]>((heads, part) => {
    const tails = typeof part === 'string' ? [part]
      : 'count' in part ? Array.from({ length: part.count }, (_, i) => part.text(part.from + i * part.step))
      : part.flatMap(expand)
    return heads.flatMap((head) => tails.map((tail) => head + tail))
  }, [''])
}

function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}
