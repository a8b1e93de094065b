import type { ObjectMeta } from '../../../src/store.js'
import { checkS3Options, type S3StoreOptions } from '../../../src/storage/s3/options.js'
import { s3Service, type S3Surroundings } from '../../../src/storage/s3/service.js'
import { remoteStore, type RemoteStore } from '../../../src/storage/remote/remote-store.js'

export const KEYS = { accessKeyId: 'test', secretAccessKey: 'testsecret' }

/** An S3 store whose surroundings a test chooses. */
export function storeWith(options: S3StoreOptions, surroundings: S3Surroundings = {}): RemoteStore {
  const { pool, ranges = { backoffBase: 1, throttleBase: 1 } } = options
  return remoteStore(s3Service(checkS3Options({ region: 'us-east-1', credentials: KEYS, ...options }, {}), surroundings), { pool, ranges })
}

export async function textOf(store: RemoteStore, uri: string): Promise<string> {
  return new TextDecoder().decode((await store.get(uri)).bytes)
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

export function patternOf(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 0x9e37) >>> 9
  return bytes
}

export async function listOf(listing: AsyncIterable<readonly ObjectMeta[]>): Promise<ObjectMeta[]> {
  const all: ObjectMeta[] = []
  for await (const page of listing) all.push(...page)
  return all
}

/** What a promise rejects with. */
export function failureOf(promise: Promise<unknown>): Promise<Error & { readonly kind?: string; readonly cause?: unknown; readonly status?: number; readonly uri?: string }> {
  return promise.then(() => { throw new Error('it succeeded') }, (error: Error) => error)
}

/** Everything that an error shows of itself, causes included. */
export function allOf(error: unknown): string {
  const seen: string[] = []
  for (let each = error; typeof each === 'object' && each !== null && seen.length < 20; each = (each as { cause?: unknown }).cause) {
    seen.push(String((each as Error).message), JSON.stringify(Object.getOwnPropertyNames(each).map(name => [name, (each as Record<string, unknown>)[name]]), (_, value: unknown) => (typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : value)))
  }
  return seen.join('\n')
}
