import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exists, files, read, ROOT } from '../project/tree.js'

/** Every file in the folder itself is an example: a program that ends by printing what its header says. */
const EXAMPLES = files('examples').filter(path => /^examples\/[^/]+\.js$/.test(path))
const TIMEOUT_MS = 60_000

interface Finished {
  readonly code: number | null
  readonly lines: readonly string[]
  readonly errors: string
}

let temporary = ''
beforeAll(async () => {
  if (!exists('dist/src/index.js')) throw new Error('the examples run on what is built: run npm run build first')
  temporary = await mkdtemp(join(tmpdir(), 'millrace-examples-'))
})
afterAll(() => rm(temporary, { recursive: true, force: true }))

/** Runs an example as a user does, with a folder for temporary files that is its own. */
function run(path: string): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path], { cwd: ROOT, env: { ...process.env, TMPDIR: temporary, TEMP: temporary }, stdio: ['ignore', 'pipe', 'pipe'] })
    let [output, errors] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
    child.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
    child.on('error', reject)
    child.on('close', code => { resolve({ code, lines: output.trimEnd().split('\n'), errors }) })
  })
}

describe.each(EXAMPLES)('%s', path => {
  const source = read(path)
  const prints = /^\/\/ prints: (.+)$/m.exec(source)?.[1]

  test('begins with the question that it answers, says what it prints, and is short', () => {
    expect(source).toMatch(/^\/\*\*\n \* [A-Z].*\?\n/)
    expect(prints).toBeDefined()
    expect(source.split('\n').length).toBeLessThan(60)
    expect(source).toContain("from 'millrace'")
  })

  test('ends with what it says, and leaves nothing behind', async () => {
    const { code, lines, errors } = await run(path)
    if (code !== 0) throw new Error(`${path} ends with code ${code}: ${errors}`)
    expect(lines.at(-1)).toBe(prints)
    expect(await readdir(temporary)).toEqual([])
  }, TIMEOUT_MS)
})

test('the README or the tour names every example', () => {
  const pages = ['README.md', 'docs/tour.md'].map(read).join('\n')
  expect(EXAMPLES.filter(path => !pages.includes(path))).toEqual([])
})
