import { medianPass } from '../harness/measure.mjs'
import { CONTENDERS } from './contenders.mjs'
import { BATCH, LOOPS, OTHERS, WORK } from './pipelines.mjs'

/** Elements that a contender has run before it is timed: enough for the compiler to settle. */
const WARM_UP = 2_000_000
const PASSES = 31

/** In a child: nanoseconds per source element of one contender, or of the loop. `polluted`: after ten other pipelines. */
export async function elementCost({ contender, work, polluted, scale }) {
  const loop = contender === 'loop'
  const { elements, load } = CONTENDERS[loop ? 'millrace' : contender]
  const n = Math.round(elements * scale)
  const times = { warmUp: Math.min(15, Math.ceil(WARM_UP / n)), passes: PASSES }
  const build = polluted || !loop ? await load() : undefined
  if (polluted) await pollute(build, n / 10)
  if (loop) return { nanoseconds: await medianPass(() => LOOPS[work](n), times) / n }

  const pass = build(n, WORK[work], BATCH)
  const [sum, expected] = [await pass(), await LOOPS[work](n)]
  if (sum !== expected) throw new Error(`${contender} computed ${sum} where ${expected} is right`)
  return { nanoseconds: await medianPass(pass, times) / n }
}

async function pollute(build, n) {
  for (let round = 0; round < 3; round++) {
    for (const steps of OTHERS) await build(Math.ceil(n), steps, 32)()
  }
}
