import { headerLength, parseHeader } from './header.js'

/**
 * Tells from the first bytes of a file, and its size, whether it is IDX. Two zeros, a type and a rank are no proof, so all of the header
 * has to be in `head`, and the size of the file has to be exactly what it says. Compressed files are not recognised.
 */
export function detect(head: Uint8Array, byteLength: number): boolean {
  const length = headerLength(head)
  if (length === undefined || length > head.length || head[3] === 0) return false
  try {
    const { headerBytes, dataBytes } = parseHeader('', head)
    return headerBytes + dataBytes === byteLength
  } catch {
    return false // rows without values
  }
}
