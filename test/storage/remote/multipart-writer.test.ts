import { describe, expect, test } from '@jest/globals'
import type { ObjectMeta, ObjectWriter } from '../../../src/store.js'
import { multipartWriter, type UploadService } from '../../../src/storage/remote/multipart-writer.js'

const URI = 's3://b/o'
const MiB = 1 << 20

interface Gate { readonly promise: Promise<void>; open(error?: Error): void }

/** A service in memory that keeps what is under way where a test can see it. */
class Service implements UploadService<string> {
  readonly maxParts: number | undefined
  readonly object: Promise<Uint8Array>
  readonly log: string[] = []
  readonly buffers = new Set<ArrayBufferLike>()
  readonly parts = new Map<number, Uint8Array>()
  underWay = 0
  most = 0
  /** What becomes of a part; it is done at once where this says nothing. */
  onPart: (number: number, signal: AbortSignal) => Promise<void> | undefined = () => undefined
  onAbort: () => Promise<void> = async () => undefined
  onComplete: (signal: AbortSignal) => Promise<void> = async () => undefined
  onBegin: () => Promise<void> = async () => undefined
  #done: (bytes: Uint8Array) => void = () => undefined

  constructor(readonly partSize: number, readonly concurrency: number, maxParts?: number) {
    this.maxParts = maxParts
    this.object = new Promise(resolve => { this.#done = resolve })
  }

  async put(bytes: Uint8Array): Promise<ObjectMeta> {
    this.log.push(`put ${bytes.byteLength}`)
    this.#done(bytes.slice())
    return { uri: URI, size: bytes.byteLength, version: '1' }
  }

  async begin(): ReturnType<UploadService<string>['begin']> {
    this.log.push('begin')
    await this.onBegin()
    return {
      part: async (number, bytes, signal) => {
        this.buffers.add(bytes.buffer)
        this.most = Math.max(this.most, ++this.underWay)
        try {
          await this.onPart(number, signal)
          signal.throwIfAborted()
          this.parts.set(number, bytes.slice())
          this.log.push(`part ${number} ${bytes.byteLength}`)
          return `tag ${number}`
        } finally {
          this.underWay--
        }
      },
      complete: async (tags, signal) => {
        await this.onComplete(signal)
        this.log.push('complete')
        expect(tags).toEqual(tags.map((_, i) => `tag ${i + 1}`))
        const pieces = tags.map((_, i) => this.parts.get(i + 1) as Uint8Array)
        this.#done(Buffer.concat(pieces))
        return { uri: URI, size: pieces.reduce((sum, piece) => sum + piece.byteLength, 0), version: '2' }
      },
      abort: async () => {
        this.log.push(`abort with ${this.underWay} under way`)
        await this.onAbort()
      }
    }
  }
}

function gate(): Gate {
  let settle: Gate['open'] = () => undefined
  const promise = new Promise<void>((resolve, reject) => { settle = error => (error === undefined ? resolve() : reject(error)) })
  promise.catch(() => undefined)
  return { promise, open: settle }
}

const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7919) >>> 3)
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
const failureOf = (promise: Promise<unknown>): Promise<Error> => promise.then(() => { throw new Error('it succeeded') }, (error: Error) => error)

async function write(writer: ObjectWriter, bytes: Uint8Array, piece: number): Promise<void> {
  const scratch = new Uint8Array(piece)
  for (let at = 0; at < bytes.byteLength; at += piece) {
    const part = bytes.subarray(at, at + piece)
    scratch.set(part)
    await writer.write(scratch.subarray(0, part.byteLength))
    scratch.fill(0xee)
  }
}

describe('what fits into one part', () => {
  test.each([0, 1, 999, 1000])('is one put: %d bytes of 1000', async length => {
    const service = new Service(1000, 2)
    const writer = multipartWriter(URI, service, undefined)
    await write(writer, bytesOf(length), 64)
    expect(await writer.finalize()).toEqual({ uri: URI, size: length, version: '1' })
    expect(service.log).toEqual([`put ${length}`])
    expect(Buffer.compare(await service.object, bytesOf(length))).toBe(0)
  })

  test('needs no memory for a whole part', async () => {
    let held = 0
    const service = new Service(64 * MiB, 2)
    service.put = async bytes => {
      held = bytes.buffer.byteLength
      return { uri: URI, size: bytes.byteLength, version: '1' }
    }
    const writer = multipartWriter(URI, service, undefined)
    await writer.write(bytesOf(10))
    await writer.finalize()
    expect(held).toBeLessThan(MiB)
  })
})

describe('what does not', () => {
  test.each([[1001, 64], [2000, 1000], [2000, 5000], [12_345, 1], [12_345, 333], [9999, 9999], [10_000, 4096]])('is an upload of equal parts: %d bytes, written %d at a time', async (length, piece) => {
    const service = new Service(1000, 3)
    const writer = multipartWriter(URI, service, undefined)
    await write(writer, bytesOf(length), piece)
    expect(await writer.finalize()).toEqual({ uri: URI, size: length, version: '2' })
    const sizes = [...service.parts.entries()].sort(([a], [b]) => a - b).map(([, part]) => part.byteLength)
    expect(sizes).toEqual([...Array<number>(Math.ceil(length / 1000) - 1).fill(1000), length - (Math.ceil(length / 1000) - 1) * 1000])
    expect(service.log[0]).toBe('begin')
    expect(service.log.at(-1)).toBe('complete')
    expect(Buffer.compare(await service.object, bytesOf(length))).toBe(0)
  })

  test('goes up with so many parts at once, in so many buffers, which are used again', async () => {
    const service = new Service(1000, 3)
    const gates = Array.from({ length: 40 }, gate)
    service.onPart = number => gates[number - 1]?.promise
    const writer = multipartWriter(URI, service, undefined)
    let written = 0
    const writing = (async () => {
      for (let i = 0; i < 40; i++) {
        await writer.write(bytesOf(1000))
        written++
      }
    })()
    for (let i = 0; i < 20; i++) await turn()
    expect(service.underWay).toBe(3)
    expect(written).toBe(4) // three under way, and one gathered
    for (const each of gates) {
      each.open()
      await turn()
    }
    await writing
    await writer.finalize()
    expect(service.most).toBe(3)
    expect(service.buffers.size).toBeLessThanOrEqual(4)
  })

  test('has larger parts from the middle of the allowed number on, and fails where even they do not do', async () => {
    const service = new Service(10, 1, 80)
    const writer = multipartWriter(URI, service, undefined)
    const full = 40 * 10 + 2 * Array.from({ length: 20 }, (_, i) => 10 * 2 ** (i + 1)).reduce((a, b) => a + b)
    const chunk = new Uint8Array(1 << 16)
    let written = 0
    while (written + chunk.byteLength <= 3_000_000) {
      await writer.write(chunk)
      written += chunk.byteLength
    }
    await writer.finalize()
    const sizes = [...service.parts.entries()].sort(([a], [b]) => a - b).map(([, part]) => part.byteLength)
    expect(new Set(sizes.slice(0, 40))).toEqual(new Set([10]))
    expect(sizes.slice(40, 46)).toEqual([20, 20, 40, 40, 80, 80])
    expect(written).toBeLessThan(full)

    const small = multipartWriter(URI, new Service(LARGE, 1, 2), undefined)
    const error = await failureOf((async () => { for (let i = 0; i < 9; i++) await small.write(new Uint8Array(LARGE)) })())
    expect(error).toMatchObject({ kind: 'Limit', uri: URI })
    expect(error.message).toMatch(/partSize/)
  })
})
const LARGE = 1 << 16

describe('an abort', () => {
  test('calls parts off, waits for them, and then aborts the upload', async () => {
    const service = new Service(1000, 2)
    const late = gate()
    let told = false
    service.onPart = (_, signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => {
      told = true
      late.promise.finally(() => reject(signal.reason as Error)).catch(() => undefined)
    }))
    const writer = multipartWriter(URI, service, undefined)
    await writer.write(bytesOf(2500))
    let ended = false
    const aborting = writer.abort().then(() => { ended = true })
    await turn()
    expect([told, ended, service.log]).toEqual([true, false, ['begin']])
    late.open()
    await aborting
    expect(service.log).toEqual(['begin', 'abort with 0 under way'])
    await writer.abort()
    expect(await failureOf(writer.write(bytesOf(1)))).toMatchObject({ kind: 'Closed' })
    expect(await failureOf(writer.finalize())).toMatchObject({ kind: 'Closed' })
    expect(service.log).toHaveLength(2)
  })

  test('ends a write that waits', async () => {
    const service = new Service(1000, 1)
    service.onPart = (_, signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    const writer = multipartWriter(URI, service, undefined)
    const waiting = failureOf(writer.write(bytesOf(5000)))
    await turn()
    await writer.abort()
    expect(await waiting).toMatchObject({ kind: 'Closed' })
    expect(service.log).toEqual(['begin', 'abort with 0 under way'])
  })

  test('waits for an upload that is being begun, so that it is not left', async () => {
    const service = new Service(1000, 1)
    const beginning = gate()
    service.onBegin = () => beginning.promise
    const writer = multipartWriter(URI, service, undefined)
    await writer.write(bytesOf(1500))
    const aborting = writer.abort()
    await turn()
    beginning.open()
    await aborting
    expect(service.log).toEqual(['begin', 'abort with 0 under way'])
  })

  test('that fails says so, and can be repeated', async () => {
    const service = new Service(1000, 1)
    let failures = 1
    service.onAbort = async () => { if (failures-- > 0) throw new Error('no network') }
    const writer = multipartWriter(URI, service, undefined)
    await writer.write(bytesOf(1500))
    expect((await failureOf(writer.abort())).message).toBe('no network')
    await writer.abort()
    expect(service.log.filter(line => line.startsWith('abort'))).toHaveLength(2)
  })

  test('of something small needs no request, and after finalize does nothing', async () => {
    const small = new Service(1000, 1)
    const writer = multipartWriter(URI, small, undefined)
    await writer.write(bytesOf(10))
    await writer.abort()
    expect(small.log).toEqual([])
    const service = new Service(1000, 1)
    const done = multipartWriter(URI, service, undefined)
    await done.write(bytesOf(1500))
    await done.finalize()
    await done.abort()
    expect(service.log.at(-1)).toBe('complete')
    expect(await failureOf(done.finalize())).toMatchObject({ kind: 'Closed' })
  })
})

describe('a failure', () => {
  test('of a part ends the others, aborts the upload, and is told by what comes next', async () => {
    const service = new Service(1000, 3)
    service.onPart = (number, signal) => number === 2
      ? Promise.reject(new Error('part two'))
      : new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    const writer = multipartWriter(URI, service, undefined)
    const error = await failureOf((async () => {
      for (let i = 0; i < 10; i++) await writer.write(bytesOf(1000))
    })())
    expect(error.message).toBe('part two')
    expect(service.log).toEqual(['begin', 'abort with 0 under way'])
    expect((await failureOf(writer.finalize())).message).toBe('part two')
    await writer.abort()
    expect(service.log).toHaveLength(2)
  })

  test('of the last part, of complete and of begin fails finalize, and nothing is left', async () => {
    const lastPart = new Service(1000, 2)
    lastPart.onPart = number => (number === 3 ? Promise.reject(new Error('the last part')) : undefined)
    const complete = new Service(1000, 2)
    complete.onComplete = () => Promise.reject(new Error('complete'))
    const begin = new Service(1000, 2)
    begin.onBegin = () => Promise.reject(new Error('begin'))
    for (const [service, message, log] of [[lastPart, 'the last part', 'abort'], [complete, 'complete', 'abort'], [begin, 'begin', 'begin']] as const) {
      const writer = multipartWriter(URI, service, undefined)
      const error = await failureOf((async () => {
        await writer.write(bytesOf(2500))
        await writer.finalize()
      })())
      expect(error.message).toBe(message)
      expect(service.log.at(-1)).toMatch(log)
      await writer.abort()
    }
  })
})

describe('an aborted signal', () => {
  test('is told at once, with its own reason, and abort waits until nothing is left', async () => {
    const service = new Service(1000, 2)
    const late = gate()
    service.onPart = (_, signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => {
      late.promise.finally(() => reject(signal.reason as Error)).catch(() => undefined)
    }))
    const controller = new AbortController()
    const reason = new Error('stop')
    const writer = multipartWriter(URI, service, controller.signal)
    const waiting = failureOf(writer.write(bytesOf(9000)))
    await turn()
    controller.abort(reason)
    expect(await waiting).toBe(reason)
    expect(await failureOf(writer.write(bytesOf(1)))).toBe(reason)
    expect(await failureOf(writer.finalize())).toBe(reason)
    expect(service.log).toEqual(['begin'])
    late.open()
    await writer.abort()
    expect(service.log).toEqual(['begin', 'abort with 0 under way'])
  })

  test('that comes while the upload is completed waits for that before it aborts it', async () => {
    const service = new Service(1000, 2)
    const completing = gate()
    service.onComplete = () => completing.promise
    const controller = new AbortController()
    const reason = new Error('stop')
    const writer = multipartWriter(URI, service, controller.signal)
    await writer.write(bytesOf(1500))
    const finalizing = failureOf(writer.finalize())
    for (let i = 0; i < 5; i++) await turn()
    controller.abort(reason)
    expect(await finalizing).toBe(reason)
    expect(service.log.at(-1)).toBe('part 2 500')
    completing.open(new Error('ended'))
    await writer.abort()
    expect(service.log.at(-1)).toBe('abort with 0 under way')
  })

  test('is not listened to any more when all is done', async () => {
    const service = new Service(1000, 2)
    const controller = new AbortController()
    const writer = multipartWriter(URI, service, controller.signal)
    await writer.write(bytesOf(1500))
    await writer.finalize()
    controller.abort()
    await turn()
    expect(service.log.at(-1)).toBe('complete')
  })
})
