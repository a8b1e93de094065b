import { createCipheriv } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { tfrecord, type TfrecordOptions } from '../../../formats/tfrecord/index.js'
import type { ByteSource, FormatContext, FormatReader, Json, ObjectWriter } from '../../../src/format.js'

/** Bytes in memory that count what is asked of them. */
export interface MemorySource extends ByteSource {
  readonly ranges: (readonly [offset: number, byteLength: number])[]
  underWay: number
  mostUnderWay: number
  /** When set, reads wait for it (or for an abort). */
  gate: Promise<void> | undefined
  /** When set, the read of that ordinal fails with it. */
  failure: { readonly read: number; readonly error: Error } | undefined
}

export function memorySource(bytes: Uint8Array, uri = 'mem://bucket/file'): MemorySource {
  const source: MemorySource = {
    uri,
    byteLength: bytes.length,
    version: '1',
    ranges: [],
    underWay: 0,
    mostUnderWay: 0,
    gate: undefined,
    failure: undefined,
    async read(offset, into, { signal } = {}) {
      const end = offset + into.length
      if (offset < 0 || end > bytes.length) throw new RangeError(`read of [${offset}, ${end}) of ${bytes.length}`)
      const ordinal = source.ranges.push([offset, into.length]) - 1
      signal?.throwIfAborted()
      source.mostUnderWay = Math.max(source.mostUnderWay, ++source.underWay)
      try {
        await (source.gate === undefined ? undefined : Promise.race([source.gate, aborted(signal)]))
        signal?.throwIfAborted()
        if (source.failure?.read === ordinal) throw source.failure.error
        into.set(bytes.subarray(offset, offset + into.length))
      } finally {
        // An aborted request takes its time to end.
        if (signal?.aborted === true) await turns(50)
        source.underWay--
      }
    },
    async close() {}
  }
  return source
}

/** A reader of a file that has nothing beside it. */
export const open = async (source: ByteSource, options: TfrecordOptions, signal?: AbortSignal): Promise<FormatReader<Uint8Array>> =>
  (await tfrecord.open(source, options, alone(signal))) as FormatReader<Uint8Array>

/** The context of a file that has nothing beside it. */
export const alone = (signal: AbortSignal = new AbortController().signal): FormatContext => ({ signal, beside: async () => null })

/** Lets everything else that is ready go first, `count` times. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve()
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }))
}

/** What reading a file to its end or to an error gave. */
export interface Outcome {
  readonly records: Uint8Array[]
  /** The position behind each chunk, and how many records there were up to it. */
  readonly positions: (readonly [next: Json, count: number])[]
  readonly error: unknown
}

export interface ReadAll extends TfrecordOptions {
  readonly from?: Json
  readonly transient?: boolean
}

/** Reads everything; records are copied, so that buffers may be reused. */
export async function readAll(source: ByteSource, { from, transient, ...options }: ReadAll = {}): Promise<Outcome> {
  const records: Uint8Array[] = []
  const positions: [Json, number][] = []
  const { signal } = new AbortController()
  try {
    const reader = await open(source, options, signal)
    for await (const { elements, next } of reader.read(0, { from, signal, transient })) {
      if (elements.length === 0) throw new Error('an empty chunk')
      for (const element of elements) records.push(element.slice())
      positions.push([next, records.length])
    }
    return { records, positions, error: undefined }
  } catch (error) {
    return { records, positions, error }
  }
}

export function fixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`../../fixtures/tfrecord/${name}`, import.meta.url)))
}

export function fixtureJson<T>(name: string): T {
  return JSON.parse(new TextDecoder().decode(fixture(name))) as T
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

export const hex = (records: readonly Uint8Array[]): string[] => records.map((record) => Buffer.from(record).toString('hex'))

/** Seeded bytes that no compression makes smaller, at the speed of the cipher. */
export function pseudoRandom(length: number, seed: number): Uint8Array {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16))
  return new Uint8Array(cipher.update(new Uint8Array(length)))
}

/** Numbers below `n`, seeded. */
export function generator(seed: number): (n: number) => number {
  let state = seed >>> 0
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
}

/** An object writer into memory that counts. */
export interface MemoryWriter extends ObjectWriter {
  readonly writes: Uint8Array[]
  state: 'open' | 'finalized' | 'aborted'
  /** Ordinal of the write that fails. */
  failAt: number
  mostUnderWay: number
}

export function memoryWriter(): MemoryWriter {
  let underWay = 0
  const writer: MemoryWriter = {
    writes: [],
    state: 'open',
    failAt: -1,
    mostUnderWay: 0,
    async write(bytes: Uint8Array) {
      writer.mostUnderWay = Math.max(writer.mostUnderWay, ++underWay)
      await turns(50)
      if (writer.writes.length === writer.failAt) {
        underWay--
        throw new Error('the disk is full')
      }
      writer.writes.push(bytes.slice())
      underWay--
    },
    async finalize() {
      writer.state = 'finalized'
      return { uri: 'mem://bucket/written', size: writer.writes.reduce((sum, part) => sum + part.length, 0), version: '1' }
    },
    async abort() {
      writer.state = 'aborted'
    }
  }
  return writer
}
