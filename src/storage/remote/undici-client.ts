import { MillraceError, messageOf } from '../../errors.js'

/** The part of undici that is used, from version 7 on; version 8 has the same. */
export interface Undici {
  readonly Client: new (origin: string, options: Readonly<Record<string, unknown>>) => UndiciClient
  readonly buildConnector: (options: Readonly<Record<string, unknown>>) => Connector
}

/** One connection, and the requests that wait for it. */
export interface UndiciClient {
  dispatch(request: object, handler: DispatchHandler): boolean
  destroy(reason?: Error | null): Promise<void>
  on(event: 'connect' | 'disconnect' | 'connectionError' | 'error', listener: () => void): this
}

/** What undici calls while it works on a request. */
export interface DispatchHandler {
  onRequestStart(controller: DispatchController): void
  onResponseStart(controller: DispatchController, status: number, headers: ResponseHeaders): void
  onResponseData(controller: DispatchController, chunk: Uint8Array): void
  onResponseEnd(controller: DispatchController): void
  onResponseError(controller: DispatchController | null, error: unknown): void
}

export interface DispatchController {
  abort(reason: unknown): void
}

export type ResponseHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

export type Connected = (error: Error | null, socket: Socket | null) => void
/** Begins to connect. It returns the socket at once, which undici's types do not tell. */
export type Connector = (target: object, connected: Connected) => Socket | undefined

/** A socket of node:net or node:tls. */
export interface Socket {
  readonly destroyed: boolean
  destroy(error?: Error): unknown
  once(event: 'close', listener: () => void): unknown
}

const RANGE = '>=7.0.0'

/** Loads undici. @throws MillraceError `MissingPackage` that says what to install. */
export async function loadUndici(): Promise<Undici> {
  try {
    // One cast at the border: the types above are those of undici, cut down to what is used.
    return await import('undici') as unknown as Undici
  } catch (error) {
    throw new MillraceError('MissingPackage',
      `undici is needed to read over HTTP, and could not be loaded (${messageOf(error)}): npm install "undici@${RANGE}"`, { cause: error })
  }
}
