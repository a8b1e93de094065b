/**
 * CRC-32C of a window of memory, by folding with sparse multiples of the polynomial. AssemblyScript, built by ../build.mjs.
 *
 * A message is a polynomial over GF(2), and its CRC is the remainder modulo P. Adding a multiple of P anywhere in the message
 * leaves the remainder as it is. Take a multiple of P with few terms, all of them whole bytes apart (y = x^8):
 *
 *     y^Dk + y^(Dk - D1) + y^(Dk - D2) + ... + 1,   D1 < D2 < ... < Dk
 *
 * With it, a byte may be set to zero when it is added to the bytes D1, D2, ..., Dk further on. Done for the whole message from
 * its first byte, every byte becomes  w[j] = d[j] ^ w[j - D1] ^ ... ^ w[j - Dk],  and only the last Dk bytes are left, which have
 * the CRC of the message. No multiplication, no table, and 16 bytes at a time as long as D1 >= 16. Distances well above 16 keep
 * a load from meeting bytes that have only just been stored, which makes the core wait.
 *
 * The idea: S. Russell, "Chorba: A novel CRC32 implementation", arXiv 2412.16398. The distances here come from a search over the
 * multiples of this P. Because y = x^8 is a power of two, a sum of powers of y is a multiple of P exactly when the same sum of
 * powers of x is, so the known Hamming distances of CRC-32C bound it: 3 distances need Dk >= 5275, 5 need 209, 7 need 79, and an
 * even number never works (P has the factor x + 1). 3 cost the least per byte and leave the most: three folds in a row leave
 * 5275, 343 and 130 bytes, and the table loop of the twin (slicing-by-8) ends it.
 */

// The memory, in bytes from 0. A fold looks back from its first byte by its longest distance: the gap before each buffer is
// at least that long and stays zero.
const TABLE: usize = 0 // 8 tables of 256 registers
const WINDOW: usize = 8192 + 5312
const WINDOW_SIZE: usize = 131072
const REST_1: usize = WINDOW + WINDOW_SIZE + 384
const REST_2: usize = REST_1 + 5376 + 192
const REST_3: usize = REST_2 + 448

/** Where the caller puts the bytes, and how many fit: more costs more cache, fewer cost more ends of folds. */
export const windowStart: i32 = WINDOW as i32
export const windowBytes: i32 = WINDOW_SIZE as i32

// The folds, each named by its longest distance: what it leaves, plus up to 63 bytes.
const FAR: usize = 5275
const MIDDLE: usize = 343
const NEAR: usize = 130

// From which length a fold pays for moving what it leaves (measured).
const FAR_FROM: usize = 12288
const MIDDLE_FROM: usize = 600
const NEAR_FROM: usize = 256

for (let byte: u32 = 0; byte < 256; byte++) {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1
  store<u32>(TABLE + 7168 + (byte << 2), crc)
}
for (let at = TABLE + 7168; at > TABLE; at -= 4) {
  const crc = load<u32>(at, 1020)
  store<u32>(at - 4, load<u32>(TABLE + 7168 + ((crc & 255) << 2)) ^ (crc >> 8))
}

/** Moves the register (not inverted) over the first `length` bytes of the window, which are lost. */
export function update(register: u32, length: usize): u32 {
  if (length < NEAR_FROM) return slice(register, WINDOW, length)
  // The register is the remainder of all that came before: the same as having it added to the next four bytes.
  store<u32>(WINDOW, load<u32>(WINDOW) ^ register)
  let at = WINDOW
  let left = length
  if (left >= FAR_FROM) {
    left = fold(FAR, at, left, REST_1)
    at = REST_1
  }
  if (left >= MIDDLE_FROM) {
    left = fold(MIDDLE, at, left, REST_2)
    at = REST_2
  }
  left = fold(NEAR, at, left, REST_3)
  return slice(0, REST_3, left)
}

/** Folds `length` bytes at `from`, moves the last `reach` to `reach + 63` bytes to `to`, and returns how many they are. */
// @ts-ignore: decorator
@inline
function fold(reach: usize, from: usize, length: usize, to: usize): usize {
  let at = from
  for (const stop = from + ((length - reach) & ~63); at < stop; at += 64) {
    const a = v128.xor(v128.load(at), earlier(reach, at))
    const b = v128.xor(v128.load(at, 16), earlier(reach, at + 16))
    const c = v128.xor(v128.load(at, 32), earlier(reach, at + 32))
    const d = v128.xor(v128.load(at, 48), earlier(reach, at + 48))
    v128.store(at, a)
    v128.store(at, b, 16)
    v128.store(at, c, 32)
    v128.store(at, d, 48)
  }
  // What is left gets its share of the folded bytes but nothing of itself: hence a zero where it has been.
  const left = from + length - at
  for (let i: usize = 0; i < left; i += 16) {
    const rest = v128.load(at + i)
    v128.store(at + i, i64x2.splat(0))
    v128.store(to + i, v128.xor(rest, earlier(reach, at + i)))
  }
  return left
}

/** The sum of the 16 bytes at each distance of a fold before `at`. `reach` is a constant: one branch gets compiled. */
// @ts-ignore: decorator
@inline
function earlier(reach: usize, at: usize): v128 {
  const back = at - reach
  let sum = v128.load(back)
  if (reach == FAR) {
    sum = v128.xor(sum, v128.xor(v128.load(back, 5275 - 767), v128.load(back, 5275 - 2524)))
  } else if (reach == MIDDLE) {
    sum = v128.xor(sum, v128.xor(v128.load(back, 343 - 166), v128.load(back, 343 - 180)))
    sum = v128.xor(sum, v128.xor(v128.load(back, 343 - 188), v128.load(back, 343 - 207)))
  } else {
    sum = v128.xor(sum, v128.xor(v128.load(back, 130 - 66), v128.load(back, 130 - 67)))
    sum = v128.xor(sum, v128.xor(v128.load(back, 130 - 70), v128.load(back, 130 - 97)))
    sum = v128.xor(sum, v128.xor(v128.load(back, 130 - 98), v128.load(back, 130 - 105)))
  }
  return sum
}

/** Slicing-by-8, as in the twin. */
function slice(register: u32, start: usize, length: usize): u32 {
  let crc = register
  let at = start
  for (const stop = start + (length & ~7); at < stop; at += 8) {
    const low = load<u32>(at) ^ crc
    const high = load<u32>(at, 4)
    crc =
      load<u32>(TABLE + ((low & 255) << 2)) ^
      load<u32>(TABLE + (((low >> 8) & 255) << 2), 1024) ^
      load<u32>(TABLE + (((low >> 16) & 255) << 2), 2048) ^
      load<u32>(TABLE + ((low >> 24) << 2), 3072) ^
      load<u32>(TABLE + ((high & 255) << 2), 4096) ^
      load<u32>(TABLE + (((high >> 8) & 255) << 2), 5120) ^
      load<u32>(TABLE + (((high >> 16) & 255) << 2), 6144) ^
      load<u32>(TABLE + ((high >> 24) << 2), 7168)
  }
  for (const stop = start + length; at < stop; at++) {
    crc = load<u32>(TABLE + (((crc ^ load<u8>(at)) & 255) << 2), 7168) ^ (crc >> 8)
  }
  return crc
}
