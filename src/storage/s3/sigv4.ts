/**
 * Signatures of AWS, version 4, for requests without a body ("Signature Version 4 signing process" in the IAM guide; paths as S3 wants them:
 * encoded once, not normalised). The body is `UNSIGNED-PAYLOAD`, and ranges and conditions are not signed: so one signature costs one SHA-256
 * and one HMAC, a few microseconds.
 */
import { MillraceError } from '../../errors.js'

export interface SigningCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

export interface SigningScope {
  readonly credentials: SigningCredentials
  readonly region: string
  /** `s3` for most endpoints. */
  readonly service: string
  /** As the header has it. */
  readonly host: string
  /** Further headers that are sent and signed with every request; names in lower case. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

export interface Signer {
  /**
   * The headers of a request, with the signature.
   * @param path Encoded; see `encodeKey`.
   * @param query Encoded, sorted by name, without the `?`.
   * @param time Milliseconds since 1970. Services refuse what is 15 minutes off.
   */
  sign(method: string, path: string, query: string, time: number): Record<string, string>
}

/** Makes a signer for requests that differ in method, path, query and time only: all else is put together, and keys are derived, once. */
export function createSigner({ credentials, region, service, host, headers }: SigningScope): Signer {
  const { sha256, hmac } = loadHashes()
  const date = '\0' // where the date goes
  const signed = Object.entries({
    ...headers,
    host,
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    'x-amz-date': date,
    ...(credentials.sessionToken === undefined ? {} : { 'x-amz-security-token': credentials.sessionToken })
  }).sort(([a], [b]) => (a < b ? -1 : 1))
  const names = signed.map(([name]) => name).join(';')
  const block = signed.map(([name, value]) => `${name}:${value.trim().replace(/ +/g, ' ')}\n`).join('')
  const [before = '', after = ''] = `${block}\n${names}\nUNSIGNED-PAYLOAD`.split(date)
  const fixed = Object.fromEntries(signed)

  let second = -1
  let stamp = ''
  let scope = ''
  let key: Uint8Array | undefined
  let beginning = ''

  function at(time: number): void {
    second = Math.floor(time / 1000)
    stamp = new Date(second * 1000).toISOString().replace(/[-:]|\.\d{3}/g, '')
    const day = stamp.slice(0, 8)
    const today = `${day}/${region}/${service}/aws4_request`
    if (today === scope) return
    scope = today
    beginning = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=`
    key = [day, region, service, 'aws4_request'].reduce<Uint8Array | string>((from, text) => hmac(from, text), `AWS4${credentials.secretAccessKey}`) as Uint8Array
  }

  return {
    sign(method, path, query, time) {
      if (Math.floor(time / 1000) !== second || key === undefined) at(time)
      const digest = sha256(`${method}\n${path}\n${query}\n${before}${stamp}${after}`)
      const signature = hmac(key as Uint8Array, `AWS4-HMAC-SHA256\n${stamp}\n${scope}\n${digest}`, 'hex')
      return { ...fixed, 'x-amz-date': stamp, authorization: beginning + signature }
    }
  }
}

interface Hashes {
  /** In hexadecimal digits. */
  sha256(text: string): string
  hmac(key: Uint8Array | string, text: string): Uint8Array
  hmac(key: Uint8Array | string, text: string, encoding: 'hex'): string
}

/** True where requests can be signed without waiting. */
export function canSign(): boolean {
  return nodeCrypto() !== undefined
}

function loadHashes(): Hashes {
  const crypto = nodeCrypto()
  if (crypto === undefined) throw new MillraceError('Unsupported', 'requests are signed with node:crypto, which is not here; make the store with { signing: \'sdk\' }')
  const { createHash, createHmac } = crypto
  // One call instead of three, since Node 20.12.
  const hash = crypto.hash as typeof crypto.hash | undefined
  function hmac(key: Uint8Array | string, text: string): Uint8Array
  function hmac(key: Uint8Array | string, text: string, encoding: 'hex'): string
  function hmac(key: Uint8Array | string, text: string, encoding?: 'hex'): Uint8Array | string {
    const made = createHmac('sha256', key).update(text)
    return encoding === undefined ? made.digest() : made.digest(encoding)
  }
  return { hmac, sha256: hash === undefined ? text => createHash('sha256').update(text).digest('hex') : text => hash('sha256', text, 'hex') }
}

function nodeCrypto(): typeof import('node:crypto') | undefined {
  const host = globalThis.process as { getBuiltinModule?: (name: string) => unknown } | undefined // without an import: this is loaded anywhere
  return host?.getBuiltinModule?.('node:crypto') as typeof import('node:crypto') | undefined
}
