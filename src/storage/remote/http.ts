/** One HTTP exchange, as those who read objects see it. No retry, no opinion about the reply: that is the caller's. */

/** What is sent. Only requests without a body: they may be sent again. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD'
  /** `https://host:port`, without a slash at the end. */
  readonly origin: string
  /** Path and query, encoded. */
  readonly path: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

/** Status and headers of a reply. Informational replies (1xx) are never shown. */
export interface ReplyHead {
  readonly status: number
  /** The value of a header by its name in lower case. Values of a repeated header are joined by a comma. */
  header(name: string): string | undefined
}

/** Where the body of a reply goes. */
export interface BodyTarget {
  readonly into: Uint8Array
  /** What to do with bytes beyond `into`: refuse the reply as {@link TransportFailure} `overrun`, or drop them (for bodies that say what went wrong). */
  readonly beyond: 'refuse' | 'drop'
}

/** One attempt. The transport calls `begin`, and keeps `received` up to date; after it has settled it touches neither this nor the target. */
export interface Exchange {
  readonly request: HttpRequest
  /** Called once, when the head of the reply is there. What it throws ends the attempt, and is what `send` rejects with. */
  begin(reply: ReplyHead): BodyTarget
  /** Bytes of the body that were written to the target, from its beginning. */
  received: number
  /** True while the transport has no connection for it: that is not the fault of the peer, so clocks that watch it stand still. */
  queued?: boolean
}

/** How long to wait, in milliseconds. Waiting for headers and bytes is watched by the caller, through the signal. */
export interface SendOptions {
  readonly signal: AbortSignal
  /** Do not use a connection that was used before: after a failure it may be the connection that is at fault. */
  readonly fresh?: boolean | undefined
}

export interface Transport {
  /**
   * Resolves when the body ended as its framing (Content-Length, chunks, or the end of the connection) said.
   * @throws TransportFailure, what `begin` threw, or the reason of the signal; the connection is gone by then.
   */
  send(exchange: Exchange, options: SendOptions): Promise<void>
  /** Ends all connections; what is under way fails. Resolves when no socket is left. */
  close(): Promise<void>
}

/** Where an exchange broke. */
export type TransportPhase =
  /** No connection: refused, no such host, TLS. */
  | 'connect'
  /** The connection ended before the head of a reply. `reused` tells whether it had served before. */
  | 'headers'
  /** It ended in the middle of the body. */
  | 'body'
  /** More bytes than fit. */
  | 'overrun'
  /** What came is not HTTP. */
  | 'protocol'
  /** The transport was closed. */
  | 'closed'

/** Why `send` rejects when the network or the peer is to blame. Not a MillraceError: the caller knows the object and makes one. */
export interface TransportFailure extends Error {
  readonly name: 'TransportFailure'
  readonly phase: TransportPhase
  readonly reused: boolean
}

export function transportFailure(phase: TransportPhase, message: string, reused: boolean, cause?: unknown): TransportFailure {
  return Object.assign(new Error(message, { cause }), { name: 'TransportFailure' as const, phase, reused })
}

export function isTransportFailure(error: unknown): error is TransportFailure {
  return (error as { name?: unknown } | null | undefined)?.name === 'TransportFailure'
}
