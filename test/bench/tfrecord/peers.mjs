import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { command } from '../harness/measure.mjs'

/** Where what is no devDependency gets installed. Not under version control. */
export const PEERS = resolve(import.meta.dirname, '../.peers')

const SCRIPT = join(import.meta.dirname, 'tf_data.py')
const python = process.env.MILLRACE_PYTHON ?? 'python3'

/** Runs tf.data on a file; null asks only whether TensorFlow is there. */
export const tfData = work => command(python, [SCRIPT, JSON.stringify(work)])

/** Which peers are here, and for those that are not, how to get them. */
export async function findPeers(wanted) {
  if (!wanted) return { notes: ['npm tfrecord and TensorFlow were not measured: they need --peers'] }
  const npm = existsSync(join(PEERS, 'node_modules/tfrecord'))
  const tensorflow = await tfData(null).then(({ version }) => version, () => undefined)
  return {
    npm,
    tensorflow,
    notes: [
      npm ? 'npm tfrecord 0.2.0, with its native CRC'
        : 'SKIPPED npm tfrecord: it is not installed in test/bench/.peers; docs/benchmarks.md says how',
      tensorflow !== undefined ? `tf.data of TensorFlow ${tensorflow}: TFRecordDataset.batch(128).map(parse_example, AUTOTUNE).prefetch(AUTOTUNE)`
        : `SKIPPED tf.data: ${python} has no TensorFlow; set MILLRACE_PYTHON to one that has`
    ]
  }
}
