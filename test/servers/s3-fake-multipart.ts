/** Uploads in parts. */
import { randomUUID } from 'node:crypto'
import type { Reply } from './faults.js'
import type { RequestBody } from './s3-fake-body.js'
import { checksum, checksumHeader, isAlgorithm, md5, type Algorithm } from './s3-fake-checksums.js'
import { algorithmOf, checkWrite, keptHeaders, parseRange, type Header } from './s3-fake-objects.js'
import type { Bucket, FakeObject, FakeUpload } from './s3-fake-state.js'
import { element, S3Error, textOf, textsOf, xmlReply } from './s3-fake-xml.js'

export function createUpload(bucket: Bucket, key: string, names: readonly string[], header: Header, now: number): Reply {
  const algorithm = algorithmOf(header)
  const type = header('x-amz-checksum-type') ?? (algorithm === 'CRC64NVME' || algorithm === undefined ? 'FULL_OBJECT' : 'COMPOSITE')
  if ((type !== 'FULL_OBJECT' && type !== 'COMPOSITE') || (type === 'FULL_OBJECT' && algorithm?.startsWith('SHA') === true) || (type === 'COMPOSITE' && algorithm === 'CRC64NVME')) {
    throw new S3Error(400, 'InvalidRequest', `The ${type} checksum type cannot be used with the ${algorithm} checksum algorithm.`)
  }
  const upload: FakeUpload = { id: randomUUID(), key, headers: keptHeaders(names, header), algorithm, type, started: now, parts: new Map() }
  bucket.uploads.set(upload.id, upload)
  const headers: Record<string, string> = algorithm === undefined ? {} : { 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type }
  return xmlReply('InitiateMultipartUploadResult', `${element('Bucket', bucket.name)}${element('Key', key)}${element('UploadId', upload.id)}`, 200, headers)
}

export function uploadOf(bucket: Bucket, key: string, id: string | undefined): FakeUpload {
  const upload = bucket.uploads.get(id ?? '')
  if (upload === undefined || upload.key !== key) {
    throw new S3Error(404, 'NoSuchUpload', 'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.', { UploadId: id ?? '' })
  }
  return upload
}

function partNumberOf(text: string | undefined): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1 || number > 10_000) {
    throw new S3Error(400, 'InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive', { ArgumentName: 'partNumber', ArgumentValue: text ?? '' })
  }
  return number
}

export function putPart(upload: FakeUpload, partNumber: string | undefined, body: RequestBody): Reply {
  const number = partNumberOf(partNumber)
  const [sent, value] = Object.entries(body.checksums)[0] ?? []
  if (sent !== undefined && upload.algorithm !== undefined && sent !== upload.algorithm) {
    throw new S3Error(400, 'InvalidRequest', `Checksum Type mismatch occurred, expected checksum Type: ${upload.algorithm.toLowerCase()}, actual checksum Type: ${sent.toLowerCase()}`)
  }
  if (sent === undefined && upload.algorithm !== undefined && upload.type === 'COMPOSITE') {
    throw new S3Error(400, 'InvalidRequest', `Checksum Type mismatch occurred, expected checksum Type: ${upload.algorithm.toLowerCase()}, actual checksum Type: null`)
  }
  const etag = `"${md5(body.bytes).toString('hex')}"`
  upload.parts.set(number, { bytes: body.bytes, etag, checksum: sent !== undefined && value !== undefined ? { algorithm: sent as Algorithm, value } : undefined })
  const headers: Record<string, string> = { etag, 'content-length': '0' }
  if (sent !== undefined && isAlgorithm(sent) && value !== undefined) headers[checksumHeader(sent)] = value
  return { status: 200, headers, body: new Uint8Array() }
}

export function copyPart(upload: FakeUpload, partNumber: string | undefined, source: FakeObject, header: Header, now: number): Reply {
  const number = partNumberOf(partNumber)
  const asked = header('x-amz-copy-source-range')
  if (asked !== undefined && !/^bytes=\d+-\d+$/.test(asked)) throw new S3Error(400, 'InvalidArgument', 'The x-amz-copy-source-range value must be of the form bytes=first-last')
  const range = parseRange(asked, source.bytes.length) ?? [0, source.bytes.length]
  if (asked !== undefined && Number(asked.split('-')[1]) >= source.bytes.length) {
    throw new S3Error(400, 'InvalidArgument', `Range specified is not valid for source object of size: ${source.bytes.length}`)
  }
  const bytes = Buffer.from(source.bytes.subarray(...range))
  const etag = `"${md5(bytes).toString('hex')}"`
  const sum = upload.algorithm === undefined ? undefined : { algorithm: upload.algorithm, value: checksum(upload.algorithm, bytes) }
  upload.parts.set(number, { bytes, etag, checksum: sum })
  return xmlReply('CopyPartResult', `${element('LastModified', new Date(now).toISOString())}${element('ETag', etag)}${sum === undefined ? '' : element(`Checksum${sum.algorithm}`, sum.value)}`)
}

export function completeUpload(bucket: Bucket, upload: FakeUpload, body: RequestBody, header: Header, minPartSize: number, now: number): Reply {
  const xml = body.bytes.toString()
  const listed = textsOf(xml, 'Part')
  if (listed.length === 0) throw new S3Error(400, 'MalformedXML', 'The XML you provided was not well-formed or did not validate against our published schema')
  const chosen: Buffer[] = []
  const sums: Buffer[] = []
  let previous = 0
  listed.forEach((one, index) => {
    const number = Number(textOf(one, 'PartNumber'))
    if (number <= previous) throw new S3Error(400, 'InvalidPartOrder', 'The list of parts was not in ascending order. Parts must be ordered by part number.')
    previous = number
    const part = upload.parts.get(number)
    const etag = (textOf(one, 'ETag') ?? '').replace(/"/g, '')
    const invalid = (): never => {
      throw new S3Error(400, 'InvalidPart', "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
        { PartNumber: String(number), ETag: etag, UploadId: upload.id })
    }
    if (part === undefined || part.etag !== `"${etag}"`) return invalid()
    for (const algorithm of part.checksum === undefined ? [] : [part.checksum.algorithm]) {
      const given = textOf(one, `Checksum${algorithm}`)
      if (given !== undefined && given !== part.checksum?.value) invalid()
      if (given === undefined && upload.algorithm !== undefined && upload.type === 'COMPOSITE') {
        throw new S3Error(400, 'InvalidRequest', `The upload was created using a ${algorithm.toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part ${number} in the request.`)
      }
    }
    if (part.bytes.length < minPartSize && index < listed.length - 1) {
      throw new S3Error(400, 'EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size', { ProposedSize: String(part.bytes.length), MinSizeAllowed: String(minPartSize), PartNumber: String(number) })
    }
    chosen.push(part.bytes)
    if (part.checksum !== undefined) sums.push(Buffer.from(part.checksum.value, 'base64'))
  })
  checkWrite(bucket.get(upload.key), header)
  const bytes = Buffer.concat(chosen)
  const size = header('x-amz-mp-object-size')
  if (size !== undefined && Number(size) !== bytes.length) throw new S3Error(400, 'InvalidRequest', `The provided 'x-amz-mp-object-size' header value ${size} does not match what was computed: ${bytes.length}`)
  const etag = `"${md5(Buffer.concat(chosen.map(md5))).toString('hex')}-${chosen.length}"`
  const sum = sumOf(upload, bytes, sums)
  const promised = sum && header(checksumHeader(sum.algorithm))
  if (sum !== undefined && promised !== undefined && promised !== sum.value) throw new S3Error(400, 'BadDigest', `The ${sum.algorithm} you specified did not match the calculated checksum.`)
  bucket.put({ key: upload.key, bytes, etag, modified: now, headers: upload.headers, checksum: sum, parts: chosen.map((one) => one.length) })
  bucket.uploads.delete(upload.id)
  const more = sum === undefined ? '' : `${element(`Checksum${sum.algorithm}`, sum.value)}${element('ChecksumType', sum.type)}`
  return xmlReply('CompleteMultipartUploadResult', `${element('Location', `/${bucket.name}/${upload.key}`)}${element('Bucket', bucket.name)}${element('Key', upload.key)}${element('ETag', etag)}${more}`)
}

function sumOf(upload: FakeUpload, bytes: Buffer, sums: readonly Buffer[]): FakeObject['checksum'] {
  const { algorithm, type } = upload
  if (algorithm === undefined) return undefined
  const value = type === 'FULL_OBJECT' ? checksum(algorithm, bytes) : `${checksum(algorithm, Buffer.concat(sums))}-${sums.length}`
  return { algorithm, value, type }
}
