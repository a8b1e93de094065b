/** Tells from the first bytes of a file (4 are enough) whether it is a ZIP archive, with members or empty: that is what NPZ is. */
export function detect(head: Uint8Array): boolean {
  const [a, b, c, d] = head
  return a === 0x50 && b === 0x4b && ((c === 3 && d === 4) || (c === 5 && d === 6))
}
