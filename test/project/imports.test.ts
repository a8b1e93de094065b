import { describe, expect, test } from '@jest/globals'
import { importsOf, type Import } from './imports.js'
import { librarySources } from './tree.js'

/**
 * Who may import whom. A name is a folder of `src`, a file of `src`, or `formats`. `types` may be imported as types only.
 * An entry that nobody uses has to go, so that this table is what the house is like and not what it may become.
 */
const MAY_IMPORT: Readonly<Record<string, { readonly values: string; readonly types?: string }>> = {
  errors: { values: '' },
  types: { values: '' },
  util: { values: '', types: 'types' },
  codecs: { values: 'errors' },
  kernels: { values: '' },
  array: { values: 'errors', types: 'types' },
  example: { values: 'array errors kernels', types: 'types' },
  transforms: { values: 'array errors example kernels util', types: 'plan types' },
  plan: { values: 'errors', types: 'array types util' },
  operators: { values: 'array errors example plan portable table util', types: 'format loader store types' },
  optimizer: { values: 'operators plan util' },
  engine: { values: 'errors plan util', types: 'types' },
  store: { values: 'errors' },
  format: { values: 'array codecs errors kernels table util', types: 'store types' },
  table: { values: 'array errors util', types: 'format types' },
  storage: { values: 'codecs errors kernels util', types: 'store types' },
  formats: { values: 'format' },
  resolve: { values: 'errors formats storage util', types: 'format store' },
  'dataset-options': { values: '', types: 'array format store' },
  files: { values: 'array operators resolve', types: 'format store types' },
  objects: { values: 'resolve storage' },
  inspect: { values: 'errors resolve util', types: 'store' },
  portable: { values: 'array errors util', types: 'plan types' },
  autotune: { values: '', types: 'plan' },
  workers: { values: 'array engine errors files operators optimizer plan portable transforms util', types: 'example types' },
  runtime: { values: 'autotune engine util workers', types: 'operators' },
  dataset: { values: 'array engine errors example files operators optimizer plan resolve runtime util', types: 'dataset-options types' },
  loader: { values: 'array dataset errors files operators plan resolve storage util workers', types: 'engine store types' },
  write: { values: 'errors resolve storage util', types: 'store' },
  'write-arrays': { values: 'files resolve util', types: 'formats store' },
  adapters: { values: 'array errors util', types: 'dataset engine types' },
  testing: { values: 'array engine errors', types: 'dataset store' },
  // The doors.
  index: { values: 'array dataset errors example inspect loader portable runtime storage util write write-arrays', types: 'dataset-options engine files operators plan resolve types' },
  stores: { values: 'objects storage' },
  operator: { values: 'plan util' },
  tfjs: { values: 'adapters' }
}

/** Only these may use what only Node has. */
const NODE_ONLY = /^src\/(storage\/(file|direct)[^/]*|workers\/(pool|entry)[^/]*|cli\/.*)\.ts$/
/** Packages that may be there. */
const PEERS = /^(@tensorflow\/|@aws-sdk\/|@smithy\/|@azure\/|@google-cloud\/|h5wasm|sharp$|undici$)/
/** Files of `src/storage` that are stores. Everything else there is what they are made of. */
const STORES = /^src\/storage\/(file|direct|memory|(s3|azure|gcs|http)\/store)\.ts$/
/** Doors that open in a browser too; `src/stores.ts` does not. */
const DOORS = ['index', 'operator', 'format', 'store', 'testing', 'tfjs', 'transforms'].map(name => `src/${name}.ts`)

const sources = librarySources()
const imports = new Map(sources.map(path => [path, importsOf(path)]))
const bare = (target: string): boolean => !/^(src|formats)\//.test(target)

/** The name in the table of a file: its folder, or itself when it is at the top. `testing.ts` belongs to its folder. */
function areaOf(path: string): string {
  if (path.startsWith('formats/')) return 'formats'
  return path.split('/')[1]?.replace(/\.ts$/, '') ?? path
}

function each(visit: (path: string, imported: Import) => string | undefined): string[] {
  const faults: string[] = []
  for (const [path, list] of imports) {
    for (const imported of list) {
      const fault = visit(path, imported)
      if (fault !== undefined) faults.push(`${path}:${imported.line} ${fault}`)
    }
  }
  return faults
}

const wordsOf = (text = ''): string[] => text.split(' ').filter(word => word !== '')

describe('imports', () => {
  test('go in the directions of the table', () => {
    const faults = each((path, { target, typeOnly }) => {
      if (bare(target)) return undefined
      const [from, to] = [areaOf(path), areaOf(target)]
      const rule = MAY_IMPORT[from]
      if (rule === undefined) return `is in ${from}, of which the table in this test says nothing`
      if (from === to || wordsOf(rule.values).includes(to)) return undefined
      if (!wordsOf(rule.types).includes(to)) return `imports ${target}: ${from} may not import ${to}`
      return typeOnly ? undefined : `imports ${target}: ${from} may import ${to} as types only`
    })
    expect(faults).toEqual([])
  })

  test('use every entry of the table', () => {
    const used = new Set<string>()
    each((path, { target, typeOnly }) => void used.add(`${areaOf(path)} ${typeOnly ? 'types' : 'values'} ${areaOf(target)}`))
    const idle = Object.entries(MAY_IMPORT).flatMap(([from, { values, types }]) => [
      ...wordsOf(values).map(to => `${from} values ${to}`),
      ...wordsOf(types).map(to => `${from} types ${to}`)
    ]).filter(entry => !used.has(entry))
    expect(idle).toEqual([])
  })

  test('go round in no circle', () => {
    const done = new Set<string>()
    const circles: string[] = []
    const walk = (path: string, above: readonly string[]): void => {
      if (above.includes(path)) {
        circles.push([...above.slice(above.indexOf(path)), path].join(' → '))
        return
      }
      if (done.has(path)) return
      for (const { target, typeOnly, lazy } of imports.get(path) ?? []) if (!typeOnly && !lazy) walk(target, [...above, path])
      done.add(path)
    }
    for (const path of sources) walk(path, [])
    expect(circles).toEqual([])
  })

  test('name files that are there, with their ending', () => {
    expect(each((_, { target }) => (bare(target) || imports.has(target) ? undefined : `imports ${target}, which is not there`))).toEqual([])
  })

  test('need no package: the only bare names are optional peers, loaded when they are asked for, and their types', () => {
    const faults = each((_, { target, typeOnly, lazy }) => {
      if (!bare(target) || target.startsWith('node:')) return undefined
      return (typeOnly || lazy) && PEERS.test(target) ? undefined : `imports ${target}`
    })
    expect(faults).toEqual([])
  })

  test('of what only Node has stand in the files for it', () => {
    const faults = each((path, { target, typeOnly }) => (target.startsWith('node:') && !typeOnly && !NODE_ONLY.test(path) ? `imports ${target}` : undefined))
    expect(faults).toEqual([])
  })

  test.each(DOORS)('of the door %s reach nothing that only Node has, until it is asked for', door => {
    const reached = new Set<string>()
    const walk = (path: string): void => {
      if (reached.has(path)) return
      reached.add(path)
      for (const { target, typeOnly, lazy } of imports.get(path) ?? []) if (!typeOnly && !lazy) walk(target)
    }
    walk(door)
    expect([...reached].filter(path => path.startsWith('node:'))).toEqual([])
  })

  test('of stores and formats stand in resolve.ts, which loads them when they are asked for, and in doors of their own', () => {
    const faults = each((path, { target, typeOnly, lazy }) => {
      const concrete = STORES.test(target) || (target.startsWith('formats/') && !target.endsWith('/options.ts'))
      if (!concrete || typeOnly || areaOf(path) === areaOf(target)) return undefined
      if (path === 'src/index.ts' && target === 'src/storage/memory.ts') return undefined // memoryStore() is public, and small
      if (path === 'src/stores.ts' && STORES.test(target)) return undefined // a door of its own, so that the others stay free of Node
      return path === 'src/resolve.ts' && lazy ? undefined : `imports ${target}`
    })
    expect(faults).toEqual([])
  })

  test('of the engine know no operator, and operators know nothing of what runs them', () => {
    expect(each((path, { target }) => (areaOf(path) === 'engine' && areaOf(target) === 'operators' ? `imports ${target}` : undefined))).toEqual([])
    const hidden = ['engine', 'dataset', 'optimizer', 'resolve', 'storage', 'formats']
    expect(each((path, { target }) => (areaOf(path) === 'operators' && hidden.includes(areaOf(target)) ? `imports ${target}` : undefined))).toEqual([])
  })
})
