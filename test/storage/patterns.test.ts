import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { expandBraces } from '../../src/storage/braces.js'
import { fileStore } from '../../src/storage/file.js'
import { matchName, matchPath, parseSegment } from '../../src/storage/glob.js'
import { memoryStore } from '../../src/storage/memory.js'
import { expandPattern, isPattern } from '../../src/storage/patterns.js'
import { compareBytes, nameCodec } from '../../src/storage/uri.js'
import type { Store } from '../../src/store.js'

interface Oracle {
  readonly files: readonly string[]
  readonly globs: { readonly [pattern: string]: readonly string[] }
  readonly braces: { readonly [pattern: string]: readonly string[] }
}

const oracle = JSON.parse(readFileSync(new URL('./bash-oracle.json', import.meta.url), 'utf8')) as Oracle
const noStore = { storeFor: (): never => { throw new Error('no store should be asked') } }
let tree = ''
let store: Store

beforeAll(async () => {
  tree = await mkdtemp(join(tmpdir(), 'millrace-patterns-'))
  store = fileStore({ root: tree })
  for (const file of oracle.files) {
    await mkdir(dirname(join(tree, file)), { recursive: true })
    await writeFile(join(tree, file), '')
  }
})

afterAll(() => rm(tree, { recursive: true, force: true }))

/** The matches, or none where an error says that there are none. */
async function matches(pattern: string, from: Store = store): Promise<string[]> {
  try {
    return await expandPattern(pattern, { storeFor: () => from })
  } catch (error) {
    expect(error).toMatchObject({ name: 'MillraceError', kind: 'NotFound' })
    return []
  }
}

describe('patterns that bash knows', () => {
  for (const [pattern, expected] of Object.entries(oracle.globs)) {
    // What bash expands to names that do not exist, we pass through: nobody looked.
    if (!isPattern(pattern)) continue
    const sorted = [...expected].sort(compareBytes)
    test(`${pattern} means the same in a tree of files, as paths and as file URIs`, async () => {
      expect(await matches(pattern)).toEqual(sorted)
      const root = `${pathToFileURL(tree).href}/`
      const encode = (path: string): string =>
        root + path.split('/').filter((name) => name !== '.' && name !== '').map(nameCodec(root).encode).join('/')
      expect(await matches(root + pattern.replaceAll('%', '%25'))).toEqual(sorted.map(encode).sort(compareBytes))
    })
  }

  test('plain names among them are passed through without their backslashes', async () => {
    expect(await expandPattern(['a\\[1\\].bin', 'star\\*.bin', 'brace{x}.bin', '[a', 'no/such\\file'], noStore))
      .toEqual(['a[1].bin', 'star*.bin', 'brace{x}.bin', '[a', 'no/such\\file'])
  })
})

describe('braces', () => {
  for (const [pattern, expected] of Object.entries(oracle.braces)) {
    test(`${pattern} expands as in bash`, () => {
      const plain = expandBraces(pattern).map((text) => text.replace(/\\(.)/g, '$1'))
      // bash drops a word that becomes empty; the literal {} is a word.
      expect(plain.filter((text) => text !== '')).toEqual(expected.filter((text) => text !== ''))
    })
  }

  test('an absurd number of names is a RangeError, at once', () => {
    for (const pattern of [
      '{1..1000000000}', '{1..100001}', '{1..1000}{1..1000}', '{a,b}'.repeat(5000), '{1..99999999999999999999}',
      `{${'a,'.repeat(30_000)}}${'x'.repeat(5000)}`, 'x'.repeat(70_000)]) {
      expect(() => expandBraces(pattern)).toThrow(RangeError)
    }
    expect(expandBraces('{1..100000}')).toHaveLength(100_000)
    expect(expandBraces('{'.repeat(60_000))).toEqual(['{'.repeat(60_000)])
    expect(expandBraces('{'.repeat(30_000) + '}'.repeat(30_000))).toHaveLength(1)
  })

  test('the number of results is the product and the sum of the parts', () => {
    const tree = fc.letrec<{ node: { text: string; count: number } }>((tie) => ({
      node: fc.oneof({ maxDepth: 4 },
        fc.constantFrom<string>('', 'a', 'bc').map((text) => ({ text, count: 1 })),
        fc.array(tie('node'), { minLength: 2, maxLength: 3 }).map((parts) => ({
          text: `{${parts.map((part) => part.text).join(',')}}`, count: parts.reduce((sum, part) => sum + part.count, 0) })),
        fc.tuple(tie('node'), tie('node')).map(([a, b]) => ({ text: a.text + b.text, count: a.count * b.count })))
    }))
    fc.assert(fc.property(tree.node, ({ text, count }) => {
      expect(expandBraces(text)).toHaveLength(count)
    }), { seed: 7, numRuns: 300 })
  })
})

describe('matching', () => {
  const letters = fc.constantFrom('a', 'b', '.', '-', 'é')

  test('names match as a regular expression says', () => {
    const piece = fc.oneof(
      letters.map((c) => [c, `\\u{${c.codePointAt(0)?.toString(16)}}`]), fc.constant(['*', '.*']),
      fc.constant(['?', '.']), fc.constant(['[ab]', '[ab]']), fc.constant(['[!a]', '[^a]']),
      fc.constant(['[--a]', '[\\u{2d}-a]']))
    const name = fc.array(letters, { minLength: 1, maxLength: 8 })
    fc.assert(fc.property(fc.array(piece, { maxLength: 7 }), name, (pieces, characters) => {
      const pattern = pieces.map(([text]) => text).join('')
      const name = characters.join('')
      const segment = parseSegment(pattern, (text) => text)
      if (segment === 'directories') return
      const hidden = name.startsWith('.') && !pattern.startsWith('.')
      const expected = new RegExp(`^${pieces.map(([, source]) => source).join('')}$`, 'su')
      expect(matchName(segment, name)).toBe(!hidden && expected.test(name))
    }), { seed: 1, numRuns: 5000 })
  })

  test('paths match as a regular expression says, and every directory above a match is entered', () => {
    const part = fc.constantFrom('**', '*', 'a', 'b', '?b')
    const source: { readonly [part: string]: string } = { '**': '(?:[^/]+/)*', '*': '[^/]*/', a: 'a/', b: 'b/', '?b': '[^/]b/' }
    const path = fc.array(fc.constantFrom('a', 'b', 'ab', 'bb'), { minLength: 1, maxLength: 6 })
    fc.assert(fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), path,
      (parts, names) => {
        const segments = parts.map((text) => parseSegment(text, (plain) => plain))
        const expected = new RegExp(`^${parts.map((text) => source[text] ?? '').join('')}$`).test(`${names.join('/')}/`)
        expect(matchPath(segments, names)).toBe(expected)
        for (let depth = 1; expected && depth < names.length; depth++) {
          expect(matchPath(segments, names.slice(0, depth), true)).toBe(true)
        }
      }), { seed: 2, numRuns: 5000 })
  })

  test('many stars take no exponential time', () => {
    const segment = parseSegment('a*'.repeat(40) + 'b', (text) => text)
    expect(segment !== 'directories' && matchName(segment, 'a'.repeat(255))).toBe(false)
    expect(matchPath(Array.from({ length: 40 }, () => 'directories' as const), Array.from({ length: 200 }, () => 'a'))).toBe(true)
  })

  test('a set that runs backwards or is named is a RangeError', () => {
    expect(() => parseSegment('[z-a]', (text) => text)).toThrow(RangeError)
    expect(() => parseSegment('[[:digit:]]', (text) => text)).toThrow(/\[0-9\]/)
  })
})

describe('expandPattern', () => {
  test('sorts and drops doubles within a pattern, and keeps several patterns in their order', async () => {
    expect(await expandPattern('s-{10,9,1,10}', noStore)).toEqual(['s-1', 's-10', 's-9'])
    expect(await expandPattern(['z', 'b{2,1}', 'z'], noStore)).toEqual(['z', 'b1', 'b2', 'z'])
    expect(await expandPattern([], noStore)).toEqual([])
    expect(await expandPattern(['train-00?.rec', 'train-*.rec'], { storeFor: () => store })).toHaveLength(3 + 6)
  })

  test('leaves what has no glob alone, in any scheme', async () => {
    const names = ['s3://bucket/key', 'https://host/x?sig=*&y=[1]', '/abs', 'C:\\data\\x.rec', 'file:///a%2Ab', 'mem://x']
    expect(await expandPattern(names, noStore)).toEqual(names)
    expect(await expandPattern('https://host/{1..2}?x=*', noStore)).toEqual(['https://host/1?x=*', 'https://host/2?x=*'])
    expect(await expandPattern('file:///a\\?\\*', noStore)).toEqual(['file:///a%3F*'])
  })

  test('works on a store without directories', async () => {
    const memory = memoryStore()
    const keys = ['b/train-0', 'b/train-1', 'b/x/train-2', 'b/*', 'b/%2A']
    for (const key of keys) await memory.put(`mem://${key}`, new Uint8Array(1))
    expect(await matches('mem://b/train-*', memory)).toEqual(['mem://b/train-0', 'mem://b/train-1'])
    expect(await matches('MEM://**/train-?', memory)).toEqual(['mem://b/train-0', 'mem://b/train-1', 'mem://b/x/train-2'])
    expect(await matches('mem://b/[*]', memory)).toEqual(['mem://b/*'])
    expect(await matches('mem://b/%*', memory)).toEqual(['mem://b/%2A'])
  })

  test('nothing found is NotFound and says where it looked', async () => {
    await expect(expandPattern('x/{y,none}/*.csv', { storeFor: () => store })).rejects.toMatchObject({
      kind: 'NotFound', uri: 'x/{y,none}/*.csv', message: expect.stringMatching(/looked under x\/y\/, x\/none\/.*backslash/s) })
    await expect(expandPattern('*.none', { storeFor: () => store })).rejects.toThrow(/working directory/)
    expect(await expandPattern('x/{y,none}/*.bin', { storeFor: () => store })).toEqual(['x/y/a.bin'])
  })

  test('enters only directories that can match, and lists once for all alternatives of a directory', async () => {
    async function visits(pattern: string): Promise<{ prefixes: string[]; entered: string[] }> {
      const prefixes: string[] = []
      const entered: string[] = []
      const watched: Store = {
        ...store,
        list(prefix, options = {}) {
          prefixes.push(prefix)
          return store.list(prefix, {
            ...options,
            enter(below) {
              const wanted = options.enter?.(below) ?? true
              if (wanted) entered.push(below)
              return wanted
            }
          })
        }
      }
      await matches(pattern, watched)
      return { prefixes, entered }
    }
    expect(await visits('*.bin')).toEqual({ prefixes: [''], entered: [] })
    expect(await visits('train-{000..031}*')).toEqual({ prefixes: ['train-0'], entered: [] })
    expect(await visits('x/*/a.bin')).toEqual({ prefixes: ['x/'], entered: ['x/y/'] })
    expect(await visits('{x,w}/?/z/*')).toEqual({ prefixes: ['x/', 'w/'], entered: ['x/y/', 'x/y/z/', 'w/x/'] })
    expect((await visits('x/**/a.bin')).entered).toEqual(['x/y/', 'x/y/z/'])
  })

  test('a store that cannot list, a signal that is aborted and what is no string are refused', async () => {
    const blind: Store = { ...memoryStore(), capabilities: { write: false, list: false, idealRange: 1 } }
    await expect(expandPattern('mem://a*', { storeFor: () => blind })).rejects.toMatchObject({ kind: 'Unsupported' })
    const reason = new Error('stop')
    await expect(expandPattern('*.bin', { storeFor: () => store, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    for (const wrong of [3, undefined, [3]]) {
      await expect(expandPattern(wrong as unknown as string, noStore)).rejects.toThrow(TypeError)
    }
    await expect(expandPattern('file:///x/../*', noStore)).rejects.toMatchObject({ kind: 'InvalidUri' })
  })
})
