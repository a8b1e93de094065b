import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The example runs as users run it, on the built package. */
const TIMEOUT_MS = 240_000
const MAIN = 'examples/mnist/main.js'
const LAST_LINE = /^accuracy=0\.\d{4} images\/s=\d+ waited=\d+\.\d%$/

interface Finished {
  readonly code: number | null
  readonly lines: readonly string[]
  readonly errors: string
}

/** Runs node, and interrupts it once, at the first line that begins so. */
function node(args: readonly string[], interruptAt?: string): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const lines: string[] = []
    let [rest, errors] = ['', '']
    let interrupted = false
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n')
      rest = parts.pop() ?? ''
      for (const line of parts) {
        lines.push(line)
        if (interrupted || interruptAt === undefined || !line.startsWith(interruptAt)) continue
        interrupted = child.kill('SIGINT')
      }
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
    child.on('error', reject)
    child.on('close', code => { resolve({ code, lines, errors }) })
  })
}

let temporary = ''
let folder = ''
const train = (args: readonly string[] = [], interruptAt?: string): Promise<Finished> =>
  node([MAIN, '--folder', folder, '--images', '2000', '--epochs', '2', ...args], interruptAt)

/** The trained weights, and the state of the optimizer. */
async function trained(): Promise<unknown> {
  return (JSON.parse(await readFile(join(folder, 'model.json'), 'utf8')) as { artifacts: unknown }).artifacts
}

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'millrace-mnist-'))
  folder = join(temporary, 'mnist')
})
afterAll(() => rm(temporary, { recursive: true, force: true }))

describe('the MNIST example', () => {
  test('prepares the data, trains, and ends with what came of it', async () => {
    await mkdir(`${folder}.unfinished`)
    await writeFile(join(`${folder}.unfinished`, 'train-0.tfrecord'), 'what an interrupted preparation left')
    const { code, lines, errors } = await train()
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    expect(lines[0]).toMatch(/^wrote 60000 \+ 10000 images to /)
    expect(lines.filter(line => line.startsWith('epoch '))).toHaveLength(20)
    expect(lines.at(-1)).toMatch(LAST_LINE)
    expect(Number(/accuracy=([\d.]+)/.exec(lines.at(-1) ?? '')?.[1])).toBeGreaterThan(0.7)
    expect(await readdir(temporary)).toEqual(['mnist'])
    expect((await readdir(folder)).sort()).toEqual(['model.json', 'test-0.tfrecord', 'test-1.tfrecord', ...Array.from({ length: 10 }, (_, i) => `train-${i}.tfrecord`)])
  }, TIMEOUT_MS)

  test.each([['in the first epoch', 'epoch 1/2'], ['in the second epoch', 'epoch 2/2']])('stopped %s and started again, it ends with the same weights', async (_, where) => {
    const whole = await trained()
    await rm(join(folder, 'model.json'))
    const stopped = await train([], where)
    expect({ code: stopped.code, errors: stopped.errors }).toEqual({ code: 130, errors: '' })
    expect(stopped.lines.at(-1)).toMatch(/^stopped/)
    expect(await readdir(folder)).toContain('checkpoint.json')

    const resumed = await train()
    expect(resumed.lines[0]).toMatch(/^going on in epoch \d, after \d+ images$/)
    expect(resumed.lines[1]).toContain(where)
    expect(resumed.lines.at(-1)).toMatch(LAST_LINE)
    expect(await trained()).toEqual(whole)
    expect(await readdir(folder)).not.toContain('checkpoint.json')
  }, TIMEOUT_MS)

  test('does not go on with another pipeline, and says what to do', async () => {
    await train([], 'epoch 1/2')
    const { code, errors } = await train(['--seed', '7'])
    expect(code).toBe(1)
    expect(errors).toMatch(/operator 3 of 6.* is shuffle in both, but its arguments/)
    expect(errors).toContain('npm start -- --fresh')
    const anew = await train(['--seed', '7', '--fresh', '--epochs', '1'])
    expect(anew.lines[0]).toMatch(/^epoch 1\/1 /)
    expect(anew.lines.at(-1)).toMatch(LAST_LINE)
  }, TIMEOUT_MS)

  test('its batches come in the same sequence after an interruption, in another order each epoch', async () => {
    const { errors, lines } = await node(['--input-type=module', '-e', `
      import { createHash } from 'node:crypto'
      import { trainingBatches } from './examples/mnist/data.js'

      const dataset = () => trainingBatches(process.argv[1], { seed: 42, images: 20_000 })
      async function* hashes(iterator) {
        for await (const { xs, ys } of iterator) yield createHash('sha256').update(xs.data).update(ys.data).digest('hex')
      }
      async function all(iterator) {
        const found = []
        for await (const hash of hashes(iterator)) found.push(hash)
        return found
      }
      const whole = await all(dataset().iterator({ epoch: 1 }))
      const resumed = []
      for (const stop of [1, 40, 79, 80, 150]) {
        const iterator = dataset().iterator({ epoch: 1 })
        const found = []
        for await (const hash of hashes(iterator)) if (found.push(hash) === stop) break
        const position = JSON.parse(JSON.stringify(iterator.checkpoint()))
        await iterator.close()
        found.push(...await all(dataset().iterator({ from: position })))
        resumed.push(found.join() === whole.join())
      }
      const other = await all(dataset().iterator({ epoch: 2 }))
      console.log(JSON.stringify({ batches: whole.length, different: new Set([...whole, ...other]).size, resumed }))
    `, folder])
    expect(errors).toBe('')
    expect(JSON.parse(lines[0] ?? '')).toEqual({ batches: 157, different: 314, resumed: [true, true, true, true, true] })
  }, TIMEOUT_MS)

  test('explains its options, also when one is wrong', async () => {
    expect(await node([MAIN, '--help'])).toMatchObject({ code: 0, lines: expect.arrayContaining([expect.stringContaining('--epochs')]) })
    expect(await node([MAIN, '--epochs', 'two'])).toMatchObject({ code: 2, errors: expect.stringMatching(/--epochs must be an integer.*not two[^]*--fresh/) })
  }, TIMEOUT_MS)
})

/** What the tests use of `examples/mnist/progress.js`, which is plain JavaScript. */
interface Progress {
  progressBar(options: { epochs: number; images: number; waitedMs(): number; out: { isTTY: boolean; columns: number; write(text: string): void } }): {
    epochBegin(epoch: number, seen: number): void
    batchEnd(step: { size: number; loss: number; accuracy: number }): void
    epochEnd(): void
  }
}

describe('its progress bar', () => {
  const module: string = '../../examples/mnist/progress.js'

  const shown = async (isTTY: boolean): Promise<string> => {
    const { progressBar } = (await import(module)) as Progress
    let text = ''
    const bar = progressBar({ epochs: 3, images: 1000, waitedMs: () => 0, out: { isTTY, columns: 200, write: part => { text += part } } })
    bar.epochBegin(1, 500)
    for (let i = 0; i < 5; i++) {
      bar.batchEnd({ size: 100, loss: i, accuracy: 0.5 })
    }
    bar.epochEnd()
    return text
  }

  test('is a line for every tenth of an epoch where there is no terminal', async () => {
    const lines = (await shown(false)).trimEnd().split('\n')
    expect(lines).toHaveLength(5)
    expect(lines[0]).toMatch(/^epoch 2\/3 {2}━{14}─{10} {2}600\/1000 {2}\d+ images\/s {2}loss 0\.0000 {2}accuracy 0\.5000 {2}waited \d+\.\d%$/)
    expect(lines[4]).toMatch(/━{24} {2}1000\/1000 .* loss 2\.0000 /)
  })

  test('is redrawn in place on a terminal', async () => {
    const text = await shown(true)
    expect(text.split('\r\x1b[K')).toHaveLength(6)
    expect(text.endsWith('\n')).toBe(true)
    expect(text.slice(0, -1)).not.toContain('\n')
  })
})
