import { MillraceError } from '../../src/format.js'
import { LITTLE_ENDIAN, type Leaf, type Strings } from './item.js'

/** Puts the string in `bytes[start, start + leaf.bytes)` into words. NULs at its end are not part of it, as NumPy has it. */
export type StringReader = (bytes: Uint8Array, start: number) => string

/** @throws MillraceError `Corrupt`, without a place; the caller knows it. */
export function stringReader(leaf: Leaf, strings: Strings): StringReader {
  if (leaf.coding === 'U') return unicode(leaf.bytes / 4, (leaf.swap === 1) === LITTLE_ENDIAN)
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  return (bytes, start) => {
    let end = start + leaf.bytes
    while (end > start && bytes[end - 1] === 0) end--
    const text = bytes.subarray(start, end)
    if (strings === 'latin1' || isAscii(text)) return latin1(text)
    try {
      return decoder.decode(text)
    } catch (cause) {
      throw new MillraceError('Corrupt', `a string of dtype ${leaf.descr} is no UTF-8: for text in Latin-1 pass the option strings: 'latin1', for bytes strings: 'bytes'`, { cause })
    }
  }
}

/** UTF-32. */
function unicode(length: number, littleEndian: boolean): StringReader {
  const units: number[] = []
  return (bytes, start) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset + start, 4 * length)
    let count = length
    while (count > 0 && view.getUint32(4 * (count - 1), littleEndian) === 0) count--
    let text = ''
    units.length = 0
    for (let i = 0; i < count; i++) {
      const code = view.getUint32(4 * i, littleEndian)
      if (code < 0x10000) units.push(code)
      else if (code <= 0x10ffff) units.push(0xd7c0 + (code >>> 10), 0xdc00 | (code & 0x3ff))
      else throw new MillraceError('Corrupt', `0x${code.toString(16)} in a string is no character of Unicode. Restore the file from its source`)
      if (units.length >= 4096) {
        text += String.fromCharCode(...units)
        units.length = 0
      }
    }
    return text + String.fromCharCode(...units)
  }
}

/** Every byte is the character of that number. */
export function latin1(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096))
  return text
}

function isAscii(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if ((bytes[i] as number) > 127) return false
  return true
}
