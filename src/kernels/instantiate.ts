/**
 * Compiles a kernel from the base64 in which it is embedded.
 */

/**
 * Returns what a WebAssembly module exports, or null where there is no WebAssembly, no SIMD in it, or no permission to compile it
 * (a content security policy without `'wasm-unsafe-eval'`).
 *
 * Synchronous, because kernels are called by synchronous code. Browsers compile synchronously only what is small (4 KiB in some).
 *
 * @typeParam Exports What the module exports, as its source says: the module is ours, and tests run it.
 * @param memory What the module imports as its memory, when it has none of its own.
 */
export function instantiate<Exports>(base64: string, memory?: WebAssembly.Memory): Exports | null {
  try {
    const wasm = Uint8Array.from(atob(base64), char => char.charCodeAt(0))
    const imports = memory === undefined ? undefined : { env: { memory } }
    return new WebAssembly.Instance(new WebAssembly.Module(wasm), imports).exports as unknown as Exports
  } catch {
    return null
  }
}
