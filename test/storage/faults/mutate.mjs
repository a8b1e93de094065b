/**
 * Asks the fault matrix whether it would notice if a check were missing. Every condition of the files that judge replies is switched off, one
 * after the other, and each time some cell of a smaller matrix has to fail.
 *
 * Everything is compiled into a directory of its own, with a switch in each condition, so that one process can try them all. Prints JSON:
 * an array of `{ file, line, text, killedBy }`; `killedBy` is absent when nothing has failed.
 *
 *     node test/storage/faults/mutate.mjs [condition…]
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { transformSync } from '@swc/core'
import ts from 'typescript'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
/** Files whose conditions are tried. */
const JUDGES = [
  'src/storage/remote/check-reply.ts', 'src/storage/remote/attempt.ts', 'src/storage/remote/reading.ts', 'src/storage/remote/validated-read.ts', 'src/storage/remote/checksums.ts'
]
const COMPILED = [...filesIn('src'), ...filesIn('test/servers'), 'test/storage/faults/cells.ts', 'test/storage/faults/stores.ts']

/** Conditions that decide nothing about bytes. */
const NOT_TRIED = new Map([
  ['read.trace !== undefined', 'statistics'],
  ['reply.status >= 300', 'saves a connection'],
  ['received < verdict.length', 'chooses a message, and how soon it is tried again'],
  ['read.stopped', 'aborts: tested with the reader itself'],
  ['this.stopped', 'aborts: tested with the reader itself'],
  ['this.expiry !== undefined', 'a second time limit, after the first'],
  ['this.#thrown !== undefined', 'errors of `allocate`: tested with the reader itself'],
  ['isMillraceError(error)', 'errors of credentials: tested with the stores'],
  ['fault === undefined', 'either of two kinds of errors is known'],
  ['verdict === undefined', 'transports show the head before the body'],
  ['verdict.announced', 'what was announced has come when the body has ended'],
  ['verdict.length >= 0 && size !== verdict.length', 'what was announced has come when the body has ended'],
  ['size < 0', 'then no range can fit: the next condition says so too'],
  ['bytes.whole', 'all bytes come again, of the same version'],
  ['first === undefined', 'for the compiler'],
  ['memory.length < length', 'a mistake of the caller: tested with the reader itself'],
  ['!(offset >= 0)', 'a mistake of the caller: tested with the reader itself'],
  ['offset + into.length > size', 'a mistake of the caller: tested with the reader itself'],
  ['!(first.want >= 1)', 'a mistake of the caller: tested with the reader itself'],
  ['read.head === undefined', 'for the compiler'],
  ['closed', 'tested in beyond.test.ts'],
  ['read.done - read.mark >= PROGRESS', 'tested in beyond.test.ts'],
  ['read.expiry !== undefined', 'time limits of `refresh`: tested with the reader itself'],
  ['read.done < read.mark', 'tested with the reader itself'],
  ['fault.stale === true && !read.renewed', 'tested in beyond.test.ts'],
  ['now() + wait >= read.deadlineAt', 'tested in beyond.test.ts'],
  ['host !== undefined && !budget.take(host)', 'tested in beyond.test.ts'],
  ['!read.controller.signal.aborted && controllers.length < CONTROLLERS', 'saves memory'],
  ['read.controller.signal.aborted', 'tested in matrix.test.ts, with what is slow'],
  ['limits !== undefined', 'who may send'],
  ['isPromise(entering)', 'who may send'],
  ['trace !== undefined', 'statistics'],
  ['read.attempts > 0', 'statistics']
])

/** @type {{ file: string, line: number, text: string, killedBy?: string }[]} */
const mutants = []

function filesIn(folder) {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts') && !entry.parentPath.includes('assembly'))
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length))
}

/** The source with a switch in each condition. */
function withSwitches(file, source) {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.ES2022, true)
  /** @type {{ at: number, text: string }[]} */
  const inserts = []
  const add = (node) => {
    const line = tree.getLineAndCharacterOfPosition(node.getStart()).line + 1
    mutants.push({ file, line, text: node.getText() })
    inserts.push({ at: node.getStart(), text: `(globalThis.__mutant !== ${mutants.length} && (` }, { at: node.getEnd(), text: '))' })
  }
  /** The conditions of which one is enough. */
  const alternatives = (node) => {
    if (ts.isParenthesizedExpression(node)) return alternatives(node.expression)
    if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.BarBarToken) return [...alternatives(node.left), ...alternatives(node.right)]
    return [node]
  }
  const visit = (node) => {
    if (ts.isIfStatement(node)) alternatives(node.expression).forEach(add)
    ts.forEachChild(node, visit)
  }
  visit(tree)
  let text = source
  for (const { at, text: inserted } of inserts.sort((a, b) => b.at - a.at)) text = text.slice(0, at) + inserted + text.slice(at)
  return text
}

/** In an order that is always the same, and has all kinds of cells everywhere: one that fails comes soon. */
function shuffled(cells) {
  return cells.map((cell, index) => ({ cell, rank: (index * 7919) % 10_007 })).sort((a, b) => a.rank - b.rank).map(({ cell }) => cell)
}

async function main(only) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-mutants-'))
  try {
    for (const file of COMPILED) {
      const source = readFileSync(join(ROOT, file), 'utf8')
      const { code } = transformSync(JUDGES.includes(file) ? withSwitches(file, source) : source, {
        filename: file, jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' }
      })
      const to = join(folder, file.replace(/\.ts$/, '.js'))
      mkdirSync(dirname(to), { recursive: true })
      writeFileSync(to, code)
    }
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    const { cellsOf, matrixPlan, MODES, runCells } = await import(pathToFileURL(join(folder, 'test/storage/faults/cells.js')).href)
    const { startOrigin } = await import(pathToFileURL(join(folder, 'test/servers/origin.js')).href)

    // GCS tells checksums with ranges, the web tells none; between them they have all kinds of replies.
    const cells = shuffled(['http', 'gcs'].flatMap((dialect) => MODES.flatMap((mode) => cellsOf(dialect, mode, false))).filter(({ times }) => times !== 2))
    const failing = async (some) => {
      const origin = await startOrigin({ plan: matrixPlan })
      try {
        return (await runCells(some, origin, 12, true))[0]
      } finally {
        await origin.close()
      }
    }
    if (only.length === 0) {
      const flaw = await failing(cells)
      if (flaw !== undefined) throw new Error(`the matrix fails as it is: ${flaw}`)
    }
    const tried = []
    for (const [index, mutant] of mutants.entries()) {
      if (only.length === 0 ? NOT_TRIED.has(mutant.text) : !only.includes(mutant.text)) continue
      globalThis.__mutant = index + 1
      tried.push({ ...mutant, killedBy: await failing(cells) })
    }
    return tried
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

process.on('unhandledRejection', () => undefined) // what a mutant does is its own affair
console.log(JSON.stringify(await main(process.argv.slice(2))))
process.exit(0)
