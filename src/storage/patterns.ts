/**
 * Patterns of URIs: which objects does `s3://bucket/train-{000..031}-*.tfrecord` mean?
 *
 * | written | means |
 * |---|---|
 * | `*` `?` | any characters, one character, inside one name |
 * | `[a-z]` `[!a-z]` | one character of a set, not of a set |
 * | `**` as a whole name | any number of directories, none too; at the end: everything below |
 * | `{a,b}` `{1..10}` `{000..031}` `{a..e}` | each of them; may be nested |
 * | `\` before `* ? [ ] { } , \` | that character itself |
 *
 * A name that begins with a dot is matched only by a pattern that writes the dot. In `file://` URIs a percent-encoded
 * character is always a plain one.
 */
import { MillraceError } from '../errors.js'
import type { ObjectMeta, Store } from '../store.js'
import { expandBraces } from './braces.js'
import { isGlob, literalStart, matchPath, parseSegment, unescapeGlob, type GlobSegment } from './glob.js'
import { compareBytes, isPercentEncoded, nameCodec, parseFileName, schemeOf, withoutSecrets } from './uri.js'

/** Options of {@link expandPattern}. */
export interface ExpandOptions {
  /** The store that serves a URI; asked only for patterns that need a listing. */
  readonly storeFor: (uri: string) => Store | Promise<Store>
  readonly signal?: AbortSignal | undefined
}

/**
 * The URIs that a pattern means, sorted by bytes and each once; of several patterns one after the other.
 *
 * A name without `*`, `?`, `[…]` or `**` is passed through, after braces and backslashes were resolved, without asking
 * the store whether it exists. Of `http` and `https` URIs only the braces are read, since they cannot be listed and use
 * `?` and `*` themselves. Only directories that can match are listed.
 *
 * @throws MillraceError `NotFound` when a pattern has to be looked up and nothing matches; RangeError for more than
 * 100,000 alternatives.
 */
export async function expandPattern(patterns: string | readonly string[], options: ExpandOptions): Promise<string[]> {
  return (await findObjects(patterns, options)).map(({ uri }) => uri)
}

/** An object that a pattern means, with what the listing said of it if one was made. */
export interface FoundObject {
  readonly uri: string
  readonly known?: ObjectMeta | undefined
}

/** As {@link expandPattern}, with what was learnt by the way. */
export async function findObjects(patterns: string | readonly string[], options: ExpandOptions): Promise<FoundObject[]> {
  if (typeof patterns !== 'string' && !Array.isArray(patterns)) {
    throw new TypeError('a pattern must be a string or an array of strings')
  }
  const lists: FoundObject[][] = []
  for (const pattern of typeof patterns === 'string' ? [patterns] : (patterns as readonly string[])) lists.push(await expandOne(pattern, options))
  return lists.flat()
}

/** True when the pattern means more than one name, or has to be looked up. */
export function isPattern(text: string): boolean {
  const alternatives = expandBraces(text)
  return alternatives.length !== 1 || alternatives.some((alternative) => globOf(alternative) !== undefined)
}

/** A pattern to look up: where to begin, and what the path below must match. */
interface Glob {
  /** Canonical URI of the directory above the first segment that is a glob, ending in `/` or empty. */
  readonly base: string
  readonly segments: readonly GlobSegment[]
  /** What the URI must begin with. */
  readonly prefix: string
}

async function expandOne(pattern: string, { storeFor, signal }: ExpandOptions): Promise<FoundObject[]> {
  if (typeof pattern !== 'string') throw new TypeError(`a pattern must be a string, got ${typeof pattern}`)
  const found = new Map<string, FoundObject>()
  const globs = new Map<string, Glob[]>()
  for (const alternative of expandBraces(pattern)) {
    const glob = globOf(alternative)
    if (glob === undefined) {
      const uri = plainText(alternative)
      found.set(uri, { uri })
      continue
    }
    const group = globs.get(glob.base)
    if (group === undefined) globs.set(glob.base, [glob])
    else group.push(glob)
  }
  for (const [base, group] of globs) {
    const store = await storeFor(base)
    if (!store.capabilities.list) throw cannotList(pattern, store)
    for (const known of await lookUp(store, base, group, signal)) found.set(known.uri, { uri: known.uri, known })
  }
  if (found.size === 0) throw nothingMatches(pattern, [...globs.keys()])
  return [...found.values()].sort((a, b) => compareBytes(a.uri, b.uri))
}

/** One listing for all alternatives below the same directory. */
async function lookUp(store: Store, base: string, globs: readonly Glob[], signal: AbortSignal | undefined): Promise<ObjectMeta[]> {
  const { decode } = nameCodec(base)
  const namesOf = (uri: string): string[] => uri.slice(base.length).split('/').map(decode)
  const enter = (uri: string): boolean => {
    const names = namesOf(uri.replace(/\/$/, ''))
    return globs.some((glob) => uri.startsWith(glob.prefix) && matchPath(glob.segments, names, true))
  }
  const found: ObjectMeta[] = []
  for await (const page of store.list(commonPrefix(globs.map((glob) => glob.prefix)), { signal, enter })) {
    for (const object of page) {
      const names = namesOf(object.uri)
      if (globs.some((glob) => object.uri.startsWith(glob.prefix) && matchPath(glob.segments, names))) found.push(object)
    }
  }
  return found
}

/** Nothing for a plain name. */
function globOf(text: string): Glob | undefined {
  if (!isListable(text)) return undefined
  const scheme = schemeOf(text)
  const start = scheme === '' ? 0 : scheme.length + '://'.length
  const { encode, decode } = nameCodec(text)
  const texts = text.slice(start).split('/')
  const segments = texts.map((part) => parseSegment(part, (plain) => decodeLeniently(plain, decode)))
  const first = segments.findIndex(isGlob)
  const head = segments[first]
  if (head === undefined) return undefined
  const above = text.slice(0, start) + texts.slice(0, first).map((part) => `${part}/`).join('')
  const base = scheme === 'file' || scheme === 'direct' ? parseFileName(plainText(above), 'expand', scheme).uri : scheme + plainText(above).slice(scheme.length)
  const below = segments.slice(first)
  return {
    base,
    segments: below.at(-1) === 'directories' ? [...below, [{ kind: 'star' }]] : below,
    prefix: base + encode(literalStart(head))
  }
}

/** The name that a text without globs means. */
function plainText(text: string): string {
  if (!isListable(text)) return text
  return unescapeGlob(text, isPercentEncoded(text) ? encodeURIComponent : undefined)
}

function isListable(uri: string): boolean {
  const scheme = schemeOf(uri)
  return scheme !== 'http' && scheme !== 'https'
}

/** What is no valid encoding stays as it is: if it matters, the store will refuse the URI with the reason. */
function decodeLeniently(text: string, decode: (text: string) => string): string {
  try {
    return decode(text)
  } catch {
    return text
  }
}

function commonPrefix(texts: readonly string[]): string {
  return texts.reduce((common, text) => {
    let length = 0
    while (length < common.length && common[length] === text[length]) length++
    return common.slice(0, length)
  })
}

function nothingMatches(pattern: string, bases: readonly string[]): MillraceError {
  const some = bases.slice(0, 5).map((base) => (base === '' ? 'the working directory' : base))
  const where = some.join(', ') + (bases.length > 5 ? ', …' : '')
  return new MillraceError('NotFound',
    `no object matches ${JSON.stringify(pattern)}; looked under ${where}. Check the path; patterns match upper and lower case as `
    + 'written, and names that begin with a dot only if the pattern does. A backslash makes * ? [ ] { } , plain characters',
    { uri: pattern, operation: 'list' })
}

function cannotList(pattern: string, store: Store): MillraceError {
  const uri = withoutSecrets(pattern)
  return new MillraceError('Unsupported',
    `${uri}: the ${store.scheme} store cannot list objects, so * ? [ ] cannot be looked up; use braces, or pass a list of URIs`,
    { uri, operation: 'list' })
}
