import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'

interface Mutant {
  readonly file: string
  readonly line: number
  readonly text: string
  readonly killedBy?: string
}

/** Conditions without which wrong bytes would pass. All others are tried as well where there is time for it: MILLRACE_MUTATION=1. */
const SOME = ['last > wanted', 'asked.version !== \'\' && version === \'\'', 'asked.size >= 0 && announced >= 0 && announced !== asked.size']
const ALL = process.env['MILLRACE_MUTATION'] !== undefined

test(`${ALL ? 'every check' : 'some checks'} of a reply would be missed by the fault matrix`, async () => {
  const script = fileURLToPath(new URL('mutate.mjs', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...(ALL ? [] : SOME)], { maxBuffer: 1 << 26 })
  const mutants = JSON.parse(stdout) as Mutant[]
  expect(mutants.filter(({ killedBy }) => killedBy === undefined)).toEqual([])
  if (ALL) expect(mutants.length).toBeGreaterThan(30)
  else expect(mutants.map(({ text }) => text).sort()).toEqual([...SOME].sort())
}, ALL ? 900_000 : 120_000)
