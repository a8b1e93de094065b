/**
 * `x * scale + bias` per channel, to float32. AssemblyScript, built by ../build.mjs.
 *
 * Scale and bias stand in tables in which the channels come round again, so that 16 entries may be read from that of any channel:
 * `channels + 15` entries at least. `step` is 16 modulo `channels`.
 *
 * Sixteen values at a time, also when fewer are left: up to 15 values of nonsense are read and written behind the last one.
 */

export function scaleBiasBytes(from: usize, count: usize, scale: usize, bias: usize, channels: usize, step: usize, to: usize): void {
  const wrap = channels << 2
  const move = step << 2
  let channel: usize = 0
  for (const stop = from + count; from < stop; from += 16, to += 64) {
    const bytes = v128.load(from)
    const low = i16x8.extend_low_i8x16_u(bytes)
    const high = i16x8.extend_high_i8x16_u(bytes)
    const s = scale + channel
    const b = bias + channel
    store(to, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)), s, b)
    store(to + 16, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)), s + 16, b + 16)
    store(to + 32, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)), s + 32, b + 32)
    store(to + 48, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)), s + 48, b + 48)
    channel += move
    if (channel >= wrap) channel -= wrap
  }
}

/** In place. */
export function scaleBiasFloats(at: usize, count: usize, scale: usize, bias: usize, channels: usize, step: usize): void {
  const wrap = channels << 2
  const move = step << 2
  let channel: usize = 0
  for (const stop = at + (count << 2); at < stop; at += 64) {
    const s = scale + channel
    const b = bias + channel
    store(at, v128.load(at), s, b)
    store(at + 16, v128.load(at, 16), s + 16, b + 16)
    store(at + 32, v128.load(at, 32), s + 32, b + 32)
    store(at + 48, v128.load(at, 48), s + 48, b + 48)
    channel += move
    if (channel >= wrap) channel -= wrap
  }
}

// @ts-ignore: decorator
@inline
function store(to: usize, values: v128, scale: usize, bias: usize): void {
  v128.store(to, f32x4.add(f32x4.mul(values, v128.load(scale)), v128.load(bias)))
}
