import { transportFailure, type BodyTarget, type Exchange, type ReplyHead, type Transport } from '../remote/http.js'
import { RANGE_MD5 } from './reader.js'

/**
 * Compares what arrives with the MD5 that the service sends of a range, where it was asked to. What differs, or was cut off before it
 * could be compared, counts as not received: it is asked for again.
 */
export function rangeMd5Transport(inner: Transport, md5: (bytes: Uint8Array) => string): Transport {
  return {
    async send(exchange, options) {
      if (exchange.request.headers[RANGE_MD5] === undefined) return inner.send(exchange, options)
      let told: string | undefined
      let target: BodyTarget | undefined
      const watched = watch(exchange, (reply, begun) => {
        if (reply.status !== 206) return
        told = reply.header('content-md5')
        target = begun
      })
      try {
        await inner.send(watched, options)
      } catch (error) {
        if (target !== undefined) exchange.received = 0
        throw error
      }
      if (target === undefined) return
      if (told === undefined) {
        exchange.received = 0
        throw transportFailure('protocol', 'the service sent no MD5 of the range, which it was asked for', false)
      }
      if (md5(target.into.subarray(0, exchange.received)) !== told) {
        exchange.received = 0
        throw transportFailure('body', 'the bytes do not have the MD5 that the service sent with them', false)
      }
    },
    close: () => inner.close()
  }
}

/** The same exchange, with somebody who looks on when it begins. */
function watch(exchange: Exchange, begun: (reply: ReplyHead, target: BodyTarget) => void): Exchange {
  return {
    request: exchange.request,
    begin(reply) {
      const target = exchange.begin(reply)
      begun(reply, target)
      return target
    },
    get received() { return exchange.received },
    set received(count) { exchange.received = count },
    get queued() { return exchange.queued === true },
    set queued(waits) { exchange.queued = waits }
  }
}
