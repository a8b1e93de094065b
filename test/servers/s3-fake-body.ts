/** Bodies of requests: plain, or framed as aws-chunked, with what they promise about themselves checked. */
import type { IncomingMessage } from 'node:http'
import { createHash } from 'node:crypto'
import type { Proof } from './s3-fake-auth.js'
import { ALGORITHMS, checksum, checksumHeader, isAlgorithm, md5, type Algorithm } from './s3-fake-checksums.js'
import { S3Error } from './s3-fake-xml.js'

export interface RequestBody {
  readonly bytes: Buffer
  /** Checksums that were sent and are right. */
  readonly checksums: Partial<Record<Algorithm, string>>
  /** Whether anything at all proved the bytes: an MD5 or a checksum. */
  readonly proved: boolean
}

export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  const bytes = pieces.length === 1 ? pieces[0] ?? Buffer.alloc(0) : Buffer.concat(pieces)
  const announced = request.headers['content-length']
  if (announced !== undefined && Number(announced) !== bytes.length) throw new S3Error(400, 'IncompleteBody', 'You did not provide the number of bytes specified by the Content-Length HTTP header')
  return bytes
}

/** @throws S3Error when something that the request says of its body is not so */
export function openBody(request: IncomingMessage, raw: Buffer, proof: Proof | undefined): RequestBody {
  const payload = proof?.payload ?? 'UNSIGNED-PAYLOAD'
  const promised = new Map<Algorithm, string>()
  for (const algorithm of ALGORITHMS) {
    const value = request.headers[checksumHeader(algorithm)]
    if (typeof value === 'string') promised.set(algorithm, value)
  }
  let bytes = raw
  if (payload.startsWith('STREAMING-')) {
    const announced = Number(request.headers['x-amz-decoded-content-length'] ?? NaN)
    if (!Number.isInteger(announced)) throw new S3Error(411, 'MissingContentLength', 'You must provide the x-amz-decoded-content-length HTTP header.')
    const framed = unframe(raw, payload, proof, String(request.headers['x-amz-trailer'] ?? ''))
    bytes = framed.bytes
    if (bytes.length !== announced) throw new S3Error(400, 'IncompleteBody', 'The request body terminated unexpectedly')
    for (const [algorithm, value] of framed.trailers) promised.set(algorithm, value)
  } else if (payload !== 'UNSIGNED-PAYLOAD') {
    const hash = createHash('sha256').update(raw).digest('hex')
    if (hash !== payload) {
      throw new S3Error(400, 'XAmzContentSHA256Mismatch', "The provided 'x-amz-content-sha256' header does not match what was computed.",
        { ClientComputedContentSHA256: payload, S3ComputedContentSHA256: hash })
    }
  }
  if (promised.size > 1) throw new S3Error(400, 'InvalidRequest', 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.')
  for (const [algorithm, value] of promised) {
    if (checksum(algorithm, bytes) !== value) throw new S3Error(400, 'BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`)
  }
  const digest = request.headers['content-md5']
  if (typeof digest === 'string') {
    if (Buffer.from(digest, 'base64').length !== 16) throw new S3Error(400, 'InvalidDigest', 'The Content-MD5 you specified was invalid.')
    if (md5(bytes).toString('base64') !== digest) throw new S3Error(400, 'BadDigest', 'The Content-MD5 you specified did not match what we received.')
  }
  return { bytes, checksums: Object.fromEntries(promised), proved: promised.size > 0 || digest !== undefined }
}

function unframe(raw: Buffer, payload: string, proof: Proof | undefined, trailer: string): { bytes: Buffer; trailers: Map<Algorithm, string> } {
  const signed = payload.startsWith('STREAMING-AWS4-HMAC-SHA256-PAYLOAD')
  if (!signed && payload !== 'STREAMING-UNSIGNED-PAYLOAD-TRAILER') throw new S3Error(400, 'InvalidRequest', `x-amz-content-sha256 must be a known value, not ${payload}`)
  const refuse = (): never => {
    throw new S3Error(400, 'IncompleteBody', 'The request body terminated unexpectedly')
  }
  const pieces: Buffer[] = []
  let at = 0
  for (;;) {
    const end = raw.indexOf('\r\n', at)
    if (end < 0) return refuse()
    const [size = '', ...extensions] = raw.toString('latin1', at, end).split(';')
    if (!/^[0-9a-fA-F]+$/.test(size)) return refuse()
    const length = parseInt(size, 16)
    const chunk = raw.subarray(end + 2, end + 2 + length)
    if (chunk.length !== length) return refuse()
    if (signed) {
      const given = extensions.find((one) => one.startsWith('chunk-signature='))?.slice(16)
      if (proof === undefined || given !== proof.chunks.next(chunk)) throw new S3Error(403, 'SignatureDoesNotMatch', 'The signature of a chunk does not match.')
    }
    at = end + 2 + length
    if (length === 0) break
    pieces.push(chunk)
    if (raw.toString('latin1', at, at + 2) !== '\r\n') return refuse()
    at += 2
  }
  const trailers = new Map<Algorithm, string>()
  const lines = raw.toString('latin1', at).split('\r\n').filter((line) => line !== '')
  let signedText = ''
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).trim().toLowerCase()
    const value = line.slice(colon + 1).trim()
    if (name === 'x-amz-trailer-signature') {
      if (proof === undefined || proof.chunks.trailer(signedText) !== value) throw new S3Error(403, 'SignatureDoesNotMatch', 'The signature of the trailer does not match.')
      continue
    }
    signedText += `${name}:${value}\n`
    const algorithm = name.replace(/^x-amz-checksum-/, '').toUpperCase()
    if (name !== trailer.trim().toLowerCase() || !isAlgorithm(algorithm)) throw new S3Error(400, 'MalformedTrailerError', 'The request contained trailing data that was not well-formed.')
    trailers.set(algorithm, value)
  }
  if (payload.endsWith('-TRAILER') && trailer !== '' && trailers.size === 0) throw new S3Error(400, 'MalformedTrailerError', 'The trailer that was announced is missing.')
  return { bytes: pieces.length === 1 ? pieces[0] ?? Buffer.alloc(0) : Buffer.concat(pieces), trailers }
}
