import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { seededFaults, startFaultProxy, type FaultProxy, type ProxyFault } from './fault-proxy.js'
import { startOrigin, type Origin } from './origin.js'
import { rawGet, type RawReply } from './raw-client.js'

let origin: Origin
let proxy: FaultProxy

beforeEach(async () => {
  origin = await startOrigin({ objects: { 'b/k': 100_000 } })
  proxy = await startFaultProxy(origin.port)
})
afterEach(async () => {
  await proxy.close()
  await origin.close()
  expect([proxy.connections.open, origin.connections.open]).toEqual([0, 0])
})

function get(fault?: ProxyFault): Promise<RawReply> {
  proxy.setPlan(() => fault)
  return rawGet(proxy.port, '/b/k')
}

test('passes every byte on, in both directions', async () => {
  expect(await get()).toMatchObject({ status: 200, body: Buffer.from(origin.bytes('b/k')), end: 'closed' })
  expect(origin.log[0]?.headers['host']).toBe(`127.0.0.1:${proxy.port}`)
})

test('ends connections before the server sees the request', async () => {
  expect(await get({ kind: 'rst0' })).toMatchObject({ status: 0, end: 'reset' })
  expect(await get({ kind: 'fin0' })).toMatchObject({ status: 0, end: 'closed' })
  expect(await get({ kind: 'blackhole' })).toMatchObject({ status: 0, end: 'silence' })
  proxy.refuse(true)
  expect(await get()).toMatchObject({ status: 0, end: 'reset' })
  expect(origin.log).toHaveLength(0)
})

test.each(['rst', 'fin', 'stall'] as const)('%s at a byte of the body', async (kind) => {
  const reply = await get({ kind, at: 50_000 })
  expect(reply.headers['content-length']).toBe('100000')
  expect(reply.body.equals(origin.bytes('b/k').subarray(0, 50_000))).toBe(true)
  expect(reply.end).toBe({ rst: 'reset', fin: 'closed', stall: 'silence' }[kind])
})

test('flips one bit', async () => {
  const { body } = await get({ kind: 'flip', at: 70_001 })
  expect([...body].flatMap((byte, i) => (byte === origin.bytes('b/k')[i] ? [] : [i]))).toEqual([70_001])
})

test('slows down', async () => {
  const start = performance.now()
  expect((await get({ kind: 'delay', by: 50 })).body).toHaveLength(100_000)
  expect(performance.now() - start).toBeGreaterThan(45)
  const again = performance.now()
  expect((await get({ kind: 'throttle', bytesPerSecond: 1_000_000 })).body).toHaveLength(100_000)
  expect(performance.now() - again).toBeGreaterThan(50)
})

test('closes connections that a client keeps', async () => {
  proxy.setPlan(() => ({ kind: 'dropIdle' }))
  expect(await rawGet(proxy.port, '/b/k', { headers: { connection: 'keep-alive' } })).toMatchObject({ status: 200, end: 'closed', body: Buffer.from(origin.bytes('b/k')) })
  proxy.setPlan(undefined)
  expect(await rawGet(proxy.port, '/b/k', { headers: { connection: 'keep-alive' } })).toMatchObject({ end: 'silence' })
})

test('asks its plan for each request, and keeps a log', async () => {
  proxy.setPlan((connection, request, total) => (connection + request + total === 2 ? { kind: 'rst0' } : undefined))
  await rawGet(proxy.port, '/b/k')
  await rawGet(proxy.port, '/b/k')
  expect(proxy.log).toEqual([{ connection: 0, request: 0, fault: undefined }, { connection: 1, request: 0, fault: { kind: 'rst0' } }])
})

test('a schedule is the same for the same seed, and has its share of faults', () => {
  const kinds = [() => 'a', (random: () => number) => `b${random()}`]
  const draw = (seed: number): (string | undefined)[] => Array.from({ length: 1000 }, seededFaults(seed, 0.4, kinds))
  expect(draw(1)).toEqual(draw(1))
  expect(draw(1)).not.toEqual(draw(2))
  const faults = draw(3).filter((one) => one !== undefined)
  expect(faults.length).toBeGreaterThan(350)
  expect(faults.length).toBeLessThan(450)
  expect(faults.filter((one) => one === 'a').length).toBeGreaterThan(150)
})
