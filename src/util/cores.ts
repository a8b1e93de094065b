/** Threads that this process may run at the same time, at least 1. */
export function coreCount(): number {
  const host = globalThis.process as { getBuiltinModule?: (name: string) => unknown } | undefined // without an import: this is loaded anywhere
  const os = host?.getBuiltinModule?.('node:os') as { availableParallelism?: () => number } | undefined
  const hardware = (globalThis.navigator as { hardwareConcurrency?: number } | undefined)?.hardwareConcurrency
  return Math.max(1, os?.availableParallelism?.() ?? hardware ?? 1)
}
