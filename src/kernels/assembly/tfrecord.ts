/**
 * TFRecord framing and plain `tf.train.Example` records, in the memory that a file is read into. AssemblyScript, built by
 * ../build.mjs.
 *
 * The checksum folds with sparse multiples of the polynomial, as `crc32c.ts` explains. Here the bytes stay as they are: what is
 * folded goes to a scratch area, which is small enough for the first-level cache.
 */

// The memory, in bytes from 0. A fold looks back from its first byte by its longest distance: there is room for that before each area.
const TABLE: usize = 0 // 8 tables of 256 registers
const ZEROS: usize = 8192 // 4 tables: what the bytes of a register become after RUN zero bytes
const RUN: usize = 40
const FAR_BACK: usize = 5312
const FAR_CHUNK: usize = 8192
const FAR_WORK: usize = ZEROS + 4096 + FAR_BACK
const FAR_REST: usize = FAR_WORK + FAR_CHUNK + 5376
const MIDDLE_BACK: usize = 384
const MIDDLE_CHUNK: usize = 12288
const MIDDLE_WORK: usize = FAR_REST + 5376 + MIDDLE_BACK
const MIDDLE_REST: usize = MIDDLE_WORK + MIDDLE_CHUNK + 448
const NEAR_BACK: usize = 192
const NEAR_CHUNK: usize = 1024
const NEAR_WORK: usize = MIDDLE_REST + 448 + NEAR_BACK
const NEAR_REST: usize = NEAR_WORK + NEAR_CHUNK + 256

/** The first byte that is free for the caller. Behind the last byte of a record there must be 16 more in the memory. */
export const heap: i32 = (NEAR_REST + 256) as i32

/** Why {@link scan} stopped: 0 incomplete, 1 checksum of a length, 2 checksum of data, 3 too large, 4 the table is full. */
export let stop: i32 = 0
/** Behind the last record that {@link scan} found. */
export let stoppedAt: usize = 0

// The folds, each named by its longest distance: what it leaves, plus up to 63 bytes.
const FAR: usize = 5275
const MIDDLE: usize = 343
const NEAR: usize = 130

// From which length a fold pays for moving what it leaves (measured).
const FAR_FROM: usize = 24576
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
for (let byte: u32 = 0; byte < 4; byte++) {
  for (let value: u32 = 0; value < 256; value++) {
    let crc = value << (byte << 3)
    for (let i: usize = 0; i < RUN; i++) crc = load<u32>(TABLE + ((crc & 255) << 2), 7168) ^ (crc >> 8)
    store<u32>(ZEROS + (((byte << 8) + value) << 2), crc)
  }
}

// A header equal to the one before it, which was right, is right: many files have records of one size.
let knownLength: i32 = -1
let knownCheck: u32 = 0

/**
 * Takes whole records from `[from, end)` until one is incomplete or bad, or the table is full: address and length of the data
 * of each. `maxLength` is below 2^31 - 16.
 */
export function scan(from: usize, end: usize, verify: bool, maxLength: i32, table: usize, capacity: i32): i32 {
  let at = from
  let count = 0
  stop = 4
  while (count < capacity) {
    if (<i32>(end - at) < 12) {
      stop = 0
      break
    }
    const length = load<i32>(at)
    const check = load<u32>(at, 8)
    if (load<u32>(at, 4) != 0 || length < 0 || length > maxLength) {
      stop = 3
      break
    }
    if (verify && (length != knownLength || check != knownCheck)) {
      if (masked(slice(-1, at, 8)) != check) {
        stop = 1
        break
      }
      knownLength = length
      knownCheck = check
    }
    const data = at + 12
    if (length > <i32>(end - data) - 4) {
      stop = 0
      break
    }
    if (verify && masked(crc(data, length as usize)) != load<u32>(data + (length as usize))) {
      stop = 2
      break
    }
    const entry = table + ((count as usize) << 3)
    store<u32>(entry, data as u32)
    store<u32>(entry, length, 4)
    count++
    at = data + (length as usize) + 4
  }
  stoppedAt = at
  return count
}

/** From the register to the checksum as TFRecord stores it. */
// @ts-ignore: decorator
@inline
function masked(register: u32): u32 {
  return rotr<u32>(~register, 15) + 0xa282ead8
}

/** The register after `length` bytes. */
export function crc(from: usize, length: usize): u32 {
  let register: u32 = -1
  let at = from
  let left = length
  if (left >= FAR_FROM) {
    left = fold(FAR, register, at, left)
    at = FAR_REST
    register = 0
  }
  if (left >= MIDDLE_FROM) {
    left = fold(MIDDLE, register, at, left)
    at = MIDDLE_REST
    register = 0
  }
  if (left >= NEAR_FROM) {
    left = fold(NEAR, register, at, left)
    at = NEAR_REST
    register = 0
  }
  return slice(register, at, left)
}

/**
 * Folds `length` bytes at `from`, to which the register is added; puts what is left, `reach` to `reach + 63` bytes, into the rest
 * area of the fold, and returns how many they are.
 */
// @ts-ignore: decorator
@inline
function fold(reach: usize, register: u32, from: usize, length: usize): usize {
  const work = reach == FAR ? FAR_WORK : reach == MIDDLE ? MIDDLE_WORK : NEAR_WORK
  const rest = reach == FAR ? FAR_REST : reach == MIDDLE ? MIDDLE_REST : NEAR_REST
  const chunk = reach == FAR ? FAR_CHUNK : reach == MIDDLE ? MIDDLE_CHUNK : NEAR_CHUNK
  const back = reach == FAR ? FAR_BACK : reach == MIDDLE ? MIDDLE_BACK : NEAR_BACK
  let carried = i32x4.replace_lane(i32x4.splat(0), 0, register)
  let at = from
  let to = work
  let again = false
  const end = from + ((length - reach) & ~63)
  for (;;) {
    to = work
    for (const pause = min(end, at + chunk); at < pause; at += 64, to += 64) {
      const a = v128.xor(v128.xor(v128.load(at), carried), earlier(reach, to))
      const b = v128.xor(v128.load(at, 16), earlier(reach, to + 16))
      const c = v128.xor(v128.load(at, 32), earlier(reach, to + 32))
      const d = v128.xor(v128.load(at, 48), earlier(reach, to + 48))
      carried = i32x4.splat(0)
      v128.store(to, a)
      v128.store(to, b, 16)
      v128.store(to, c, 32)
      v128.store(to, d, 48)
    }
    if (at >= end) break
    memory.copy(work - back, to - back, back)
    again = true
  }
  // 16 bytes at a time, to leave less to what is slower.
  for (const last = from + (length - reach - 16); at <= last; at += 16, to += 16) {
    v128.store(to, v128.xor(v128.xor(v128.load(at), carried), earlier(reach, to)))
    carried = i32x4.splat(0)
  }
  // What is left gets its share of the folded bytes but nothing of itself: hence a zero where it would be.
  const left = from + length - at
  for (let i: usize = 0; i < left; i += 16) {
    v128.store(to + i, i64x2.splat(0))
    v128.store(rest + i, v128.xor(v128.load(at + i), earlier(reach, to + i)))
  }
  // Before the work area there are zeros when a message begins.
  if (again) memory.fill(work - back, 0, back)
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

/**
 * Slicing-by-8, as in the twin; three runs at once while that many bytes are left, because each step of a run waits for the one
 * before it.
 */
function slice(register: u32, start: usize, length: usize): u32 {
  let crc = register
  let at = start
  const end = start + length
  for (; end - at >= 3 * RUN; at += 3 * RUN) {
    let second: u32 = 0
    let third: u32 = 0
    for (let i: usize = 0; i < RUN; i += 8) {
      crc = step(crc, at + i)
      second = step(second, at + RUN + i)
      third = step(third, at + 2 * RUN + i)
    }
    crc = advance(advance(crc) ^ second) ^ third
  }
  for (; end - at >= 8; at += 8) crc = step(crc, at)
  for (; at < end; at++) crc = load<u32>(TABLE + (((crc ^ load<u8>(at)) & 255) << 2), 7168) ^ (crc >> 8)
  return crc
}

/** The register after the 8 bytes at `at`. */
// @ts-ignore: decorator
@inline
function step(register: u32, at: usize): u32 {
  const low = load<u32>(at) ^ register
  const high = load<u32>(at, 4)
  // What waits for the register comes last, and in a tree: a loop of these is as long as its longest chain.
  const free =
    load<u32>(TABLE + ((high & 255) << 2), 4096) ^
    load<u32>(TABLE + (((high >> 8) & 255) << 2), 5120) ^
    load<u32>(TABLE + (((high >> 16) & 255) << 2), 6144) ^
    load<u32>(TABLE + ((high >> 24) << 2), 7168)
  const first = load<u32>(TABLE + ((low & 255) << 2)) ^ load<u32>(TABLE + (((low >> 8) & 255) << 2), 1024)
  const second = load<u32>(TABLE + (((low >> 16) & 255) << 2), 2048) ^ load<u32>(TABLE + ((low >> 24) << 2), 3072)
  return (free ^ first) ^ second
}

/** The register after {@link RUN} zero bytes. */
// @ts-ignore: decorator
@inline
function advance(register: u32): u32 {
  return (
    (load<u32>(ZEROS + ((register & 255) << 2)) ^ load<u32>(ZEROS + (((register >> 8) & 255) << 2), 1024)) ^
    (load<u32>(ZEROS + (((register >> 16) & 255) << 2), 2048) ^ load<u32>(ZEROS + ((register >> 24) << 2), 3072))
  )
}

// Entries of the table of features, 32 bytes each: address and length of the key, tag of the list, the exact number of bytes
// (of integers, for int64 lists), address and stride of the column, what to do with a value, mark of the last record that had it.
const KEY = 0
const KEY_LENGTH = 4
const LIST_TAG = 8
const SIZE = 12
const COLUMN = 16
const STRIDE = 20
const ACTION = 24
const MARK = 28
const LOCATE: u32 = 0 // the address of the bytes goes into the column
const COPY: u32 = 1 // the bytes themselves do
// Any other: int64 values are decoded into it.

let mark: u32 = 0

/**
 * Decodes records of the table (see {@link scan}) into rows, until one is not plain; returns how many were. Plain is what writers
 * of Examples write: messages in their usual layout, every wanted feature once, and its list one packed piece of the exact size.
 * Every length is checked against the end of what it lies in. A row that was not plain may have been written in part.
 */
export function decode(table: usize, count: i32, features: usize, featureCount: i32): i32 {
  for (let row = 0; row < count; row++) {
    const entry = table + ((row as usize) << 3)
    const from = load<u32>(entry) as usize
    if (!decodeRecord(from, from + (load<u32>(entry, 4) as usize), features, featureCount, row as usize)) return row
  }
  return count
}

function decodeRecord(from: usize, end: usize, features: usize, featureCount: i32, row: usize): bool {
  let at = piece(10, from, end)
  if (at == 0 || pieceEnd != end) return false
  const last = features + ((featureCount as usize) << 5)
  let guess = features
  let found = 0
  mark++
  while (at < end) {
    const entry = piece(10, at, end)
    if (entry == 0) return false
    const entryEnd = pieceEnd
    const key = piece(10, entry, entryEnd)
    if (key == 0) return false
    const keyEnd = pieceEnd
    const value = piece(18, keyEnd, entryEnd)
    if (value == 0 || pieceEnd != entryEnd) return false
    at = entryEnd

    let feature = guess
    if (feature >= last || !isKey(feature, key, keyEnd)) {
      feature = features
      while (feature < last && !isKey(feature, key, keyEnd)) feature += 32
      if (feature >= last) continue
    }
    guess = feature + 32
    if (load<u32>(feature, MARK) == mark) return false
    store<u32>(feature, mark, MARK)
    found++

    const list = piece(load<u32>(feature, LIST_TAG) as u8, value, entryEnd)
    if (list == 0 || pieceEnd != entryEnd) return false
    const data = piece(10, list, entryEnd)
    if (data == 0 || pieceEnd != entryEnd) return false
    const column = (load<u32>(feature, COLUMN) as usize) + (load<u32>(feature, STRIDE) as usize) * row
    const size = load<u32>(feature, SIZE)
    const action = load<u32>(feature, ACTION)
    if (action <= COPY) {
      if (((entryEnd - data) as u32) != size) return false
      if (action == LOCATE) store<u32>(column, data as u32)
      else memory.copy(column, data, size as usize)
    } else if (!integers(data, entryEnd, column, size)) return false
  }
  return found == featureCount
}

// @ts-ignore: decorator
@inline
function isKey(feature: usize, key: usize, end: usize): bool {
  const length = load<u32>(feature, KEY_LENGTH) as usize
  if (end - key != length) return false
  const wanted = load<u32>(feature, KEY) as usize
  for (let i: usize = 0; i < length; i++) if (load<u8>(wanted + i) != load<u8>(key + i)) return false
  return true
}

/** Behind the piece that {@link piece} opened last. */
let pieceEnd: usize = 0

/** Opens a field with that tag at `at`: returns where its content begins, 0 unless it is there and lies in `[at, end)`. */
// @ts-ignore: decorator
@inline
function piece(tag: u8, at: usize, end: usize): usize {
  if (end - at < 2 || load<u8>(at) != tag) return 0
  let from = at + 2
  let length = load<u8>(at, 1) as usize
  if (length > 127) {
    length &= 127
    for (let shift: usize = 7; ; shift += 7) {
      if (shift > 28 || from >= end) return 0
      const byte = load<u8>(from++) as usize
      // The fifth byte holds the last four of 32 bits.
      if (shift == 28 && byte > 7) return 0
      length |= (byte & 127) << shift
      if (byte < 128) break
    }
  }
  if (length > end - from) return 0
  pieceEnd = from + length
  return from
}

/** Decodes varints into int64 values; false unless there are exactly `count`. Bits above 64 are dropped, as protobuf does. */
function integers(from: usize, end: usize, to: usize, count: u32): bool {
  let at = from
  let left = count
  while (at < end) {
    if (left-- == 0) return false
    let value = load<u8>(at++) as u64
    if (value > 127) {
      value &= 127
      for (let shift: u64 = 7; ; shift += 7) {
        if (shift > 63 || at >= end) return false
        const byte = load<u8>(at++) as u64
        value |= (byte & 127) << shift
        if (byte < 128) break
      }
    }
    store<u64>(to, value)
    to += 8
  }
  return left == 0
}
