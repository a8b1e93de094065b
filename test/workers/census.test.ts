import { expect, test } from '@jest/globals'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

test('nothing is left of threads after the end, an error, an exit, an abort and a break, and threads that persist let the process end', async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [fileURLToPath(new URL('./modules/census.mjs', import.meta.url))], { timeout: 60_000 })
  const none = { threads: 0, resources: 0 }
  expect(JSON.parse(stdout)).toEqual({ plain: none, throw: none, exit: none, abort: none, break: none, persist: { resources: 0 } })
  expect(stderr).toBe('')
}, 90_000)
