import { MillraceError, messageOf } from '../../errors.js'

/** The part of undici that is used, from version 7 on. */
export interface Undici {
  readonly Agent: new (options: Readonly<Record<string, unknown>>) => { destroy(): Promise<void> }
  request(url: string, options: Readonly<Record<string, unknown>>): Promise<{
    readonly statusCode: number
    readonly headers: Readonly<Record<string, string | string[] | undefined>>
    readonly body: { text(): Promise<string> }
  }>
}

/** Loads undici. @throws MillraceError `MissingPackage` that says what to install. */
export async function loadUndici(): Promise<Undici> {
  try {
    // One cast at the border: the types above are those of undici, cut down to what is used.
    return await import('undici') as unknown as Undici
  } catch (cause) {
    throw new MillraceError('MissingPackage',
      `gs://: everything but reading needs undici, which could not be loaded (${messageOf(cause)}): npm install "undici@>=7.0.0"`, { cause })
  }
}
