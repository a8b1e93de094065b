import { describe, expect, test } from '@jest/globals'
import { signalWatch } from '../../../src/storage/remote/signals.js'
import { systemSurroundings } from '../../../src/storage/remote/surroundings.js'

const never = new AbortController().signal

describe('the clock of the system', () => {
  test('does not go backwards, and sleeps for the time that was asked for', async () => {
    const before = systemSurroundings.now()
    await systemSurroundings.sleep(20, never)
    expect(systemSurroundings.now() - before).toBeGreaterThanOrEqual(19)
  })

  test('is woken by an abort, with its reason', async () => {
    const reason = new Error('enough')
    const controller = new AbortController()
    const sleeping = systemSurroundings.sleep(60_000, controller.signal)
    controller.abort(reason)
    await expect(sleeping).rejects.toBe(reason)
    await expect(systemSurroundings.sleep(60_000, controller.signal)).rejects.toBe(reason)
  })

  test('calls every so often, until it is called off', async () => {
    let calls = 0
    await new Promise<void>(resolve => {
      const stop = systemSurroundings.every(1, () => {
        if (++calls < 3) return
        stop()
        resolve()
      })
    })
    await systemSurroundings.sleep(20, never)
    expect(calls).toBe(3)
  })

  test('has chances in [0, 1)', () => {
    for (let i = 0; i < 1000; i++) {
      const chance = systemSurroundings.random()
      expect(chance >= 0 && chance < 1).toBe(true)
    }
  })
})

describe('watching signals', () => {
  class Counted extends AbortController {
    listeners = 0

    constructor() {
      super()
      const { signal } = this
      const { addEventListener, removeEventListener } = signal
      signal.addEventListener = (...given: unknown[]) => {
        this.listeners++
        Reflect.apply(addEventListener, signal, given)
      }
      signal.removeEventListener = (...given: unknown[]) => {
        this.listeners--
        Reflect.apply(removeEventListener, signal, given)
      }
    }
  }

  test('takes one listener for any number of those who wait, and none when nobody waits', () => {
    const watch = signalWatch()
    const controller = new Counted()
    const reasons: unknown[] = []
    const waiting = Array.from({ length: 20 }, () => ({ abort: (reason: unknown) => { reasons.push(reason) } }))
    for (const one of waiting) watch.add(controller.signal, one)
    expect(controller.listeners).toBe(1)
    for (const one of waiting.slice(0, 5)) watch.remove(controller.signal, one)
    controller.abort('enough')
    expect(reasons).toEqual(Array.from({ length: 15 }, () => 'enough'))
    for (const one of waiting) watch.remove(controller.signal, one)
    expect(controller.listeners).toBe(0)
  })

  test('lets those who are told leave at once', () => {
    const watch = signalWatch()
    const controller = new AbortController()
    let told = 0
    const waiting = Array.from({ length: 3 }, () => {
      const one = { abort: () => { told++; watch.remove(controller.signal, one) } }
      watch.add(controller.signal, one)
      return one
    })
    controller.abort()
    expect(told).toBe(waiting.length)
  })
})
