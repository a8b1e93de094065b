/** The environment variables of the process, where there is one. */
export function environment(): Readonly<Record<string, string | undefined>> {
  return (globalThis.process as { env?: Record<string, string | undefined> } | undefined)?.env ?? {}
}
