import { inChild, interleaved } from '../harness/measure.mjs'
import { row, timesTheLimit } from '../harness/rows.mjs'
import { noteThreads } from './threads.mjs'
import { MACHINE } from './calibrate.mjs'

const MODULE = import.meta.filename
const SHAPE = [224, 224, 3]
const BATCH = 128

/** What batches of 128 × 224 × 224 × 3 bytes cost when they come from a worker, beyond what they cost without one. */
export async function transferRows({ repeats, quick, progress, failures, notes }) {
  const ms = quick ? 300 : 1500
  const results = await interleaved([
    ...[true, false].flatMap(released => [0, 1].map(parallel => ({
      key: `${parallel}, ${released}`,
      run: () => inChild(MODULE, 'batchTime', { parallel, released, ms })
    }))),
    { key: 'bare', run: () => inChild(MACHINE, 'transferThereAndBack', { bytes: BATCH * 224 * 224 * 3 }) }
  ], repeats, progress, failures)

  const goal = { text: '≤ 1 ms', holds: value => value <= 1 }
  return [true, false].flatMap(released => {
    const of = (parallel, field) => results.get(`${parallel}, ${released}`).map(result => result[field])
    if (of(0, 'batchMs').length === 0 || of(1, 'batchMs').length === 0) return []
    const how = `19 MB batch${released ? ', released' : ', kept'}`
    const inline = of(0, 'batchMs')
    noteThreads(notes, how, results.get(`1, ${released}`))
    const bare = results.get('bare')
    return [
      row({
        name: `${how}: from a worker, beyond inline`, unit: 'ms/batch', ours: of(1, 'batchMs').map((value, i) => value - inline[i]), goal,
        ...(bare.length > 0 && { against: 'bare transfer there and back', theirs: bare })
      }),
      row({ name: `${how}: from a worker`, unit: 'ms/batch', ours: of(1, 'batchMs'), against: 'inline', theirs: inline, ratio: timesTheLimit }),
      row({ name: `${how}: this thread busy`, unit: 'ms/batch', ours: of(1, 'busyMs'), against: 'inline', theirs: of(0, 'busyMs'), ratio: timesTheLimit })
    ]
  })
}

/** In a child: milliseconds per batch of rows that cost nothing to make; `parallel` 0 is inline. */
export async function batchTime({ parallel, released, ms }) {
  const { endless, working } = await import('./package.mjs')
  const { steady } = await import('./steady.mjs')
  const mapped = endless().map(await working('sameRow', SHAPE), parallel === 0 ? {} : { parallel })
  return steady(mapped.batch(BATCH).options({ autotune: false }), { warmUpMs: ms / 2, ms, released })
}
