/**
 * Reads Python literals: what the header of an NPY file is written in.
 */

/** A Python value. Tuples and lists are told apart, for they mean different things in a dtype. */
export type Literal = string | number | boolean | null | Sequence | Dict

export interface Sequence {
  readonly type: 'tuple' | 'list'
  readonly items: readonly Literal[]
}

export interface Dict {
  readonly type: 'dict'
  readonly entries: ReadonlyMap<string, Literal>
}

/** Deeper nests are refused, so that the stack is safe. */
const DEEPEST = 64
const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\', '\'': '\'', '"': '"', a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '\n': ''
}
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }

/**
 * The value of a text that is one literal: a dict with strings as keys, a list, a tuple, a string, an integer (of Python 2 also, with
 * an `L`), `True`, `False` or `None`. Time and memory are linear in the length of the text. `refuse` throws what is wrong, and where.
 */
export function parseLiteral(text: string, refuse: (at: number, what: string) => never): Literal {
  let at = 0
  const result = value(0)
  space()
  if (at < text.length) fail('something follows the end of the value')
  return result

  function fail(what: string, where = at): never {
    return refuse(where, what)
  }

  function space(): void {
    while (at < text.length && ' \t\r\n\f'.includes(text.charAt(at))) at++
  }

  function accept(character: string): boolean {
    space()
    if (text.charAt(at) !== character) return false
    at++
    return true
  }

  function expect(character: string): void {
    if (!accept(character)) fail(`${JSON.stringify(character)} is missing`)
  }

  function value(depth: number): Literal {
    if (depth > DEEPEST) fail(`brackets are nested more than ${DEEPEST} deep`)
    space()
    const first = text.charAt(at)
    if (first === '\'' || first === '"') return string()
    if (first === '{') return dict(depth)
    if (first === '[') return { type: 'list', items: sequence(']', depth).items }
    if (first === '(') {
      const { items, comma } = sequence(')', depth)
      // (x) is x in brackets; (x,) is a tuple.
      return items.length === 1 && !comma ? items[0] as Literal : { type: 'tuple', items }
    }
    const [word = ''] = /^[-+\w]*/.exec(text.slice(at, at + 40)) ?? []
    const start = at
    at += word.length
    if (word === 'True') return true
    if (word === 'False') return false
    if (word === 'None') return null
    if (/^[uUbB]$/.test(word) && /^['"]/.test(text.charAt(at))) return string()
    const digits = /^([-+]?(?:0+|[1-9]\d*))L?$/.exec(word)?.[1]
    if (digits === undefined) return fail(word === '' ? 'a value is missing' : `${JSON.stringify(word)} is no value`, start)
    if (!Number.isSafeInteger(Number(digits))) fail(`${digits} is too large`, start)
    return Number(digits)
  }

  function sequence(end: string, depth: number): { readonly items: Literal[]; readonly comma: boolean } {
    at++
    const items: Literal[] = []
    let comma = true
    while (!accept(end)) {
      if (!comma) fail(`"," or ${JSON.stringify(end)} is missing`)
      items.push(value(depth + 1))
      comma = accept(',')
    }
    return { items, comma: comma && items.length > 0 }
  }

  function dict(depth: number): Dict {
    at++
    const entries = new Map<string, Literal>()
    let comma = true
    while (!accept('}')) {
      if (!comma) fail('"," or "}" is missing')
      const start = at
      const key = value(depth + 1)
      if (typeof key !== 'string') return fail('a key of a dict is not a string', start)
      if (entries.has(key)) fail(`the key ${JSON.stringify(key)} stands there twice`, start)
      expect(':')
      entries.set(key, value(depth + 1))
      comma = accept(',')
    }
    return { type: 'dict', entries }
  }

  function string(): string {
    const start = at
    const quote = text.charAt(at++)
    let result = ''
    let copied = at
    for (;;) {
      const character = text.charAt(at)
      if (character === '' || character === '\n') fail('a string has no end', start)
      if (character === quote) break
      if (character === '\\') {
        result += text.slice(copied, at) + escape()
        copied = at
      } else {
        at++
      }
    }
    return result + text.slice(copied, at++)
  }

  function escape(): string {
    const start = at++
    const letter = text.charAt(at++)
    const simple = ESCAPES[letter]
    if (simple !== undefined) return simple
    const digits = text.slice(at, at + (HEX_DIGITS[letter] ?? 0))
    const code = digits.length > 0 && digits.length === HEX_DIGITS[letter] && /^[\da-fA-F]*$/.test(digits) ? parseInt(digits, 16) : Infinity
    if (code > 0x10ffff) fail('an escape sequence in a string is not one', start)
    at += digits.length
    return String.fromCodePoint(code)
  }
}
