import { join } from 'node:path'
import { inChild, interleaved } from '../harness/measure.mjs'
import { atLeast, row, timesTheRate } from '../harness/rows.mjs'
import { KINDS, writeFiles } from './files.mjs'
import { findPeers, PEERS, tfData } from './peers.mjs'

export const title = 'tfrecord: file → CRC → Example → dense batches of 128'

const MODULE = join(import.meta.dirname, 'read.mjs')

const NOTES = [
  'MB of file per second of wall-clock time, file in the page cache, CRC-32C of every length and record checked by all but the plain read',
  'our batches are given back with release() when they were used, but for the rows that say otherwise',
  'the plain read is the limit: four reused buffers of 4 MiB, nothing looked at; its ratio is the share of it that we reach',
  'tf.data leaves bytes features as strings (no decode_raw), which is less work than our dense uint8 batch'
]

export async function run({ repeats, quick, peers, only, progress }) {
  const failures = []
  const found = await findPeers(peers)
  const { files, remove } = await writeFiles({ quick, only, progress })
  try {
    const results = await interleaved(files.flatMap(file => readers(file, found)), repeats, progress, failures)
    const rows = files.flatMap(file => rowsOf(file.kind, results))
    return { rows, notes: [...NOTES, ...found.notes], failures }
  } finally {
    await remove()
  }
}

function readers(file, { npm, tensorflow }) {
  const { feature, dtype, length } = KINDS[file.kind]
  const all = [
    ['plain', () => inChild(MODULE, 'readPlain', { file })],
    ['millrace', () => inChild(MODULE, 'readMillrace', { file })],
    ['millrace without release', () => inChild(MODULE, 'readMillrace', { file, kept: true })],
    ...(npm === true ? [['npm tfrecord', () => inChild(MODULE, 'readNpmTfrecord', { file, peers: PEERS })]] : []),
    ...(tensorflow !== undefined ? [['tf.data', () => tfData({ ...file, feature, dtype, length })]] : [])
  ]
  return all.map(([name, run]) => ({ key: `${name}, ${file.kind}`, run }))
}

function rowsOf(kind, results) {
  const rates = name => results.get(`${name}, ${kind}`)?.map(({ rate }) => rate / 1e6) ?? []
  const ours = rates('millrace')
  const kept = rates('millrace without release')
  if (ours.length === 0) return []
  const share = KINDS[kind].share
  const base = { name: `${kind} records`, unit: 'MB/s', ratio: timesTheRate }
  const against = (against, theirs, goal) => (theirs.length === 0 ? [] : [row({ ...base, ours, against, theirs, goal })])
  const keptAgainst = (against, theirs, goal) => (theirs.length === 0 ? [] : [row({ ...base, name: `${base.name}, batches kept`, ours: kept, against, theirs, goal })])
  return [
    ...against('plain read (limit)', rates('plain'), share === undefined ? undefined : atLeast(share)),
    ...against('npm tfrecord', rates('npm tfrecord'), atLeast(20)),
    ...against('tf.data', rates('tf.data'), atLeast(3)),
    ...keptAgainst('plain read (limit)', rates('plain')),
    ...keptAgainst('tf.data', rates('tf.data'), atLeast(1)),
    row({
      name: `${kind} records, iterator() to first batch`,
      unit: 'ms',
      ours: results.get(`millrace, ${kind}`).map(({ firstBatchMs }) => firstBatchMs),
      goal: { text: '≤ 50 ms', holds: value => value <= 50 }
    })
  ]
}
