import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { encodeExample, fixedLen, ndarray, ragged, varLen } from '../../src/index.js'
import {
  cast, crop, decodeImage, decodeRaw, dropKeys, encodeTensor, flip, isTransform, normalize, oneHot, padTo, parseExample, parseTensor, randomCrop, randomFlip, renameKeys, reshape, selectKeys,
  transformFromJson, type TransformJson
} from '../../src/transforms.js'
import { call } from './support.js'

const image = ndarray(new Uint8Array(24).map((_, i) => i), [4, 2, 3])

/** Every transform, with elements that it takes. */
const all: readonly (readonly [transform: unknown, elements: readonly unknown[]])[] = [
  [cast('float32'), [1.1, 2n, true, new Int8Array(2)]],
  [cast({ x: 'int64', more: { y: 'bool' } }), [{ x: 1.5, more: { y: 2 }, z: 'as it was' }]],
  [reshape({ x: [-1, 2] }), [{ x: new Float32Array(4) }]],
  [normalize({ scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }), [image]],
  [normalize({ x: { bias: -0 } }), [{ x: -0 }]],
  [oneHot({ depth: 3 }), [2, 1n, new Int32Array([0, 1])]],
  [oneHot({ x: { depth: 2, on: 5, off: -1, dtype: 'int8', outOfRange: 'zeros' } }), [{ x: 7 }]],
  [decodeRaw({ dtype: 'uint16', shape: [2, -1], littleEndian: false }), [new Uint8Array(8).map((_, i) => i)]],
  [decodeRaw({ x: { dtype: 'uint8' } }), [{ x: new Uint8Array(3) }]],
  [parseExample({ a: fixedLen([2], 'float32', { defaultValue: [1, NaN] }), b: varLen('int64'), c: ragged('string'), d: fixedLen([], 'int64', { defaultValue: 2n ** 60n }), e: fixedLen([], 'bytes', { defaultValue: Uint8Array.of(1, 2) }), f: fixedLen([3], 'uint8', { from: 'bytes' }) }),
    [encodeExample({ b: [1n, 2n], c: ['x'], f: Uint8Array.of(1, 2, 3) })]],
  [parseTensor(), [encodeTensor(image)]],
  [parseTensor({ x: { dtype: 'uint8', shape: [-1, 2, 3], maxBytes: 100 } }), [{ x: encodeTensor(image) }]],
  [crop({ height: 2, width: 1 }), [image]],
  [crop({ x: { height: 2, width: 1, top: 1, left: 1 } }), [{ x: image }]],
  [randomCrop({ x: { height: 2, width: 1 } }), [{ x: image }]],
  [flip('both'), [image]],
  [flip({ x: 'horizontal', y: 'vertical' }), [{ x: image, y: image }]],
  [randomFlip(), [image]],
  [randomFlip({ x: { vertical: 0.3 } }), [{ x: image }]],
  [padTo({ shape: [4, 4, 4], value: 9 }), [image]],
  [padTo({ x: { shape: [3], value: 2n ** 62n }, y: { shape: [-1, 2], value: NaN } }), [{ x: new BigInt64Array(1), y: ndarray([[1]]) }]],
  [selectKeys(['y', 'x']), [{ x: 1, y: 2, z: 3 }]],
  [dropKeys(['x', '__proto__']), [JSON.parse('{ "x": 1, "y": 2, "__proto__": 3 }')]],
  [renameKeys({ x: 'y', y: 'x' }), [{ x: 1, y: 2 }]],
  [decodeImage({ x: { width: 2, height: 3, fit: 'fill', channels: 1, dtype: 'float32', autoOrient: true } }), []]
]

describe('a transform', () => {
  test.each(all.map(([transform, elements]) => [JSON.stringify((transform as { transform: unknown }).transform), transform, elements] as const))('%s comes back from JSON equal, and does the same', (_, transform, elements) => {
    expect(isTransform(transform)).toBe(true)
    const { transform: json } = transform as { readonly transform: TransformJson }
    const again = transformFromJson(JSON.parse(JSON.stringify(json)) as TransformJson)
    expect(again.transform).toEqual(json)
    expect(again.name).toBe(json.name)
    elements.forEach((element, i) => expect(call(again, element, i)).toEqual(call(transform, element, i)))
  })

  test('is frozen all through, and its data are plain', () => {
    const made = normalize({ x: { mean: [1, 2], std: [1, 2] } })
    expect([made, made.transform, made.transform.params, (made.transform.params as { x: { mean: unknown } }).x.mean].every(Object.isFrozen)).toBe(true)
    expect(made.transform).toEqual({ name: 'normalize', params: { x: { scale: 1, bias: 0, mean: [1, 2], std: [1, 2] } } })
  })

  test('is known from other functions', () => {
    expect(all.every(([transform]) => isTransform(transform))).toBe(true)
    const others = [undefined, null, 1, {}, { transform: { name: 'cast', params: 'bool' } }, () => 1, Object.assign(() => 1, { transform: null }), Object.assign(() => 1, { transform: { name: 1 } })]
    expect(others.map(isTransform)).toEqual(others.map(() => false))
  })

  test('of another version is refused by its name', () => {
    expect(() => transformFromJson({ name: 'rotate', params: {} })).toThrow(/no transform "rotate" in this version/)
    expect(() => transformFromJson({ name: 'toString', params: {} })).toThrow(/no transform "toString"/)
    expect(() => transformFromJson({ name: 'cast', params: 'complex' })).toThrow(TypeError)
    expect(() => transformFromJson({ name: 'parseExample', params: { x: { kind: 'fixed' } } })).toThrow(TypeError)
  })

  test('passes other keys through as they are, in their order, and leaves the element alone', () => {
    const element = Object.freeze({ a: { deep: [1] }, x: 3, b: image })
    const result = cast({ x: 'int32' })(element)
    expect(Object.keys(result)).toEqual(['a', 'x', 'b'])
    expect([result.a === element.a, result.b === element.b, element.x]).toEqual([true, true, 3])
  })

  test('says which key is missing, and what keys there are', () => {
    expect(() => call(cast({ x: 'float32' }), { y: 1, z: 2 })).toThrow(expect.objectContaining({ kind: 'Mismatch', keyPath: 'x', message: 'cast: there is no x; the element has the keys y, z' }))
    expect(() => call(flip({ a: { 'b c': 'both' } }), { a: {} })).toThrow(expect.objectContaining({ keyPath: 'a["b c"]', message: 'flip: there is no a["b c"]; a has no keys' }))
    expect(() => call(cast({ x: 'float32' }), 3)).toThrow(expect.objectContaining({ kind: 'Mismatch', message: 'cast asks for keys, but the element is a number' }))
    expect(() => call(selectKeys(['shape']), image)).toThrow(expect.objectContaining({ kind: 'Mismatch' }))
    for (const transform of [selectKeys(['x']), dropKeys(['x']), renameKeys({ x: 'y' })]) expect(() => call(transform, { z: 1 })).toThrow(/there is no x; the element has the keys z/)
  })
})

describe('in a plan', () => {
  const rows = Dataset.from([1, 2, 3].map(x => ({ x, image })))

  test('it is identified by what it does, wherever it was made', () => {
    const print = (dataset: Dataset<unknown>): string => dataset.fingerprint()
    const made = cast({ x: 'float64' })
    expect(print(rows.map(cast({ x: 'float64' })))).toBe(print(rows.map(made)))
    expect(print(rows.map(transformFromJson(made.transform)))).toBe(print(rows.map(made)))
    const others = [cast({ x: 'float32' }), normalize({ x: {} }), normalize({ x: { scale: 2 } }), selectKeys(['x']), dropKeys(['x'])].map(transform => print(rows.map(transform as never)))
    expect(new Set([...others, print(rows.map(made))]).size).toBe(6)
  })

  test('a checkpoint of one goes on in the other', async () => {
    const plan = (): Dataset<unknown> => rows.map(normalize({ image: { scale: 1 / 255 } })).map(renameKeys({ image: 'xs', x: 'ys' })).map(cast({ ys: 'int64' }))
    const iterator = plan().iterator()
    await iterator.next()
    const checkpoint = JSON.parse(JSON.stringify(iterator.checkpoint()))
    await iterator.close()
    const rest: unknown[] = []
    for await (const element of plan().iterator({ from: checkpoint })) rest.push(element)
    expect(rest).toEqual((await plan().toArray()).slice(1))
  })

  test('errors say operator, element and key', async () => {
    const failing = Dataset.of({ label: 1n }, { label: 9n }).map(oneHot({ label: { depth: 3 } }))
    await expect(failing.toArray()).rejects.toMatchObject({ kind: 'Mismatch', operator: expect.stringContaining('map'), index: 1, keyPath: 'label', message: expect.stringContaining('class 9 at label is outside [0, 3)') })
  })

  test('explain shows its name', () => {
    expect(rows.map(cast({ x: 'float64' })).explain()).toContain('map(cast)')
  })
})
