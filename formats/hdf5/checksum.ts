/**
 * The checksum of HDF5 metadata: Bob Jenkins' lookup3 (`hashlittle`, 2006, public domain) with the initial value 0, over
 * `bytes[start, end)`.
 */
export function lookup3(bytes: Uint8Array, start: number, end: number): number {
  let left = end - start
  let a = (0xdeadbeef + left) | 0
  let b = a
  let c = a
  let at = start
  const word = (i: number): number =>
    (bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8) | ((bytes[i + 2] ?? 0) << 16) | ((bytes[i + 3] ?? 0) << 24)
  while (left > 12) {
    a = (a + word(at)) | 0
    b = (b + word(at + 4)) | 0
    c = (c + word(at + 8)) | 0
    a = (a - c) ^ rotated(c, 4); c = (c + b) | 0
    b = (b - a) ^ rotated(a, 6); a = (a + c) | 0
    c = (c - b) ^ rotated(b, 8); b = (b + a) | 0
    a = (a - c) ^ rotated(c, 16); c = (c + b) | 0
    b = (b - a) ^ rotated(a, 19); a = (a + c) | 0
    c = (c - b) ^ rotated(b, 4); b = (b + a) | 0
    at += 12
    left -= 12
  }
  if (left === 0) return c >>> 0
  a = (a + partOfWord(bytes, at, end)) | 0
  b = (b + partOfWord(bytes, at + 4, end)) | 0
  c = (c + partOfWord(bytes, at + 8, end)) | 0
  c = (c ^ b) - rotated(b, 14)
  a = (a ^ c) - rotated(c, 11)
  b = (b ^ a) - rotated(a, 25)
  c = (c ^ b) - rotated(b, 16)
  a = (a ^ c) - rotated(c, 4)
  b = (b ^ a) - rotated(a, 14)
  c = (c ^ b) - rotated(b, 24)
  return c >>> 0
}

function rotated(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by))
}

function partOfWord(bytes: Uint8Array, at: number, end: number): number {
  let value = 0
  for (let i = at; i < Math.min(at + 4, end); i++) value |= (bytes[i] ?? 0) << (8 * (i - at))
  return value
}
