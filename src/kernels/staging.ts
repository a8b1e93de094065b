/**
 * The memory in which kernels work on arrays: 256 KiB, shared by all of them.
 *
 * A kernel sees WebAssembly memory only. So arrays pass through a stage, block by block: copied in, worked on, copied out. Blocks
 * stay in the cache, where a copy costs less than the work (about 50 GB/s each way). Kernels are synchronous and never
 * call each other in the middle of a block: one stage is enough for all.
 */
import { instantiate } from './instantiate.js'

/** A kernel, and the memory that it works on. */
export interface Staged<Exports> {
  readonly kernel: Exports
  /** All of the memory: {@link STAGE_BYTES} bytes, of which address 0 is the first. */
  readonly bytes: Uint8Array
}

/** Size of the stage: a whole number of pages of 64 KiB. */
export const STAGE_BYTES = 4 * 65536

/** Loads a kernel that works on the stage; null where that is not possible (see {@link instantiate}). */
export function loadStaged<Exports>(base64: string): Staged<Exports> | null {
  const memory = LITTLE_ENDIAN ? makeMemory() : null
  const kernel = memory === null ? null : instantiate<Exports>(base64, memory)
  return memory === null || kernel === null ? null : { kernel, bytes: new Uint8Array(memory.buffer) }
}

/** WebAssembly memory is little-endian on every machine, views of it are not: on others, numbers would have to be turned round. */
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

let shared: WebAssembly.Memory | null | undefined

function makeMemory(): WebAssembly.Memory | null {
  if (shared !== undefined) return shared
  try {
    shared = new WebAssembly.Memory({ initial: STAGE_BYTES / 65536, maximum: STAGE_BYTES / 65536 })
  } catch {
    shared = null
  }
  return shared
}
