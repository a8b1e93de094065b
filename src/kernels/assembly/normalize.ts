/**
 * `x * scale + bias` per channel, to float32. AssemblyScript, built by ../build.mjs.
 *
 * Scale and bias stand in tables in which the channels come round again, so that 16 entries may be read from that of any channel:
 * `channels + 15` entries at least. `step` is 16 modulo `channels`.
 *
 * Sixteen values at a time, also when fewer are left: up to 15 values of nonsense are read and written behind the last one.
 */

export function scaleBiasBytes(
  from: usize, count: usize, scale: usize, bias: usize, channels: usize, step: usize, to: usize
): void {
  const wrap = channels << 2
  const move = step << 2
  let channel: usize = 0
  for (const stop = from + count; from < stop; from += 16, to += 64) {
    const low = v128.load_ext<u8>(from)
    const high = v128.load_ext<u8>(from, 8)
    const s = scale + channel
    const b = bias + channel
    const first = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low))
    const second = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low))
    const third = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high))
    const fourth = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high))
    v128.store(to, f32x4.add(f32x4.mul(first, v128.load(s)), v128.load(b)))
    v128.store(to, f32x4.add(f32x4.mul(second, v128.load(s, 16)), v128.load(b, 16)), 16)
    v128.store(to, f32x4.add(f32x4.mul(third, v128.load(s, 32)), v128.load(b, 32)), 32)
    v128.store(to, f32x4.add(f32x4.mul(fourth, v128.load(s, 48)), v128.load(b, 48)), 48)
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
    v128.store(at, f32x4.add(f32x4.mul(v128.load(at), v128.load(s)), v128.load(b)))
    v128.store(at, f32x4.add(f32x4.mul(v128.load(at, 16), v128.load(s, 16)), v128.load(b, 16)), 16)
    v128.store(at, f32x4.add(f32x4.mul(v128.load(at, 32), v128.load(s, 32)), v128.load(b, 32)), 32)
    v128.store(at, f32x4.add(f32x4.mul(v128.load(at, 48), v128.load(s, 48)), v128.load(b, 48)), 48)
    channel += move
    if (channel >= wrap) channel -= wrap
  }
}
