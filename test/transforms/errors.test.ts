import { describe, expect, test } from '@jest/globals'
import { ndarray, raggedArray, scalar } from '../../src/index.js'
import { cast, crop, decodeImage, decodeRaw, dropKeys, encodeTensor, flip, normalize, oneHot, padTo, parseExample, parseTensor, randomCrop, randomFlip, renameKeys, reshape, selectKeys } from '../../src/transforms.js'
import { call } from './support.js'

const bad = <T>(value: T): never => value as never

describe('wrong specs throw at the call', () => {
  const cases: readonly (readonly [what: string, make: () => unknown, error: typeof TypeError | typeof RangeError, message: RegExp])[] = [
    ['a dtype that is none', () => cast(bad('float')), TypeError, /^cast must be a dtype of numbers, like 'float32', not 'float'$/],
    ['a dtype that is none, at its key', () => cast(bad({ a: { b: 'float' } })), TypeError, /^cast: a\.b must be/],
    ['strings', () => cast(bad('string')), TypeError, /cast must be/],
    ['no spec', () => cast(bad(undefined)), TypeError, /cast must be/],
    ['no shape', () => reshape(bad('wide')), TypeError, /^reshape must be a shape/],
    ['a negative length', () => reshape([-2]), RangeError, /lengths of 0 and more, or -1, not \[-2\]/],
    ['two open axes', () => reshape({ x: [-1, -1] }), RangeError, /^reshape: x: only one axis may be -1/],
    ['options that are none', () => normalize(bad({ skale: 2 })), TypeError, /unknown option 'skale'/],
    ['no options', () => normalize(bad(3)), TypeError, /^normalize/],
    ['a list of another length', () => normalize({ mean: [1, 2], std: [1] }), RangeError, /lists of 2 and 1 numbers/],
    ['an empty list', () => normalize({ mean: [] }), RangeError, /empty list/],
    ['a standard deviation of 0', () => normalize({ std: [1, 0] }), RangeError, /std must not be 0/],
    ['NaN', () => normalize({ scale: NaN }), RangeError, /must be finite/],
    ['text for a number', () => normalize(bad({ scale: '1' })), TypeError, /number or a list of numbers/],
    ['no depth', () => oneHot(bad({})), TypeError, /depth must be a number/],
    ['a depth of 0', () => oneHot({ depth: 0 }), RangeError, /depth must be an integer of at least 1/],
    ['a value that the dtype does not hold', () => oneHot({ depth: 2, dtype: 'uint8', off: -1 }), RangeError, /off -1 does not fit uint8/],
    ['a fraction for an integer', () => oneHot({ depth: 2, dtype: 'int32', on: 0.5 }), RangeError, /on 0.5 does not fit int32/],
    ['a dtype without real numbers', () => oneHot(bad({ depth: 2, dtype: 'complex64' })), TypeError, /dtype of real numbers/],
    ['a way out that is none', () => oneHot(bad({ depth: 2, outOfRange: 'ignore' })), TypeError, /'error' or 'zeros'/],
    ['strings for raw', () => decodeRaw(bad({ dtype: 'string' })), TypeError, /dtype of numbers/],
    ['a byte order that is none', () => decodeRaw(bad({ dtype: 'uint8', littleEndian: 'no' })), TypeError, /littleEndian must be a boolean/],
    ['a feature that is none', () => parseExample(bad({ a: 1 })), TypeError, /a must be made by fixedLen, varLen or ragged/],
    ['no features', () => parseExample(bad('a')), TypeError, /a spec is an object/],
    ['a dtype of no tensor', () => parseTensor(bad({ dtype: 'qint8' })), TypeError, /unknown dtype qint8/],
    ['no size', () => crop(bad({})), TypeError, /height must be a number/],
    ['a negative offset', () => crop({ height: 1, width: 1, top: -1 }), RangeError, /top must be/],
    ['an offset for chance', () => randomCrop(bad({ height: 1, width: 1, top: 1 })), TypeError, /unknown option 'top'/],
    ['a direction that is none', () => flip(bad({ x: 'left' })), TypeError, /^flip: x must be 'horizontal'/],
    ['a probability of 2', () => randomFlip({ horizontal: 2 }), RangeError, /probability from 0 to 1, got 2/],
    ['an object to pad with', () => padTo(bad({ shape: [1], value: [1] })), TypeError, /value must be a number/],
    ['no list of keys', () => selectKeys(bad('x')), TypeError, /list of strings/],
    ['a key that is no string', () => dropKeys(bad([1])), TypeError, /a key must be a string/],
    ['a key twice', () => selectKeys(['x', 'x']), TypeError, /stands twice/],
    ['two members of one name', () => renameKeys({ a: 'c', b: 'c' }), TypeError, /stands twice/],
    ['no names', () => renameKeys(bad(['a'])), TypeError, /names must be an object/],
    ['a fit that is none', () => decodeImage(bad({ fit: 'crop' })), TypeError, /fit must be one of cover, contain, fill, inside, outside, not crop/],
    ['two channels', () => decodeImage(bad({ x: { channels: 2 } })), TypeError, /^decodeImage: x: channels must be one of 1, 3, 4, not 2/],
    ['no pixels', () => decodeImage({ width: 0 }), RangeError, /width must be an integer of at least 1/]
  ]
  test.each(cases)('%s', (_, make, error, message) => {
    expect(make).toThrow(error)
    expect(make).toThrow(message)
  })
})

describe('elements that do not fit are refused with their key', () => {
  const image = ndarray(new Uint8Array(12), [2, 2, 3])
  const cases: readonly (readonly [what: string, transform: unknown, element: unknown, kind: string, message: RegExp])[] = [
    ['bytes in a cast', cast({ x: 'float32' }), { x: new Uint8Array(3) }, 'Mismatch', /^cast: there is bytes \(Uint8Array\) at x; bytes become arrays with decodeRaw/],
    ['text in a cast', cast({ x: 'float32' }), { x: 'three' }, 'Mismatch', /a string at x/],
    ['strings in a cast', cast({ x: 'float32' }), { x: ndarray(['three']) }, 'Mismatch', /string values at x cannot be cast to float32/],
    ['complex numbers in a cast to real ones', cast({ x: 'float32' }), { x: ndarray(new Float32Array(2), [1], 'complex64') }, 'Mismatch', /complex64 values at x/],
    ['a bigint of 65 bits', cast({ x: 'float32' }), { x: 2n ** 64n }, 'Lossy', /is no int64/],
    ['an array that contradicts itself', cast({ x: 'float32' }), { x: { dtype: 'int8', shape: [3], data: new Int8Array(2) } }, 'Mismatch', /not valid: int8 \[3\] needs 3 values/],
    ['ragged rows', cast({ x: 'float32' }), { x: raggedArray('int32', new Int32Array(2), []) }, 'Mismatch', /a RaggedArray/],
    ['another size', reshape({ x: [5, -1] }), { x: image }, 'Mismatch', /\[2, 2, 3\] at x is 12 values, which do not fit \[5, \?\]/],
    ['an open axis beside none', reshape({ x: [0, -1] }), { x: ndarray(new Uint8Array(0), [0, 3]) }, 'Mismatch', /do not fit/],
    ['a number that float32 does not hold', reshape({ x: [1] }), { x: 16777217 }, 'Lossy', /cannot be held exactly as float32/],
    ['other channels', normalize({ x: { mean: [1, 2] } }), { x: image }, 'Mismatch', /numbers for 2 channels, but the shape at x is \[2, 2, 3\]/],
    ['channels of a scalar', normalize({ x: { mean: [1] } }), { x: 1 }, 'Mismatch', /channels are the last axis/],
    ['complex numbers in normalize', normalize({ x: {} }), { x: ndarray(new Float32Array(2), [1], 'complex64') }, 'Mismatch', /it takes real numbers/],
    ['a class too many', oneHot({ x: { depth: 3 } }), { x: 3 }, 'Mismatch', /class 3 at x is outside \[0, 3\)/],
    ['a negative class', oneHot({ x: { depth: 3 } }), { x: scalar(-1, 'int8') }, 'Mismatch', /class -1 at x/],
    ['half a class', oneHot({ x: { depth: 3, outOfRange: 'zeros' } }), { x: 1.5 }, 'Mismatch', /1.5 at x is no integer/],
    ['no class', oneHot({ x: { depth: 3, outOfRange: 'zeros' } }), { x: Float32Array.of(NaN) }, 'Mismatch', /NaN at x is no integer/],
    ['a truth for a class', oneHot({ x: { depth: 3 } }), { x: true }, 'Mismatch', /a boolean at x/],
    ['bytes that do not divide', decodeRaw({ x: { dtype: 'int32' } }), { x: new Uint8Array(6) }, 'Mismatch', /6 bytes at x are not int32 values of 4 bytes/],
    ['bytes of another shape', decodeRaw({ x: { dtype: 'int16', shape: [2, 2] } }), { x: new Uint8Array(6) }, 'Mismatch', /in the shape \[2, 2\]/],
    ['bools that are none', decodeRaw({ x: { dtype: 'bool' } }), { x: Uint8Array.of(1, 2) }, 'Mismatch', /byte 1 at x is 2, and a bool is 0 or 1/],
    ['numbers for bytes', decodeRaw({ x: { dtype: 'int16' } }), { x: new Int8Array(6) }, 'Mismatch', /it takes bytes/],
    ['no record', parseExample({}), 'text', 'Mismatch', /the element is a string; it takes the bytes of a record/],
    ['a part outside the image', crop({ x: { height: 1, width: 2, left: 1 } }), { x: image }, 'Mismatch', /1 x 2 from \(0, 1\) is not inside the image of 2 x 2 at x/],
    ['a part larger than the image', crop({ x: { height: 3, width: 1 } }), { x: image }, 'Mismatch', /3 x 1 from \(0, 0\)/],
    ['a row for an image', flip({ x: 'both' }), { x: new Float32Array(3) }, 'Mismatch', /an NdArray float32 \[3\] at x is no image/],
    ['a longer array', padTo({ x: { shape: [2, 1, -1] } }), { x: image }, 'Mismatch', /\[2, 2, 3\] at x is longer than \[2, 1, \?\] \(axis 1: 2 > 1\)/],
    ['another rank', padTo({ x: { shape: [2] } }), { x: image }, 'Mismatch', /has rank 3, and the shape \[2\] has rank 1/],
    ['padding that does not fit', padTo({ x: { shape: [3, 2, 3], value: 256 } }), { x: image }, 'Lossy', /256 at x cannot be held exactly as uint8/],
    ['padding of another kind', padTo({ x: { shape: [3, 2, 3], value: 'none' } }), { x: image }, 'Mismatch', /"none" \(string\) at x is no uint8 value/],
    ['two members of one key', renameKeys({ a: 'b' }), { a: 1, b: 2 }, 'Mismatch', /two members b/],
    ['no tensor', parseTensor({ x: {} }), { x: new Uint8Array(0) }, 'Corrupt', /a tensor of no dtype/],
    ['a tensor of another dtype', parseTensor({ x: { dtype: 'int8' } }), { x: encodeTensor(image) }, 'Mismatch', /the tensor at x is uint8 \[2, 2, 3\], and int8 of any shape was asked for/],
    ['a tensor of another shape', parseTensor({ x: { shape: [-1, 3] } }), { x: encodeTensor(image) }, 'Mismatch', /any dtype \[\?, 3\] was asked for/]
  ]
  test.each(cases)('%s', (_, transform, element, kind, message) => {
    const keyPath = kind === 'Corrupt' || typeof element === 'string' ? expect.anything() : /^renameKeys/.test((transform as { name: string }).name) ? 'b' : 'x'
    let thrown: unknown
    try {
      call(transform, element)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject({ kind, message: expect.stringMatching(message), ...(typeof element !== 'string' && { keyPath }) })
  })
})

describe('what a cast leaves open elsewhere', () => {
  test('is the same everywhere: the nearest end of the range, and 0 for NaN', () => {
    expect(call(cast('uint8'), Float32Array.of(-1, 300, NaN, Infinity, 2.9))).toEqual({ dtype: 'uint8', shape: [5], data: Uint8Array.of(0, 255, 0, 255, 2) })
    expect([1e30, -1e30, NaN].map(x => call(cast('int64'), x))).toEqual([2n ** 63n - 1n, -(2n ** 63n), 0n])
  })

  test('plain scalars become what rows of the dtype are', () => {
    expect([0.1, 3n, true].map(x => call(cast('float32'), x))).toEqual([Math.fround(0.1), 3, 1])
    expect([2.7, 3n, true].map(x => call(cast('int64'), x))).toEqual([2n, 3n, 1n])
    expect([0, 3n, true].map(x => call(cast('bool'), x))).toEqual([false, true, true])
    expect(call(cast('float64'), 0.1)).toEqual(scalar(0.1, 'float64'))
    expect(call(cast('complex64'), 2)).toEqual({ dtype: 'complex64', shape: [], data: Float32Array.of(2, 0) })
    expect(call(cast('int64'), scalar(3, 'int8'))).toEqual(scalar(3n, 'int64'))
  })
})
