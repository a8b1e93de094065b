import { describe, expect, test } from '@jest/globals'
import { hedged, type Hedge } from '../../../src/storage/layers/hedge.js'
import { transportFailure, type Exchange, type HttpRequest, type ReplyHead, type SendOptions, type Transport } from '../../../src/storage/remote/http.js'
import { seededRandom } from '../../servers/seeded.js'
import { virtualTime, type VirtualTime } from './virtual-time.js'

const CONFIG = { hedge: true, hedgeQuantile: 0.95, hedgeBudget: 1 }
const REQUEST: HttpRequest = { method: 'GET', origin: 'http://h', path: '/x', headers: {} }

/** What the origin does with a request: milliseconds to the head, and to the end of the body. */
interface Reply {
  readonly head?: number
  readonly body?: number
  readonly status?: number
  readonly fails?: 'head' | 'body'
  readonly byte?: number
}

interface Scripted extends Transport {
  readonly sent: { readonly options: SendOptions; ended: boolean; aborted: boolean }[]
}

function scripted(time: VirtualTime, reply: (ordinal: number) => Reply): Scripted {
  const sent: Scripted['sent'] = []
  return {
    sent,
    async send(exchange, options) {
      const entry = { options, ended: false, aborted: false }
      const { head = 10, body = 5, status = 206, fails, byte = 1 } = reply(sent.push(entry) - 1)
      try {
        await time.sleep(head, options.signal)
        if (fails === 'head') throw transportFailure('headers', 'reset', false)
        const { into } = exchange.begin({ status, header: () => undefined })
        await time.sleep(body, options.signal)
        if (fails === 'body') throw transportFailure('body', 'reset', false)
        into.fill(byte)
        exchange.received = into.length
      } catch (error) {
        entry.aborted = options.signal.aborted
        throw error
      } finally {
        entry.ended = true
      }
    },
    close: async () => undefined
  }
}

interface Sent extends Exchange {
  readonly heads: ReplyHead[]
  readonly into: Uint8Array
}

function exchange(): Sent {
  const heads: ReplyHead[] = []
  const into = new Uint8Array(4)
  return { request: REQUEST, heads, into, received: 0, begin: (reply) => { heads.push(reply); return { into, beyond: 'refuse' } } }
}

const send = (transport: Transport, of: Exchange, signal: AbortSignal = new AbortController().signal): Promise<void> => transport.send(of, { signal })

/** 200 answers in 10 ms, after which the origin has a reputation. */
async function warm(transport: Transport, time: VirtualTime): Promise<void> {
  await time.until(Promise.all(Array.from({ length: 200 }, () => send(transport, exchange()))))
}

function make(reply: (ordinal: number) => Reply, config: Partial<typeof CONFIG> = {}): { time: VirtualTime; origin: Scripted; transport: Transport; hedges: Hedge[] } {
  const time = virtualTime()
  const hedges: Hedge[] = []
  const origin = scripted(time, ordinal => (ordinal < 200 ? {} : reply(ordinal - 200)))
  return { time, origin, hedges, transport: hedged(origin, { ...CONFIG, ...config }, time, hedge => hedges.push(hedge)) }
}

test('a request that waits for a connection is known to wait, which is not the fault of the peer, and is not sent twice', async () => {
  const time = virtualTime()
  let sends = 0
  const transport = hedged({
    async send(inner, { signal }) {
      inner.queued = sends++ === 200
      await time.sleep(inner.queued ? 1000 : 10, signal)
      inner.queued = false
      inner.begin({ status: 206, header: () => undefined })
    },
    close: async () => undefined
  }, CONFIG, time)
  const cold = exchange()
  await time.until(send(transport, cold))
  expect(cold.queued).toBe(false)
  await time.until(Promise.all(Array.from({ length: 199 }, () => send(transport, exchange()))))
  const sent: Exchange = exchange()
  const sending = send(transport, sent)
  expect(sent.queued).toBe(true)
  await time.until(sending)
  expect(sent.queued).toBe(false)
  expect(sends).toBe(201)
})

describe('a request whose answer is late', () => {
  test('is sent again over a fresh connection, and the first answer counts', async () => {
    const { time, origin, transport, hedges } = make(ordinal => (ordinal === 0 ? { head: 1000, byte: 1 } : { head: 10, byte: 2 }))
    await warm(transport, time)
    const before = time.now()
    const sent = exchange()
    await time.until(send(transport, sent))
    expect(time.now() - before).toBeLessThan(30)
    expect(sent.heads).toHaveLength(1)
    expect([...sent.into, sent.received]).toEqual([2, 2, 2, 2, 4])
    expect(origin.sent.slice(200).map(({ options, aborted }) => [options.fresh, aborted])).toEqual([[undefined, true], [true, false]])
    expect(hedges).toMatchObject([{ origin: 'http://h', won: true }])
    expect(hedges[0]?.after).toBeGreaterThan(9.5)
    expect(hedges[0]?.after).toBeLessThan(11)
  })

  test('the second one is ended when the first one is answered after all', async () => {
    const { time, origin, transport, hedges } = make(ordinal => (ordinal === 0 ? { head: 15, byte: 1 } : { head: 100, byte: 2 }))
    await warm(transport, time)
    const sent = exchange()
    await time.until(send(transport, sent))
    expect([...sent.into, sent.heads.length]).toEqual([1, 1, 1, 1, 1])
    expect(origin.sent.slice(200).map(({ ended, aborted }) => [ended, aborted])).toEqual([[true, false], [true, true]])
    expect(hedges).toMatchObject([{ won: false }])
  })

  test('is not sent again once there is an answer, however long its body takes', async () => {
    const { time, origin, transport } = make(() => ({ head: 9, body: 5000 }))
    await warm(transport, time)
    await time.until(send(transport, exchange()))
    expect(origin.sent).toHaveLength(201)
  })

  test('fails when the answer that counts breaks off', async () => {
    const { time, origin, transport } = make(ordinal => (ordinal === 0 ? { head: 1000 } : { fails: 'body' }))
    await warm(transport, time)
    const sent = exchange()
    await expect(time.until(send(transport, sent))).rejects.toMatchObject({ name: 'TransportFailure', phase: 'body' })
    expect([sent.heads.length, origin.sent.length]).toEqual([1, 202])
  })

  test('goes on with the other one when one breaks before its answer; fails as the first one did when both do', async () => {
    const first = make(ordinal => (ordinal === 0 ? { head: 30, fails: 'head' } : { head: 50, byte: 2 }))
    await warm(first.transport, first.time)
    const sent = exchange()
    await first.time.until(send(first.transport, sent))
    expect(sent.into[0]).toBe(2)

    const second = make(ordinal => (ordinal === 0 ? { head: 50, byte: 1 } : { head: 10, fails: 'head' }))
    await warm(second.transport, second.time)
    const other = exchange()
    await second.time.until(send(second.transport, other))
    expect(other.into[0]).toBe(1)

    const both = make(() => ({ head: 50, fails: 'head' }))
    await warm(both.transport, both.time)
    await expect(both.time.until(send(both.transport, exchange()))).rejects.toMatchObject({ phase: 'headers' })
    expect(both.origin.sent).toHaveLength(202)
  })

  test('a second one that is refused does not count while the first one may come', async () => {
    const { time, transport } = make(ordinal => (ordinal === 0 ? { head: 100, byte: 1 } : { status: 503 }))
    await warm(transport, time)
    const sent = exchange()
    await time.until(send(transport, sent))
    expect(sent.heads.map(({ status }) => status)).toEqual([206])

    const alone = make(ordinal => (ordinal === 0 ? { head: 15, fails: 'head' } : { head: 20, status: 500 }))
    await warm(alone.transport, alone.time)
    const only = exchange()
    await alone.time.until(send(alone.transport, only))
    expect(only.heads.map(({ status }) => status)).toEqual([500])
  })

  test('an abort ends both, and what begin throws ends the request', async () => {
    const { time, origin, transport } = make(() => ({ head: 1000 }))
    await warm(transport, time)
    const controller = new AbortController()
    const sending = send(transport, exchange(), controller.signal)
    await time.until(time.sleep(50))
    expect(origin.sent).toHaveLength(202)
    controller.abort(new Error('enough'))
    await expect(sending).rejects.toThrow('enough')
    await new Promise(resolve => setImmediate(resolve))
    expect(origin.sent.every(({ ended }) => ended)).toBe(true)

    const other = make(() => ({}))
    await warm(other.transport, other.time)
    await expect(other.time.until(send(other.transport, { request: REQUEST, received: 0, begin: () => { throw new Error('not mine') } }))).rejects.toThrow('not mine')
  })
})

describe('bounds', () => {
  test('nothing is sent twice before an origin has answered 200 times', async () => {
    const time = virtualTime()
    const origin = scripted(time, ordinal => ({ head: ordinal % 2 === 0 ? 10 : 1000 }))
    const transport = hedged(origin, CONFIG, time)
    for (let i = 0; i < 200; i++) await time.until(send(transport, exchange()))
    expect(origin.sent).toHaveLength(200)
    expect(hedged(origin, { ...CONFIG, hedge: false }, time)).toBe(origin)
  })

  test('no more than the budget, and no more than ten in a row', async () => {
    const { time, origin, transport, hedges } = make(() => ({ head: 1000 }), { hedgeBudget: 0.02 })
    await warm(transport, time) // earns four
    for (let i = 0; i < 1000; i++) await time.until(send(transport, exchange()))
    expect(hedges.length).toBeGreaterThan(0)
    expect(origin.sent.length - 1200).toBeLessThanOrEqual(24)

    const idle = make(ordinal => ({ head: ordinal < 2000 ? 10 : 1000 }), { hedgeBudget: 0.02 })
    await warm(idle.transport, idle.time)
    for (let i = 0; i < 2000; i++) await idle.time.until(send(idle.transport, exchange()))
    await idle.time.until(Promise.all(Array.from({ length: 40 }, () => send(idle.transport, exchange()))))
    expect(idle.origin.sent.length - 2240).toBe(10)
  })

  test('none for ten seconds after the origin asked to slow down', async () => {
    const { time, origin, transport } = make(ordinal => (ordinal === 0 ? { status: 429 } : { head: 1000 }))
    await warm(transport, time)
    await time.until(send(transport, exchange()))
    await time.until(send(transport, exchange()))
    expect(origin.sent).toHaveLength(202)
    await time.until(time.sleep(10_000))
    await time.until(send(transport, exchange()))
    expect(origin.sent).toHaveLength(204)
  })

  test('origins do not share their times', async () => {
    const { time, origin, transport } = make(() => ({ head: 1000 }))
    await warm(transport, time)
    await time.until(send(transport, { ...exchange(), request: { ...REQUEST, origin: 'http://other' } }))
    expect(origin.sent).toHaveLength(201)
  })

  test('stalls disappear from the tail for two percent more requests', async () => {
    const late = async (hedge: boolean): Promise<{ late: number; extra: number }> => {
      const random = seededRandom(4)
      const time = virtualTime()
      const origin = scripted(time, () => ({ head: random() < 0.005 ? 2000 : 15 + Math.floor(random() * 10) }))
      const transport = hedged(origin, { hedge, hedgeQuantile: 0.95, hedgeBudget: 0.02 }, time)
      let slow = 0
      for (let i = 0; i < 150; i++) {
        await time.until(Promise.all(Array.from({ length: 20 }, async () => {
          const start = time.now()
          await send(transport, exchange())
          if (time.now() - start > 500) slow++
        })))
      }
      return { late: slow, extra: origin.sent.length - 3000 }
    }
    const without = await late(false)
    const hedging = await late(true)
    expect(without.late).toBeGreaterThan(8)
    expect(hedging.late).toBeLessThan(without.late / 1.5)
    expect(hedging.extra).toBeLessThanOrEqual(60)
  })
})
