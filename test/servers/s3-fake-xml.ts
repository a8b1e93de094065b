/** XML as S3 writes it and reads it. */
import type { Reply } from './faults.js'

/** A refusal, in the words of S3. */
export class S3Error extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: Readonly<Record<string, string>> = {},
    readonly headers: Readonly<Record<string, string>> = {}
  ) {
    super(message)
  }
}

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'

/** Text as it stands in an element. Control characters become references, as S3 has it, although XML 1.0 forbids them. */
export function escapeXml(text: string): string {
  if (/^[\w /.-]*$/.test(text)) return text
  return text.replace(/[&<>"\u0000-\u001f\u007f]/g, (c) => {
    switch (c) {
      case '&': return '&amp;'
      case '<': return '&lt;'
      case '>': return '&gt;'
      case '"': return '&quot;'
      default: return `&#x${c.charCodeAt(0).toString(16)};`
    }
  })
}

/** An element with text; nothing when there is no value. */
export function element(name: string, value: string | number | boolean | undefined): string {
  return value === undefined ? '' : `<${name}>${escapeXml(String(value))}</${name}>`
}

export function xmlReply(root: string, inside: string, status = 200, headers: Readonly<Record<string, string>> = {}): Reply {
  const body = Buffer.from(`${DECLARATION}<${root} xmlns="${NAMESPACE}">${inside}</${root}>`)
  return { status, headers: { 'content-type': 'application/xml', 'content-length': String(body.length), ...headers }, body }
}

export function errorReply(error: S3Error, requestId: string, resource: string): Reply {
  const details = Object.entries(error.details).map(([name, value]) => element(name, value)).join('')
  const inside = `${element('Code', error.code)}${element('Message', error.message)}${details}${element('Resource', resource)}${element('RequestId', requestId)}`
  const body = Buffer.from(`${DECLARATION}<Error>${inside}</Error>`)
  return { status: error.status, headers: { 'content-type': 'application/xml', 'content-length': String(body.length), ...error.headers }, body }
}

function unescapeXml(text: string): string {
  return text.replace(/&(#x[0-9a-f]+|#\d+|amp|lt|gt|quot|apos);/gi, (_, name: string) => {
    if (name.startsWith('#')) return String.fromCodePoint(/^#x/i.test(name) ? parseInt(name.slice(2), 16) : parseInt(name.slice(1), 10))
    return { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }[name.toLowerCase()] ?? ''
  })
}

/** The texts of all elements of that name, not looking at what is around them. */
export function textsOf(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}(?:\\s[^>]*)?>([^]*?)</${name}>`, 'g'))].map((match) => match[1] ?? '')
}

export function textOf(xml: string, name: string): string | undefined {
  const text = textsOf(xml, name)[0]
  return text === undefined ? undefined : unescapeXml(text)
}
