import {
  byBytes, caught, check, equal, fails, many, pattern, readAll, readRange, same, sameBytes, using, type Kit, type StoreCase
} from './store-kit.js'

/** Listings and names. */
export function listingCases(): readonly StoreCase[] {
  return CASES
}

/** Names that any store can have in its listings, but for what its fixture says that it refuses. */
const NAMES = ['a b', 'a%20b', 'a+b', 'a&b=c', '[x]', '{y}', '#', 'q?', '*', "it's", 'A', 'ü', 'ü'.normalize('NFD'), '...', '<x>"', '-', '~', ' lead',
  'trail ', 'tab\there', 'line\nbreak', 'a:b', 'a;b,c', '%', '\u{1f600}', 'x'.repeat(200)]
/** Names that are paths to a file system, and nothing but names to a service. */
const FLAT_NAMES = ['a/../x', './y', 'a//b', '/lead', '..', '.', 'a/.', 'back\\slash', 'dot.', 'a/b./c']

const CASES: readonly StoreCase[] = [
  ['a listing has what begins with the prefix, at any depth, in the byte order of the URIs', async (kit) => {
    const { store, uri, prefix, list } = kit
    const names = ['a', 'b-1', 'b.1', 'b/1', 'b/2/deep/x', 'b/2-', 'b0', 'ba', 'c/1', 'Z', '_', 'é', '\u{1f600}', '\ufb01']
    for (const name of names) await store.put(uri(name), pattern(name.length, 9))
    const all = names.map(uri).sort(byBytes)
    const expected = (begin: string): string[] => all.filter((each) => each.startsWith(begin))
    for (const begin of [prefix, ...['b', 'b/', 'b/2', 'b/2/', 'c/1', 'a', 'nothing', 'b/1/'].map(uri)]) {
      same((await list(begin)).map((meta) => meta.uri), expected(begin), `list ${begin}`)
    }
  }],

  ['a listing comes in pages that are never empty, and may be left early', async ({ store, uri, prefix, list }) => {
    await many(40, (i) => store.put(uri(`n${i}`), new Uint8Array(1)))
    let pages = 0
    for await (const page of store.list(prefix)) {
      check(page.length > 0, 'no page is empty')
      pages++
      break
    }
    equal(pages, 1, 'pages read')
    equal((await list()).length, 40, 'objects listed afterwards')
  }],

  ['a listing may leave out what is below a prefix that is not entered, and nothing else', async ({ store, uri, prefix }) => {
    for (const name of ['a', 'in/1', 'in/more/2', 'out/1', 'out/in/2', 'z']) await store.put(uri(name), new Uint8Array(1))
    const found: string[] = []
    for await (const page of store.list(prefix, { enter: (below) => !below.startsWith(uri('out/')) })) {
      found.push(...page.map((meta) => meta.uri))
    }
    same(found.filter((each) => !each.startsWith(uri('out/'))), ['a', 'in/1', 'in/more/2', 'z'].map(uri), 'entered')
  }],

  ['listing nothing gives no page', async ({ store, uri }) => {
    for await (const page of store.list(uri('nothing/here'))) check(false, `no page, got one of ${page.length}`)
  }],

  ['a listing of more than a page has everything once, and many are deleted at once', async ({ store, uri, list, fixture: { crowd = 1050 } }) => {
    const names = [...Array.from({ length: crowd }, (_, i) => `many/${String(i).padStart(4, '0')}`), 'man', 'manx', 'many-1', 'manz/1']
    await many(names.length, (i) => store.put(uri(names[i] ?? ''), new Uint8Array(i % 3)))
    const all = names.map(uri).sort(byBytes)
    for (const begin of ['many/', 'many/00', 'many/0999', 'man'].map(uri)) {
      same((await list(begin)).map((meta) => meta.uri), all.filter((each) => each.startsWith(begin)), `list ${begin}`)
    }
    if (store.deleteMany === undefined) return
    const below = all.filter((each) => each.startsWith(uri('many/')))
    const results = await store.deleteMany(below)
    same(results.map((result) => [result.uri, String(result.error)]), below.map((each) => [each, 'undefined']), 'results')
    same((await list()).map((meta) => meta.uri), all.filter((each) => !below.includes(each)), 'what is left')
  }],

  ['a listing of a directory has objects and prefixes, each once', async ({ store, uri, prefix }) => {
    if (store.listDirectory === undefined) return
    const names = ['a', 'b/1', 'b/2/x', 'b/2/y', 'b0', 'b-', 'c/d/e', 'c-x', 'z/1', ...Array.from({ length: 20 }, (_, i) => `p${i % 10}/${i}`)]
    await many(names.length, (i) => store.put(uri(names[i] ?? ''), new Uint8Array(i)))
    const expected = (begin: string): [string[], string[]] => {
      const rests = names.map(uri).filter((each) => each.startsWith(begin)).map((each) => each.slice(begin.length))
      const cut = (rest: string): string => begin + rest.slice(0, rest.indexOf('/') + 1)
      return [rests.filter((rest) => !rest.includes('/')).map((rest) => begin + rest).sort(byBytes),
        [...new Set(rests.filter((rest) => rest.includes('/')).map(cut))].sort(byBytes)]
    }
    for (const begin of [prefix, ...['b', 'b/', 'b/2', 'b/2/', 'c/d/e', 'p', 'nothing/', 'a/'].map(uri)]) {
      const objects: string[] = []
      const prefixes: string[] = []
      for await (const page of store.listDirectory(begin)) {
        check(page.objects.length + page.prefixes.length > 0, 'no page is empty')
        for (const meta of page.objects) {
          objects.push(meta.uri)
          equal(meta.size, names.map(uri).indexOf(meta.uri), `size of ${meta.uri}`)
          check(meta.version !== '', 'the version is not empty')
        }
        prefixes.push(...page.prefixes)
      }
      same([objects, [...prefixes].sort(byBytes)], expected(begin), `listing of the directory ${begin}`)
    }
  }],

  ['names are taken as they are', async ({ store, uri, list, fixture }) => {
    const names = [...NAMES, ...(fixture.hierarchical === true ? [] : FLAT_NAMES)].filter((name) => fixture.refuses?.(name) !== true)
    await many(names.length, (i) => store.put(uri(names[i] ?? ''), pattern(10 + i, i)))
    for (const [i, name] of names.entries()) {
      sameBytes(await readAll(store, uri(name)), pattern(10 + i, i))
      equal((await store.stat(uri(name))).size, 10 + i, `size of ${name}`)
    }
    same((await list()).map((meta) => meta.uri), names.map(uri).sort(byBytes), 'list')
  }],

  ['what cannot be a name is refused', async (kit) => {
    const { uri, fixture, list } = kit
    for (const bad of [`${uri('x')}\0y`, `${uri('x')}\ud800`]) await refused(kit, bad)
    for (const name of [...NAMES, ...FLAT_NAMES]) if (fixture.refuses?.(name) === true) await refused(kit, uri(name))
    equal((await list()).length, 0, 'objects listed')
  }],

  ['an aborted signal rejects with its own reason and changes nothing', async ({ store, uri, prefix, list }) => {
    await store.put(uri('a'), pattern(10, 17))
    const reason = Object.assign(new Error('stop'), { code: 'ENOENT', syscall: 'open' })
    const signal = AbortSignal.abort(reason)
    await using(store.open(uri('a')), async (source) => {
      const calls: (() => Promise<unknown>)[] = [
        () => source.read(0, new Uint8Array(1), { signal }),
        () => store.open(uri('a'), { signal }),
        () => store.stat(uri('a'), { signal }),
        () => store.put(uri('b'), new Uint8Array(1), { signal }),
        () => store.createWriter(uri('b'), { signal }),
        () => store.delete(uri('a'), { signal }),
        async () => { for await (const page of store.list(prefix, { signal })) void page },
        ...(store.get === undefined ? [] : [async () => store.get?.(uri('a'), { signal })]),
        ...(store.copy === undefined ? [] : [async () => store.copy?.(uri('a'), uri('b'), { signal })]),
        ...(store.rename === undefined ? [] : [async () => store.rename?.(uri('a'), uri('b'), { signal })]),
        ...(store.deleteMany === undefined ? [] : [async () => store.deleteMany?.([uri('a')], { signal })]),
        ...(store.listDirectory === undefined ? [] : [async () => { for await (const page of store.listDirectory?.(prefix, { signal }) ?? []) void page }])
      ]
      for (const call of calls) check(await caught(call) === reason, `${String(call)} rejects with the reason of the signal`)
      await readRange(source, 0, 10)
    })
    same((await list()).map((meta) => meta.uri), [uri('a')], 'objects listed')
  }]
]

async function refused({ store, uri }: Kit, bad: string): Promise<void> {
  const calls = [() => store.open(bad), () => store.stat(bad), () => store.put(bad, new Uint8Array(1)), () => store.createWriter(bad),
    () => store.delete(bad), async () => (store.get === undefined ? store.open(bad) : store.get(bad)),
    async () => (store.copy === undefined ? store.open(bad) : store.copy(uri('a'), bad))]
  for (const call of calls) await fails('InvalidUri', call)
}
