import { expect, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DOORS, exportsOf, surfaceText } from './surface.js'
import { exists, read, ROOT } from './tree.js'

const SURFACE = 'test/project/surface.txt'
const HOW = `
The public surface has changed. If that is what you want:
1. UPDATE_SURFACE=1 npm run test:only -- test/project/surface
2. look at the difference in ${SURFACE}, and commit it with the change
3. say so in CHANGELOG.md; a name that went or became another is a breaking change
`

test('the doors export what the committed list says', () => {
  const present = surfaceText()
  if (process.env['UPDATE_SURFACE'] === '1') writeFileSync(join(ROOT, SURFACE), present)
  const committed = exists(SURFACE) ? read(SURFACE) : ''
  if (present === committed) return
  const [before, after] = [committed.split('\n'), present.split('\n')]
  const gone = before.filter(line => !after.includes(line)).map(line => `- ${line.trim()}`)
  const come = after.filter(line => !before.includes(line)).map(line => `+ ${line.trim()}`)
  throw new Error([HOW, ...gone, ...come].join('\n'))
})

test('the built doors export the values that their sources name, under the names in package.json', () => {
  const paths = (JSON.parse(read('package.json')) as { exports: Record<string, { types: string; default: string }> }).exports
  for (const [door, { types, default: built }] of Object.entries(paths).filter(([, target]) => typeof target === 'object')) {
    const missing = [types, built].filter(path => !exists(path))
    if (missing.length > 0) throw new Error(`${door} is not built: ${missing.join(', ')}. Run npm run build`)
  }
  expect(Object.keys(paths).sort()).toEqual([...Object.keys(DOORS).map(door => door.replace(/^millrace/, '.')), './package.json'].sort())

  // In a process of its own: the package by its own name, as a user's program has it.
  const script = `
    const doors = ${JSON.stringify(Object.keys(DOORS))}
    const modules = await Promise.all(doors.map(door => import(door)))
    console.log(JSON.stringify(modules.map(module => Object.keys(module))))`
  const names = JSON.parse(execFileSync(process.execPath, ['--input-type=module', '--eval', script], { cwd: ROOT, encoding: 'utf8' })) as string[][]
  Object.entries(DOORS).forEach(([, path], i) => {
    const values = exportsOf(path).filter(({ type }) => !type).map(({ name }) => name)
    if (String(names[i]) !== String(values)) throw new Error(`${path}: the source exports ${values.join(', ')}; what is built exports ${names[i]?.join(', ')}. Is the build old? Run npm run build`)
  })
})
