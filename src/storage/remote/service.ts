import type { ErrorKind } from '../../errors.js'
import type { MaybePromise } from '../../types.js'
import type {
  Containers, DeleteResult, DirectoryPage, ListOptions, ObjectMeta, ObjectStat, ObjectWriter, RequestOptions, StoreCapabilities, WriteOptions
} from '../../store.js'
import type { HttpRequest, ReplyHead, Transport } from './http.js'

/** An object of a service, taken apart. */
export interface RemoteName {
  /** Canonical, without secrets. */
  readonly uri: string
  /** Bucket, container, or host. */
  readonly container: string
  /** Exactly as the service has it: nothing decoded, nothing normalised. */
  readonly key: string
}

/** Which bytes are asked for. */
export interface RangeAsk {
  readonly first: number
  /** The last byte, included; absent for "to the end". Both absent: the object without a range. */
  readonly last: number | undefined
}

/** What a reply with an error means. */
export interface ServiceFault {
  readonly kind: ErrorKind
  /** The service's own code, such as `SlowDown`, and message. */
  readonly code: string
  readonly message: string
  /** What may help, in a sentence. */
  readonly hint?: string | undefined
  /** New credentials, or a corrected clock or region, may help: `refresh` is called once, then the request is made again. */
  readonly refresh?: boolean | undefined
  /** Whether the same request may succeed if it is made again. @default whether errors of the kind are retryable */
  readonly retryable?: boolean | undefined
}

/**
 * What reading objects needs to know of a service: how a request for bytes is written and signed, and what its replies mean. All
 * checks, retries and deadlines are in `validated-read.ts`, once for all services.
 */
export interface ReadService {
  readonly scheme: string
  /** The request for some bytes of a version (for any version if there is none). May wait for credentials. */
  request(name: RemoteName, range: RangeAsk | undefined, version: string | undefined, signal: AbortSignal): MaybePromise<HttpRequest>
  /** The version that a reply is of; nothing when the service does not say, or only weakly. */
  versionOf(reply: ReplyHead): string | undefined
  /** The header in which the service tells the version with all bytes of an object: a reply without it is not believed. */
  readonly versionHeader?: string | undefined
  /** Checksums of the whole object that a reply tells, in base64 as the service sends them. */
  checksumsOf(reply: ReplyHead): Readonly<Record<string, string>>
  /** Refuses replies whose bytes are not those of the object, such as bodies that are encoded on the way. */
  refuse?(reply: ReplyHead): string | undefined
  /** What a reply that is neither 200 nor 206 nor 416 means; `body` is its beginning, at most 64 KiB, as text. */
  faultOf(reply: ReplyHead, body: string): ServiceFault
  /** Called once per logical read after a fault with `refresh`. Concurrent calls share one refresh. */
  refresh?(fault: ServiceFault, reply: ReplyHead, name: RemoteName, signal: AbortSignal): Promise<void>
  /** What requests go through instead of the transport of the store; it is made of that, and has no connections of its own. */
  readonly transport?: Transport | undefined
}

/** Everything of a service but reading: through the official SDK, which retries by itself. Errors are MillraceErrors. */
export interface ServiceControl {
  stat(name: RemoteName, options: RequestOptions): Promise<ObjectStat>
  list(prefix: RemoteName, options: ListOptions): AsyncIterable<readonly ObjectMeta[]>
  listDirectory(prefix: RemoteName, options: RequestOptions): AsyncIterable<DirectoryPage>
  put(name: RemoteName, bytes: Uint8Array, options: WriteOptions): Promise<ObjectMeta>
  createWriter(name: RemoteName, options: WriteOptions): Promise<ObjectWriter>
  delete(name: RemoteName, options: RequestOptions): Promise<void>
  deleteMany(names: readonly RemoteName[], options: RequestOptions): Promise<readonly DeleteResult[]>
  copy(from: RemoteName, to: RemoteName, options: WriteOptions): Promise<ObjectMeta>
  readonly containers: Containers
  close(): Promise<void>
}

/** A service in full. `remote-store.ts` makes a store of it. */
export interface RemoteService {
  readonly scheme: string
  readonly capabilities: StoreCapabilities
  /** Takes a URI apart and checks it. Prefixes of listings may have an empty key. @throws MillraceError `InvalidUri` */
  locate(uri: string, operation: string, what: 'object' | 'prefix'): RemoteName
  /** Loads what is needed to read; `transport` is that of the store, for services that look at what goes through it. @throws MillraceError `MissingPackage` */
  reader(transport: Transport): MaybePromise<ReadService>
  /** Loads what is needed for the rest. Absent for services that can only be read. */
  readonly control?: (() => MaybePromise<ServiceControl>) | undefined
  /** For services without `control` that can tell of one object all the same. */
  readonly stat?: ((name: RemoteName, options: RequestOptions, transport: Transport) => Promise<ObjectStat>) | undefined
}
