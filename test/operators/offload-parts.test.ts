import { describe, expect, test } from '@jest/globals'
import { ndarray } from '../../src/array/ndarray.js'
import { offloadPolicy, type PolicySurroundings } from '../../src/operators/offload-policy.js'
import { replyQueue } from '../../src/operators/offload-replies.js'
import { taskSizes } from '../../src/operators/offload-sizes.js'
import { stackedOf } from '../../src/operators/stacked-chunk.js'

describe('a queue of replies', () => {
  const stacked = { x: ndarray(Float32Array.of(1, 2, 3), [3]) }

  test('hands over a stacked part as it is when all of it is wanted, and cuts it when not', () => {
    const queue = replyQueue()
    queue.add([{ kind: 'stacked', rows: 3, stacked }, { kind: 'stacked', rows: 3, stacked }])
    expect(queue.rows).toBe(6)
    const whole = queue.take(3)
    expect(whole).toHaveLength(3)
    expect(stackedOf(whole)).toBe(stacked)
    expect(queue.take(2)).toEqual([{ x: 1 }, { x: 2 }])
    expect(queue.take(2)).toEqual([{ x: 3 }])
    expect([queue.rows, queue.next]).toEqual([0, undefined])
  })
  test('throws errors in their places, and tells states and what was taken behind them', () => {
    const queue = replyQueue()
    const error = new Error('no')
    queue.add([{ kind: 'elements', elements: [1, 2, 3], state: { self: 3 } }, { kind: 'error', error, state: { self: 4 } }, { kind: 'elements', elements: [], state: { self: 9 } }, { kind: 'elements', elements: [5], state: { self: 10 } }])
    expect(queue.take(2)).toEqual([1, 2])
    expect([queue.state, queue.drop, queue.delivered]).toEqual([undefined, 2, 2])
    expect(queue.take(2)).toEqual([3])
    expect([queue.state, queue.drop]).toEqual([{ self: 3 }, 0])
    expect(queue.next).toBe('error')
    expect(() => queue.take(1)).toThrow(error)
    expect([queue.state, queue.failed]).toEqual([{ self: 9 }, 1])
    expect(queue.take(9)).toEqual([5])
    expect(queue.state).toEqual({ self: 10 })
  })
})

describe('sizes of tasks', () => {
  /** Sizes of the next tasks, each of which is given out. */
  const sizesOf = (sizes: ReturnType<typeof taskSizes>, count: number): number[] => Array.from({ length: count }, () => {
    const size = sizes.next(0, false)
    sizes.given(size, 8 * size)
    return size
  })
  test('are small until something is known, and then so much work that giving it out hardly counts', () => {
    const sizes = taskSizes({ elementMs: undefined, stack: undefined })
    expect(sizesOf(sizes, 6)).toEqual([1, 1, 2, 2, 4, 4])
    sizes.served(4, 0.64)
    expect(sizesOf(sizes, 4)).toEqual([16, 64, 100, 100])
    expect(sizes.next(0, true)).toBe(150)
    sizes.served(100, 8)
    expect(sizes.next(0, false)).toBe(Math.round(16 / 0.12))
  })
  test('are bounded by bytes and by elements', () => {
    const sizes = taskSizes({ elementMs: 1e-6, stack: undefined })
    expect(sizesOf(sizes, 9).at(-1)).toBe(32_768)
    sizes.given(10, 10 * 2 ** 20)
    expect(sizes.next(0, false)).toBe(8)
  })
  test('below a batch end where it ends, and have whole batches', () => {
    const sizes = taskSizes({ elementMs: 0.16, stack: 8 })
    sizes.pulled(5) // of which three rows are there
    expect(sizes.next(0, false)).toBe(5)
    sizes.given(100, 100)
    expect(sizes.next(5, false)).toBe(104)
    expect(sizes.next(7, false)).toBe(6)
    sizes.delivered(5)
    sizes.pulled(8)
    expect(sizes.next(0, false)).toBe(104)
  })
  test('do not wait for a whole batch that takes long', () => {
    const sizes = taskSizes({ elementMs: 20, stack: 64 })
    sizes.pulled(64)
    expect(sizes.next(0, false)).toBe(1)
    sizes.given(1, 8)
    expect(taskSizes({ elementMs: 0.001, stack: undefined }).perThread).toBe(4)
    const long = taskSizes({ elementMs: 50, stack: undefined })
    long.given(1, 8)
    expect(long.perThread).toBe(2)
  })
})

describe('the decision to use threads', () => {
  const make = (given: Partial<PolicySurroundings> = {}) => {
    const clock = { ms: 0, busy: 1 }
    const policy = offloadPolicy({ cores: 2, ahead: false, now: () => clock.ms, utilization: () => clock.busy, ...given })
    /** Pulls of 32 elements, each element at that cost; the consumer takes its time between them. */
    const pull = (times: number, elementMs: number, gapMs = 0, bytes = 8): void => {
      for (let i = 0; i < times; i++) {
        const timed = policy.due()
        clock.ms += 32 * elementMs
        policy.inline(32, timed ? 32 * elementMs : undefined, bytes)
        clock.ms += gapMs
      }
    }
    return { clock, policy, pull }
  }
  test('falls for elements that cost more than 0.2 µs and than crossing does', () => {
    for (const [elementMs, bytes, move] of [[0.0001, 8, false], [0.0004, 8, true], [0.05, 150_000, false], [0.2, 150_000, true], [5, 8, true]] as const) {
      const { policy, pull } = make()
      pull(elementMs > 0.01 ? 60 : 20_000, elementMs, 0, bytes)
      expect([elementMs, policy.move]).toEqual([elementMs, move])
    }
  })
  test('needs a second core, and work that is a part of the time', () => {
    const single = make({ cores: 1 })
    single.pull(1000, 0.01)
    expect(single.policy.move).toBe(false)
    const idle = make()
    idle.pull(1000, 0.001, 10)
    expect(idle.policy.move).toBe(false)
  })
  test('is not taken while this thread has time to spare and elements are fetched ahead', () => {
    const spare = make({ ahead: true })
    spare.clock.busy = 0.5
    spare.pull(1000, 0.01)
    expect(spare.policy.move).toBe(false)
    spare.clock.busy = 1
    spare.pull(1000, 0.01)
    expect(spare.policy.move).toBe(true)
  })
  test('is taken back when elements come more slowly, and not tried again for a while', () => {
    const { clock, policy, pull } = make()
    pull(1000, 0.01)
    policy.moved()
    for (let task = 1; task < 40; task++) {
      clock.ms += 10
      policy.threads(500, 0.02, task) // 50 elements in a millisecond, where there were 100
    }
    expect(policy.back).toBe(true)
    policy.cameBack()
    pull(1000, 0.01)
    expect([policy.back, policy.move]).toEqual([false, false])
    clock.ms += 1000
    pull(1000, 0.01)
    expect(policy.move).toBe(true)
  })
  test('is not judged by the first tasks, which are small', () => {
    const { clock, policy, pull } = make()
    pull(1000, 0.01)
    policy.moved()
    for (let task = 1; task < 40; task++) {
      clock.ms += 10
      policy.threads(task < 9 ? 10 : 1900, 0.01, task)
    }
    expect(policy.back).toBe(false)
  })
  test('stands when elements come faster, until they get cheap', () => {
    const { clock, policy, pull } = make()
    pull(1000, 0.01)
    policy.moved()
    for (let task = 1; task < 40; task++) {
      clock.ms += 10
      policy.threads(1900, 0.01, task)
    }
    expect(policy.back).toBe(false)
    policy.threads(1900, 0.00005, 41)
    expect(policy.back).toBe(true)
  })
})
