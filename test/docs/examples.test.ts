/**
 * Every `ts` and `js` block of README.md, of the pages in docs and of the doc comments is a program: it compiles, it runs, and
 * it prints what its `// → …` lines say. For those who write them:
 *
 * - A block stands alone and imports what it needs. It runs in an empty folder, with the package as it was built.
 * - Once a block has one `// →` line, these lines are all that it prints, in order. `…` in one stands for any text. Arrays and
 *   objects are printed as Node does, but each on one line.
 * - `<!-- not run: why -->` above a block that cannot be run.
 * - Examples in doc comments need no imports: names of the doors and of prelude.ts are there.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blocksOfComments, blocksOfPage, pages, RUN, SHOWN, type Block } from './blocks.js'
import { workshop, type Result, type Workshop } from './programs.js'

let folder: string
let shop: Workshop
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-docs-'))
  shop = workshop(folder)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const groups: readonly (readonly [string, readonly Block[]])[] = [...pages().map(page => [page, blocksOfPage(page)] as const), ['doc comments', blocksOfComments()]]
const programs = (blocks: readonly Block[]): Block[] => blocks.filter(({ language, notRun }) => RUN.includes(language) && notRun === undefined)

test('every block says its language', () => {
  const unknown = groups.flatMap(([, blocks]) => blocks).filter(({ language }) => ![...RUN, ...SHOWN].includes(language))
  expect(unknown.map(({ file, line, language }) => `${file}:${line - 1} ${language === '' ? 'no language' : language}; there are ${[...RUN, ...SHOWN].join(', ')}`)).toEqual([])
})

test('all examples compile', async () => {
  expect(await shop.check(groups.flatMap(([, blocks]) => programs(blocks)).filter(({ language }) => language === 'ts'))).toEqual([])
}, 180_000)

for (const [name, blocks] of groups) {
  const examples = programs(blocks)
  if (examples.length === 0) continue
  describe(name, () => {
    let results: Result[]
    beforeAll(async () => { results = await shop.run(examples) }, 180_000)

    examples.forEach((block, i) => {
      test(`${block.file}:${block.line} ${titleOf(block)}`, () => {
        const { printed, error } = results[i] ?? { printed: [], error: 'it did not run' }
        if (error !== undefined) throw new Error(`${block.file}:${block.line} fails: ${error}`)
        if (block.printed.length > 0) expect(printed).toEqual(block.printed.map((line, at) => resolved(line, printed[at])))
      })
    })
  })
}

/** The first line that is more than an import or a comment. */
function titleOf({ code }: Block): string {
  return code.split('\n').find(line => !/^(import\b|\/[/*]|\s*$)/.test(line))?.slice(0, 70) ?? ''
}

/** The printed line, when the expected one has `…` where it differs. */
function resolved(expected: string, printed: string | undefined): string {
  if (printed === undefined || !expected.includes('…')) return expected
  const pattern = expected.split('…').map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')
  return new RegExp(`^${pattern}$`).test(printed) ? printed : expected
}
