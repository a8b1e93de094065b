import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { listFlat, listLevel, type ListPage, type ListedBlob } from '../../../src/storage/azure/list.js'
import { compareBytes } from '../../../src/storage/uri.js'

const blobOf = (name: string, directory = false): ListedBlob => ({ name, size: name.length, version: `v${name}`, modified: undefined, directory })

/** A service with these blobs: flat, in the order of UTF-16; or with directories, each before what is in it, and that before its siblings. */
function serviceOf(names: readonly string[], { hierarchical, pageSize, told = true }: { hierarchical: boolean; pageSize: number; told?: boolean }) {
  const inTree = (a: string, b: string): number => {
    const [x, y] = [a.split('/'), b.split('/')]
    const at = x.findIndex((part, i) => part !== y[i])
    return at < 0 ? x.length - y.length : y[at] === undefined ? 1 : (x[at] as string) < (y[at] as string) ? -1 : 1
  }
  const all = names.map(name => blobOf(name))
  if (hierarchical) {
    const above = names.flatMap(name => name.split('/').slice(0, -1).map((_, i, parts) => parts.slice(0, i + 1).join('/')))
    all.push(...[...new Set(above)].map(name => blobOf(name, true)))
  }
  all.sort((a, b) => (hierarchical ? inTree(a.name, b.name) : a.name < b.name ? -1 : 1))
  let requests = 0
  const listPage: ListPage = async (prefix, level, token) => {
    requests++
    const below = all.filter(({ name }) => name.startsWith(prefix))
    const items = level
      ? [...new Set(below.map(({ name }) => (name.indexOf('/', prefix.length) < 0 ? name : name.slice(0, name.indexOf('/', prefix.length) + 1))))]
          .filter(item => !(hierarchical && below.some(({ name, directory }) => directory && name === item && all.some(other => other.name.startsWith(`${item}/`)))))
      : below.map(({ name }) => name)
    if (level) {
      const key = (item: string): string => (hierarchical ? item.replace(/\/$/, '') : item)
      items.sort((a, b) => (key(a) < key(b) ? -1 : 1))
    }
    const from = Number(token ?? 0)
    const page = items.slice(from, from + pageSize)
    return {
      blobs: page.filter(item => !(level && item.endsWith('/') && item.length > prefix.length && !names.includes(item))).map(item => all.find(({ name }) => name === item) as ListedBlob),
      prefixes: level ? page.filter(item => item.endsWith('/') && !names.includes(item)) : [],
      hierarchical: hierarchical && told,
      next: from + pageSize < items.length ? String(from + pageSize) : undefined
    }
  }
  return { listPage, requests: () => requests }
}

async function flat(listPage: ListPage, prefix = '', enter: (prefix: string) => boolean = () => true): Promise<string[]> {
  const found: string[] = []
  for await (const page of listFlat(listPage, prefix, 'az://a/b/', enter)) found.push(...page.map(({ name }) => name))
  return found
}

const part = fc.string({ unit: fc.constantFrom('a', 'b', '-', '.', '0', '~', 'é', '\ue000', '\ufb01', '\u{1f600}', '\u{20000}', ' '), minLength: 1, maxLength: 3 })
/** Names of files, none of which is the directory of another. */
const files = fc.uniqueArray(fc.array(part, { minLength: 1, maxLength: 4 }).map(parts => parts.join('/')), { minLength: 0, maxLength: 40 })
  .map(names => names.filter(name => !names.some(other => other.startsWith(`${name}/`))))

describe('a listing', () => {
  test('is in the order of bytes, whatever the order and the pages of the service', async () => {
    await fc.assert(fc.asyncProperty(files, fc.boolean(), fc.boolean(), fc.integer({ min: 1, max: 7 }), part, async (names, hierarchical, told, pageSize, begin) => {
      const { listPage } = serviceOf(names, { hierarchical, told, pageSize })
      for (const prefix of ['', begin, `${begin}/`]) {
        expect(await flat(listPage, prefix)).toEqual(names.filter(name => name.startsWith(prefix)).sort(compareBytes))
      }
    }), { numRuns: 400, seed: 11 })
  })

  test('of one level is too, with blobs and prefixes each once', async () => {
    await fc.assert(fc.asyncProperty(files, fc.boolean(), fc.integer({ min: 1, max: 7 }), part, async (names, hierarchical, pageSize, begin) => {
      const { listPage } = serviceOf(names, { hierarchical, pageSize })
      for (const prefix of ['', begin, `${begin}/`]) {
        const cut = (name: string): string => (name.indexOf('/', prefix.length) < 0 ? name : name.slice(0, name.indexOf('/', prefix.length) + 1))
        const found: string[] = []
        for await (const items of listLevel(listPage, prefix, 'az://a/b/')) found.push(...items.map(({ name }) => name))
        expect(found).toEqual([...new Set(names.filter(name => name.startsWith(prefix)).map(cut))].sort(compareBytes))
      }
    }), { numRuns: 400, seed: 12 })
  })

  test('of a flat account takes one request for a page; nothing is held back without need', async () => {
    const { listPage, requests } = serviceOf(Array.from({ length: 100 }, (_, i) => `d/${String(i).padStart(3, '0')}`), { hierarchical: false, pageSize: 10 })
    let pages = 0
    for await (const page of listFlat(listPage, 'd/', '', () => true)) {
      if (page.length > 0) pages++
      expect(requests()).toBe(pages)
    }
    expect(pages).toBe(10)
  })

  test('of an account with directories does not open those that are not wanted', async () => {
    const { listPage, requests } = serviceOf(['in/1', 'in/deep/2', 'out/1', 'out/deep/2', 'z'], { hierarchical: true, pageSize: 100 })
    expect(await flat(listPage, '', prefix => prefix !== 'out/')).toEqual(['in/1', 'in/deep/2', 'z'])
    expect(requests()).toBe(4)
  })

  test('whose marker does not change ends with an error', async () => {
    const stuck: ListPage = () => Promise.resolve({ blobs: [], prefixes: [], hierarchical: false, next: 'again' })
    await expect(flat(stuck)).rejects.toMatchObject({ kind: 'Unavailable', message: expect.stringContaining('the same page again') })
  })

  test('that is out of order is an error, not a surprise', async () => {
    const wild: ListPage = () => Promise.resolve({ blobs: [blobOf('b'), blobOf('a')], prefixes: [], hierarchical: false, next: undefined })
    await expect(flat(wild)).rejects.toMatchObject({ kind: 'Unsupported', message: expect.stringContaining('"a" behind "b"') })
  })
})
