import { createHash } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { rangeMd5Transport } from '../../../src/storage/azure/range-md5.js'
import { isTransportFailure, transportFailure, type Exchange, type Transport } from '../../../src/storage/remote/http.js'

const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('base64')
const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i * 7)
const options = { signal: new AbortController().signal }

interface Script { readonly status?: number; readonly sent?: Uint8Array; readonly told?: string | undefined; readonly breaks?: boolean }

/** A transport that answers as the script says. */
function scripted({ status = 206, sent = bytes, told = md5(bytes), breaks = false }: Script): Transport & { closed: boolean } {
  return {
    closed: false,
    async send(exchange) {
      exchange.queued = true
      exchange.queued = false
      const { into } = exchange.begin({ status, header: name => (name === 'content-md5' ? told : undefined) })
      into.set(sent)
      exchange.received = sent.length
      if (breaks) throw transportFailure('body', 'it broke', false)
    },
    async close() { this.closed = true }
  }
}

function exchangeOf(asks = true): Exchange & { readonly into: Uint8Array } {
  const into = new Uint8Array(bytes.length)
  return {
    into,
    request: { method: 'GET', origin: 'http://x', path: '/', headers: asks ? { 'x-ms-range-get-content-md5': 'true' } : {} },
    begin: () => ({ into, beyond: 'refuse' }),
    received: 0
  }
}

async function outcome(script: Script, asks = true): Promise<{ received: number; failed: string | undefined }> {
  const exchange = exchangeOf(asks)
  const [result] = await Promise.allSettled([rangeMd5Transport(scripted(script), md5).send(exchange, options)])
  const failed = result.status === 'fulfilled' ? undefined : isTransportFailure(result.reason) ? result.reason.phase : String(result.reason)
  return { received: exchange.received, failed }
}

describe('ranges with an MD5', () => {
  test('are taken when it is right', async () => {
    expect(await outcome({})).toEqual({ received: 1000, failed: undefined })
  })

  test('are not received when one bit is another', async () => {
    for (const at of [0, 500, 999]) {
      const flipped = bytes.slice()
      flipped[at] = (flipped[at] ?? 0) ^ 4
      expect(await outcome({ sent: flipped })).toEqual({ received: 0, failed: 'body' })
    }
  })

  test('are not received when they end too soon, since nothing is known of what came', async () => {
    expect(await outcome({ sent: bytes.subarray(0, 600), breaks: true })).toEqual({ received: 0, failed: 'body' })
    expect(await outcome({ sent: bytes.subarray(0, 600) })).toEqual({ received: 0, failed: 'body' })
  })

  test('are refused when the service sent none', async () => {
    const transport: Transport = { ...scripted({}), send: exchange => {
      exchange.begin({ status: 206, header: () => undefined })
      exchange.received = 1000
      return Promise.resolve()
    } }
    const exchange = exchangeOf()
    await expect(rangeMd5Transport(transport, md5).send(exchange, options)).rejects.toMatchObject({ phase: 'protocol' })
    expect(exchange.received).toBe(0)
  })

  test('leave other replies, and requests that did not ask, as they are', async () => {
    expect(await outcome({ status: 404, told: 'x' })).toEqual({ received: 1000, failed: undefined })
    expect(await outcome({ status: 200, told: 'x' })).toEqual({ received: 1000, failed: undefined })
    expect(await outcome({ told: 'x' }, false)).toEqual({ received: 1000, failed: undefined })
  })

  test('close what is behind', async () => {
    const inner = scripted({})
    await rangeMd5Transport(inner, md5).close()
    expect(inner.closed).toBe(true)
  })
})
