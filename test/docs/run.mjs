/**
 * Runs programs one after the other in this process, and writes what came of each to `results.json`:
 * `node run.mjs <folder>`, with `programs.json` in the folder: a list of `{ module, name }`.
 */
import { transformSync } from '@swc/core'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { formatWithOptions } from 'node:util'

const [folder = '.'] = process.argv.slice(2)
const read = name => readFileSync(join(folder, name), 'utf8')

function compile(module, name) {
  const { code } = transformSync(read(module), {
    filename: name,
    sourceFileName: name,
    sourceMaps: 'inline',
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'es6' }
  })
  const compiled = join(folder, module.replace(/\.ts$/, '.js'))
  writeFileSync(compiled, code)
  return pathToFileURL(compiled).href
}

let result
// Node breaks long values into lines as wide as a terminal; on a page they read better on one.
const ONE_LINE = { compact: true, breakLength: Infinity }
console.log = (...values) => void result.printed.push(...formatWithOptions(ONE_LINE, ...values).split('\n'))
// A promise that nobody waits for: the example that made it is the one that runs.
process.on('unhandledRejection', error => { result.error ??= `a promise that nobody waits for was rejected: ${error?.stack ?? error}` })

const results = []
for (const { module, name } of JSON.parse(read('programs.json'))) {
  result = { printed: [], error: undefined }
  results.push(result)
  try {
    await import(compile(module, name))
    await new Promise(resolve => setImmediate(resolve))
  } catch (error) {
    result.error ??= error?.stack ?? String(error)
  }
}
// Not before everything has ended by itself: what an example leaves running keeps the process alive until its time is up.
process.on('exit', () => writeFileSync(join(folder, 'results.json'), JSON.stringify(results)))
