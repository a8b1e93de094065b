import { describe, expect, test } from '@jest/globals'
import { exists, files, librarySources, read } from './tree.js'

const TEXT = /\.(ts|js|mjs|json|md|py|sh|txt|ya?ml)$|(^|\/)(\.[a-z]+|\.ci\/run|LICENSE)$/
const LONGEST = 500
/** The class that carries the documentation of every method, and nothing else. */
const LONGER: Readonly<Record<string, number>> = { 'src/dataset.ts': 600 }

/** Files that tell what to look for would be found themselves. */
const SELF = 'test/project/files.test.ts'
const written = files().filter(path => TEXT.test(path) && path !== SELF)
const code = written.filter(path => /\.(ts|js|mjs)$/.test(path) && !path.startsWith('src/kernels/assembly/'))

/** `path:line text` of every line that matches. */
function lines(paths: readonly string[], pattern: RegExp): string[] {
  return paths.flatMap(path => read(path).split('\n').flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1} ${line.trim().slice(0, 120)}`] : [])))
}

describe('the library', () => {
  test(`has no file of more than ${LONGEST} lines: one idea per file`, () => {
    const long = librarySources().map(path => [path, read(path).split('\n').length] as const).filter(([path, length]) => length > (LONGER[path] ?? LONGEST))
    expect(long.map(([path, length]) => `${path}: ${length} lines`)).toEqual([])
  })

  test('has file names in kebab-case', () => {
    expect(librarySources().filter(path => !path.split('/').every(part => /^[a-z0-9]+(-[a-z0-9]+)*(\.wasm)?(\.ts)?$/.test(part)))).toEqual([])
  })

  test('leaves nothing for later, and hides nothing from the compiler', () => {
    expect(lines(code, /\b(TODO|FIXME|XXX|HACK)\b/)).toEqual([])
    expect(lines(code, /@ts-(ignore|nocheck)|\bas any\b/)).toEqual([])
    expect(lines(librarySources(), /@ts-expect-error/)).toEqual([])
  })
})

describe('the tests', () => {
  const tests = code.filter(path => path.startsWith('test/'))

  test('all run: none is skipped, and none runs alone', () => {
    expect(lines(tests.filter(path => path.endsWith('.test.ts')), /\b(x(it|test|describe)|f(it|describe))\(|\b(test|it|describe)\.(skip|only|todo|failing)\b/)).toEqual([])
  })

  test('do not sleep', () => {
    expect(lines(tests.filter(path => path.endsWith('.test.ts')), /\bsetTimeout\((resolve|r|done), *[1-9]/)).toEqual([])
  })

  test('lie where their subject lies: a folder of test for each folder of src and for each format', () => {
    const folders = new Set(librarySources().map(path => path.replace(/^src\//, '').split('/')).filter(parts => parts.length > 1).map(parts => (parts[0] === 'formats' ? parts.slice(0, 2).join('/').replace(/\.ts$/, '') : parts[0] as string)))
    expect([...folders].filter(folder => !files('test').some(path => path.startsWith(`test/${folder}/`) || path === `test/${folder}.test.ts`))).toEqual([])
  })

  test('cover every operator, with the conformance suite first', () => {
    /** Operators whose tests stand in a file for several of them. */
    const together: Readonly<Record<string, string>> = {
      batch: 'core', filter: 'core', from: 'core', 'from-tensors': 'core', map: 'core', prefetch: 'core', range: 'core', repeat: 'core', select: 'core',
      // Made by rules, of operators that have tests of their own.
      'collect-batch': 'read-files', 'transform-batch': '../optimizer/transform-batches', fused: 'core', 'task-elements': 'offload',
      'on-demand': 'transparent', options: 'transparent', pin: 'transparent', 'parse-example': 'read-files'
    }
    const operators = librarySources().filter(path => path.startsWith('src/operators/') && /^export const \w+: Operator\b/m.test(read(path)))
    const names = operators.map(path => path.replace(/^.*\/|\.ts$/g, ''))
    expect(names.length).toBeGreaterThan(20)
    const faults = names.flatMap(name => {
      const own = `test/operators/${name}.test.ts`
      const shared = together[name]
      if (shared !== undefined && exists(own)) return [`${name} has a test file of its own: take it out of the list in this test`]
      const path = shared === undefined ? own : `test/operators/${shared}.test.ts`
      if (!exists(path)) return [`${name}: there is no ${path}`]
      return read(path).includes('operatorConformance(') ? [] : [`${path} does not use operatorConformance`]
    })
    expect(faults).toEqual([])
    expect(Object.keys(together).filter(name => !names.includes(name))).toEqual([])
  })
})

describe('what is written down', () => {
  test('names no place on any machine, and no server from which packages come', () => {
    expect(lines(written, /(^|[^\w./-])\/(root|work|tmp\/\w+|home\/\w+|Users\/\w+)\/|\b[A-Z]:\\Users\\/)).toEqual([])
    expect(lines(written, /\bregistry\.\w+\.\w+|\b(npmjs|pypi|pythonhosted|yarnpkg|jfrog|nexus)\b[./]|"resolved": *"http/i)).toEqual([])
  })

  test('locks the packages for all machines, not only for the one where the lock was written: npm ci fails without them', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, { optionalDependencies?: Record<string, string> }> }
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(name => !(`node_modules/${name}` in packages) && !(`${path}/node_modules/${name}` in packages)))
    expect(missing).toEqual([])
  })

  test('has a page for each format that a name stands for', () => {
    const table = /const FORMATS[^{]*(?:\{[^}]*\}[^{]*)?= \{([\s\S]*?)\n\}/.exec(read('src/resolve.ts'))?.[1] ?? ''
    const names = [...table.matchAll(/^ {2}'?([\w-]+)'?: \{/gm)].map(match => match[1] as string)
    expect(names).toContain('tfrecord')
    expect(names.filter(name => !exists(`docs/formats/${name}.md`))).toEqual([])
  })

  test('has no link to a file that is not there', () => {
    const broken = files().filter(path => path.endsWith('.md')).flatMap(page =>
      [...read(page).matchAll(/\]\((?!https?:|#|mailto:)([^)\s#]+)[^)]*\)/g)].map(match => match[1] as string)
        .filter(target => !exists(new URL(target, `file:///${page}`).pathname.slice(1)))
        .map(target => `${page} → ${target}`))
    expect(broken).toEqual([])
  })

  test('ends with one line feed, and has neither tabs nor blanks at the ends of lines', () => {
    const own = written.filter(path => /\.(ts|js|mjs|md)$/.test(path))
    expect(own.filter(path => read(path) !== '' && !/[^\n]\n$/.test(read(path)))).toEqual([])
    expect(lines(own.filter(path => !path.endsWith('.md')), /[ \t]+$|^\t/)).toEqual([])
  })

  test('numbers decisions without a gap, and every one says context, decision, alternatives and drawbacks', () => {
    const pages = files('docs/adr').filter(path => /\/\d{4}-/.test(path))
    expect(pages.map(path => Number(/\/(\d{4})-/.exec(path)?.[1]))).toEqual(pages.map((_, i) => i + 1))
    const parts = ['Context', 'Decision', 'Alternatives', 'Drawbacks']
    expect(pages.flatMap(path => parts.filter(part => !read(path).includes(`\n## ${part}\n`)).map(part => `${path}: no ${part}`))).toEqual([])
  })
})
