import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { DOORS, exportsOf } from '../project/surface.js'
import { exists, read, ROOT } from '../project/tree.js'
import type { Block } from './blocks.js'

const run = promisify(execFile)
const MOST_MS = 120_000

/** What became of a program. */
export interface Result {
  /** The lines that it printed with `console.log`. */
  readonly printed: readonly string[]
  readonly error?: string
}

/** A folder where blocks are programs, and `millrace` and what else they import is what it is for a user of the package. */
export interface Workshop {
  /** Runs blocks one after the other in one process. */
  run(blocks: readonly Block[]): Promise<Result[]>
  /** Compiles blocks without running them; returns what the compiler says, with places in the pages. */
  check(blocks: readonly Block[]): Promise<string[]>
}

export function workshop(folder: string): Workshop {
  if (!exists('dist/src/index.js')) throw new Error('the examples run against what is built: run npm run build first')
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  link(folder, 'millrace', ROOT)
  let batches = 0

  /** Lays blocks out as files, with their code on the lines where the page has it. */
  const lay = (blocks: readonly Block[]): { batch: string; modules: string[] } => {
    const batch = join(folder, String(batches++))
    mkdirSync(batch)
    writeFileSync(join(batch, 'prelude.ts'), read('test/docs/prelude.ts'))
    const modules = blocks.map(block => {
      const module = `${block.file.replace(/\W+/g, '-')}-${block.line}.ts`
      const code = block.file.endsWith('.md') ? block.code : `${importsFor(block)}${block.code}`
      for (const [, name = ''] of `${code}\n${read('test/docs/prelude.ts')}`.matchAll(/from '((?:@[\w-]+\/)?[\w-]+)[^']*'/g)) link(folder, name)
      writeFileSync(join(batch, module), '\n'.repeat(block.line - 1) + code)
      return module
    })
    return { batch, modules }
  }
  return {
    async run(blocks) {
      const { batch, modules } = lay(blocks)
      writeFileSync(join(batch, 'programs.json'), JSON.stringify(['prelude.ts', ...modules].map((module, i) => ({ module, name: blocks[i - 1]?.file ?? 'test/docs/prelude.ts' }))))
      const child = run(process.execPath, ['--enable-source-maps', join(ROOT, 'test/docs/run.mjs'), batch], { cwd: batch, timeout: MOST_MS })
      const failure = await child.then(() => undefined, (error: Error) => error)
      const results = join(batch, 'results.json')
      if (!existsSync(results)) throw new Error('the examples did not come to an end: one of them leaves something running, or ends the process', { cause: failure })
      return (JSON.parse(readFileSync(results, 'utf8')) as Result[]).slice(1)
    },
    async check(blocks) {
      const { batch, modules } = lay(blocks)
      const places = new Map(modules.map((module, i) => [module, (blocks[i] as Block).file]))
      const compilerOptions = {
        noEmit: true, rootDir: '/', moduleDetection: 'force', types: ['node'], typeRoots: [join(ROOT, 'node_modules/@types')],
        declaration: false, declarationMap: false, sourceMap: false
      }
      writeFileSync(join(batch, 'tsconfig.json'), JSON.stringify({ extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['*.ts'], exclude: [] }))
      const tsc = run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', batch, '--pretty', 'false'], { cwd: batch, timeout: MOST_MS })
      const said = await tsc.then(() => '', ({ stdout, message }: Error & { readonly stdout?: string }) => stdout ?? message)
      return said.split('\n').filter(line => line !== '').map(line => line.replace(/^(\S+?\.ts)\((\d+),\d+\)/, (_, module: string, at: string) => `${places.get(module) ?? module}:${at}`))
    }
  }
}

/** Imports, on one line, of the names in an example of a doc comment: of the prelude, the doors, and the file that it is in. */
function importsFor({ code, file }: Block): string {
  const words = new Set(code.replace(/'[^']*'/g, '').match(/\b[a-zA-Z]\w*\b/g))
  const declared = new Set([...code.matchAll(/\b(?:const|let|function|class) (?:\{([^}]*)\}|(\w+))/g)].flatMap(match => (match[1] ?? match[2] ?? '').split(/\W+/)))
  const taken = new Set<string>()
  const importFrom = (module: string, names: readonly string[]): string => {
    const used = names.filter(name => words.has(name) && !declared.has(name) && !taken.has(name))
    used.forEach(name => taken.add(name))
    return used.length === 0 ? '' : `import { ${used.join(', ')} } from '${module}'; `
  }
  const prelude = [...read('test/docs/prelude.ts').matchAll(/^export const (\w+)|^export \{ (\w+) \}/gm)].map(match => match[1] ?? match[2] ?? '')
  return [
    importFrom('./prelude.js', prelude),
    ...Object.entries(DOORS).map(([door, path]) => importFrom(door, valuesOf(path))),
    importFrom(join(ROOT, 'dist', file.replace(/\.ts$/, '.js')), valuesOf(file))
  ].join('')
}

const valuesOf = (path: string): string[] => exportsOf(path).filter(({ type }) => !type).map(({ name }) => name)

function link(folder: string, name: string, target = join(ROOT, 'node_modules', name)): void {
  const path = join(folder, 'node_modules', name)
  if (existsSync(path) || !existsSync(target)) return
  mkdirSync(dirname(path), { recursive: true })
  symlinkSync(target, path, 'junction')
}
