import { describe, expect, test } from '@jest/globals'
import { expectTypeOf } from 'expect-type'
import { Dataset, portable } from '../../src/index.js'
import { travelling } from '../../src/plan/reference.js'
import { wantsContext } from '../../src/operators/stages.js'
import type { Json } from '../../src/types.js'

const url = new URL('./modules/functions.mjs', import.meta.url)
interface Functions {
  readonly double: (x: number) => number
  readonly addIndex: (x: number, context: { readonly index: number }) => number
  readonly makeAdd: (n: number) => (x: number) => number
  readonly number: number
}

describe('a portable function', () => {
  test('is called like the one that it stands for: with a promise until it is loaded, directly from then on', async () => {
    const double = portable<Functions, 'double'>(url, 'double')
    expectTypeOf(double).toBeCallableWith(1)
    expectTypeOf(double(1)).toEqualTypeOf<number>()
    expect(double.loaded).toBeUndefined()
    expect(await double(4)).toBe(8)
    expect(double(5)).toBe(10)
    expect(double.name).toBe('double')
  })

  test('can be loaded before it is called', async () => {
    const add = portable<Functions, 'makeAdd'>(url, 'makeAdd', { args: [3] })
    expectTypeOf(add).toBeCallableWith(1)
    await add.load()
    expect(add(4)).toBe(7)
    expect(add.loaded?.(1)).toBe(4)
  })

  test('has the type of the only function of a module by itself', () => {
    const only = portable<{ readonly augment: (x: string) => number; readonly size: number }>(url, 'augment')
    expectTypeOf(only).parameters.toEqualTypeOf<[string]>()
    // @ts-expect-error a number is no function
    expect(portable<Functions, 'number'>(url, 'number')).toBeDefined()
  })

  test('is told by its module, its name and its arguments', () => {
    expect(travelling(portable<Functions, 'double'>(url, 'double'))).toEqual({ portable: { url: url.href, name: 'double' } })
    expect(travelling(portable<Functions, 'makeAdd'>(url.href, 'makeAdd', { args: [1] }))).toEqual({ portable: { url: url.href, name: 'makeAdd', args: [1] } })
    expect(travelling((x: number) => x)).toBeUndefined()
  })

  test('gets a context only if the function behind it wants one, once that is known', async () => {
    const double = portable<Functions, 'double'>(url, 'double')
    const addIndex = portable<Functions, 'addIndex'>(url, 'addIndex')
    expect([double, addIndex].map(wantsContext)).toEqual([true, true])
    await Promise.all([double.load(), addIndex.load()])
    expect([double, addIndex].map(wantsContext)).toEqual([false, true])
  })

  test('does in this thread what any function does', async () => {
    const out: number[] = []
    for await (const x of Dataset.range(4).map(portable<Functions, 'addIndex'>(url, 'addIndex'))) out.push(x)
    expect(out).toEqual([0, 2, 4, 6])
  })
})

describe('what is wrong is told at the call', () => {
  test.each(['./augment.js', '/data/augment.js', '../augment.js', 'C:\\augment.js'])('a path is no URL: %s', path => {
    expect(() => portable<Functions, 'double'>(path, 'double')).toThrow(/is a path; write new URL\('augment\.js', import\.meta\.url\)/)
  })

  test('no URL at all, and no name', () => {
    expect(() => portable(undefined as unknown as URL, 'double' as never)).toThrow(TypeError)
    expect(() => portable(url, '' as never)).toThrow(/name must be the name of an export/)
  })

  test.each<[string, unknown, RegExp]>([
    ['a function', [() => 1], /args\[0\] must be JSON, got a function/],
    ['a number that JSON has not', [{ a: NaN }], /args\[0\]\.a must be JSON, got NaN/],
    ['undefined', [[undefined]], /args\[0\]\[0\] must be JSON, got undefined/],
    ['an array', [Float32Array.of(1)], /args\[0\] must be JSON/],
    ['no list', { 0: 1 }, /args must be a list/]
  ])('arguments that are not JSON: %s', (_, args, text) => {
    expect(() => portable<Functions, 'makeAdd'>(url, 'makeAdd', { args: args as Json[] })).toThrow(text)
  })

  test('a missing export, when it is loaded, with those that there are; and an export that makes no function', async () => {
    await expect(portable<Functions>(url, 'nothing' as never).load()).rejects.toThrow(/portable\(.*functions\.mjs, 'nothing'\): the module exports no function of that name; it exports .*addIndex/)
    await expect(portable<Functions, 'makeAdd'>(new URL('./modules/missing.mjs', import.meta.url), 'makeAdd').load()).rejects.toMatchObject({ kind: 'UserFunction' })
    await expect(portable<Functions, 'double'>(url, 'double', { args: [2] } as never).load()).rejects.toThrow('called with args, it must return a function, got a number')
  })
})
