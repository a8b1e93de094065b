/**
 * Pages of listings, taken out of their XML. The SDK's own parser needs ten times as long for a page of a thousand names, which is what
 * listing millions of them waits for; and it does not notice when the end of a page is missing.
 */

/** An object as the page tells it; the name may be encoded. */
export interface ListedObject {
  readonly key: string
  readonly size: number
  readonly tag: string
  readonly modified: number | undefined
}

export interface ListPage {
  readonly objects: readonly ListedObject[]
  readonly prefixes: readonly string[]
  /** Whether names are encoded as in forms. */
  readonly encoded: boolean
  readonly truncated: boolean
  readonly next: string | undefined
}

/** The page, or nothing when it is not complete or not as services write it. */
export function parseListPage(xml: string): ListPage | undefined {
  if (!/<\/ListBucketResult>\s*$/.test(xml) || xml.includes('<!')) return undefined
  const objects: ListedObject[] = []
  let rest = ''
  let at = 0
  for (;;) {
    const begin = xml.indexOf('<Contents>', at)
    const end = xml.indexOf('</Contents>', begin)
    if (begin < 0) break
    if (end < 0) return undefined
    const object = objectIn(xml, begin, end)
    if (object === undefined) return undefined
    objects.push(object)
    rest += xml.slice(at, begin)
    at = end + '</Contents>'.length
  }
  rest += xml.slice(at)
  return {
    objects,
    prefixes: Array.from(rest.matchAll(/<CommonPrefixes>\s*<Prefix>([^<]*)<\/Prefix>/g), match => unescape(match[1] ?? '')),
    encoded: field(rest, 'EncodingType', 0, rest.length) === 'url',
    truncated: field(rest, 'IsTruncated', 0, rest.length) === 'true',
    next: field(rest, 'NextContinuationToken', 0, rest.length)
  }
}

function objectIn(xml: string, begin: number, end: number): ListedObject | undefined {
  const key = field(xml, 'Key', begin, end)
  const size = Number(field(xml, 'Size', begin, end))
  if (key === undefined || !Number.isSafeInteger(size) || size < 0) return undefined
  const modified = Date.parse(field(xml, 'LastModified', begin, end) ?? '')
  return { key, size, tag: field(xml, 'ETag', begin, end) ?? '', modified: Number.isNaN(modified) ? undefined : modified }
}

/** The text of the first element of that name in a part of the page. */
function field(xml: string, name: string, begin: number, end: number): string | undefined {
  const open = `<${name}>`
  const from = xml.indexOf(open, begin)
  if (from < 0 || from >= end) return undefined
  const to = xml.indexOf('</', from)
  return unescape(xml.slice(from + open.length, to))
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: '\'', amp: '&' }

function unescape(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (all, hex: string | undefined, decimal: string | undefined, name: string | undefined) => {
    if (name !== undefined) return ENTITIES[name] ?? all
    return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16))
  })
}
