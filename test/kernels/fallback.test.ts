import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { randomBytes } from './random.js'

const DATA = randomBytes(40_000)

describe('without WebAssembly that knows SIMD', () => {
  const wasm = globalThis.WebAssembly
  class Refused {
    constructor() {
      throw new Error('CompileError')
    }
  }
  const cases: [why: string, replacement: unknown][] = [
    ['there is none', undefined],
    ['it may not compile', { Memory: wasm.Memory, Module: Refused }],
    ['it has no memory to give', { Memory: Refused, Module: wasm.Module, Instance: wasm.Instance }]
  ]

  afterEach(() => {
    globalThis.WebAssembly = wasm
    jest.resetModules()
  })

  test.each(cases)('arrays are computed all the same when %s', async (_, replacement) => {
    jest.resetModules()
    Object.defineProperty(globalThis, 'WebAssembly', { value: replacement, configurable: true, writable: true })
    const { loadStaged } = await import('../../src/kernels/staging.js')
    const { UNSHUFFLE_WASM } = await import('../../src/kernels/unshuffle.wasm.js')
    expect(loadStaged(UNSHUFFLE_WASM)).toBeNull()
    expect(loadStaged(UNSHUFFLE_WASM)).toBeNull()

    const { shuffle, unshuffle } = await import('../../src/kernels/unshuffle.js')
    const [shuffled, back] = [new Uint8Array(40_000), new Uint8Array(40_000)]
    shuffle(DATA, 8, shuffled)
    unshuffle(shuffled, 8, back)
    expect(Buffer.compare(back, DATA)).toBe(0)

    const { swapBytes } = await import('../../src/kernels/swap-bytes.js')
    swapBytes(back, 4)
    expect(Buffer.compare(back, Buffer.from(DATA).swap32())).toBe(0)

    const { floatToHalf, halfToFloat } = await import('../../src/kernels/half.js')
    const [bits, floats, again] = [new Uint16Array(DATA.slice().buffer), new Float32Array(20_000), new Uint16Array(20_000)]
    halfToFloat(bits, floats)
    floatToHalf(floats, again)
    expect(again).toEqual(bits)

    const { scaleBias } = await import('../../src/kernels/normalize.js')
    const into = new Float32Array(40_000)
    scaleBias(DATA, 0.5, 1, 1, into)
    expect(into.every((value, i) => value === DATA[i]! / 2 + 1)).toBe(true)
  })
})
