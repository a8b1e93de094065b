import { medianPass } from '../harness/measure.mjs'
import { CONTENDERS } from './contenders.mjs'
import { BATCH, LOOPS, OTHERS, WORK } from './pipelines.mjs'

/** In a child: nanoseconds per source element of one contender. `polluted`: after ten other pipelines. */
export async function elementCost({ contender, work, polluted, scale }) {
  const loop = contender === 'loop'
  const { elements, load } = CONTENDERS[loop ? 'millrace' : contender]
  const n = Math.max(1000, Math.round(elements * scale))
  const slow = elements < 1_000_000
  if (polluted || !loop) {
    const build = await load()
    if (polluted) await pollute(build, n / 20)
    if (!loop) {
      const pass = build(n, WORK[work], BATCH)
      const [sum, expected] = [await pass(), await LOOPS[work](n)]
      if (sum !== expected) throw new Error(`${contender} computed ${sum} where ${expected} is right`)
      return { nanoseconds: await medianPass(pass, slow ? { warmUp: 1, passes: 3 } : { warmUp: 5, passes: 11 }) / n }
    }
  }
  return { nanoseconds: await medianPass(() => LOOPS[work](n), { warmUp: 5, passes: 11 }) / n }
}

async function pollute(build, n) {
  for (let round = 0; round < 3; round++) {
    for (const steps of OTHERS) await build(Math.ceil(n), steps, 32)()
  }
}
