/**
 * Asks the fault matrix whether it would notice if a check were missing. Every condition of the files that judge replies is switched off, one
 * after the other, and each time some cell of a smaller matrix has to fail.
 *
 * Everything is compiled into a directory of its own, with a switch in each condition, so that one process can try them all. Prints JSON:
 * an array of `{ file, line, text, killedBy }`; `killedBy` is absent when nothing has failed.
 *
 *     node test/storage/faults/mutate.mjs [part of a condition]
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { transformSync } from '@swc/core'
import ts from 'typescript'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
/** Files whose conditions are tried. */
const JUDGES = ['src/storage/remote/check-reply.ts', 'src/storage/remote/attempt.ts', 'src/storage/remote/reading.ts']
const COMPILED = [...filesIn('src'), ...filesIn('test/servers'), 'test/storage/faults/cells.ts', 'test/storage/faults/stores.ts']

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
    const flaw = await failing(cells)
    if (flaw !== undefined) throw new Error(`the matrix fails as it is: ${flaw}`)
    for (const [index, mutant] of mutants.entries()) {
      if (only !== undefined && !mutant.text.includes(only)) continue
      globalThis.__mutant = index + 1
      mutant.killedBy = await failing(cells)
    }
    return mutants
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

process.on('unhandledRejection', () => undefined) // what a mutant does is its own affair
console.log(JSON.stringify(await main(process.argv[2])))
process.exit(0)
