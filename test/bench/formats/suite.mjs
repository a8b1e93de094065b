import { join } from 'node:path'
import { command, inChild, interleaved } from '../harness/measure.mjs'
import { atLeast, row, timesTheRate } from '../harness/rows.mjs'
import * as tfrecord from '../tfrecord/suite.mjs'
import { writeFiles } from './files.mjs'

export const title = 'formats: files → batches of 128 rows of 1 KB'

const MODULE = join(import.meta.dirname, 'read.mjs')
const SCRIPT = join(import.meta.dirname, 'peers.py')
const python = process.env.MILLRACE_PYTHON ?? 'python3'
const peer = work => command(python, [SCRIPT, JSON.stringify(work)], { PYTHONWARNINGS: 'ignore' })

const NOTES = [
  'MB of decoded rows per second of wall-clock time, files in the page cache; our batches are given back with release(), but for the rows that say otherwise',
  'the memory copy makes the same batches out of an array in memory; the inflate limit is zlib alone, all members at once on its threads',
  'naive h5wasm reads one row at a time, at random, as its interface suggests; sharp alone has the files in memory and the best of 1 to 16 at once'
]

/** What is measured of each file: the function in read.mjs of ours and of the others, with the goal of the ratio. */
const PLAN = {
  'npy, fresh batches': { file: 'npy', ours: 'readNpyFresh', against: [['memory copy into fresh arrays (limit)', 'copyRowsFresh', atLeast(0.8)]] },
  npy: { ours: 'readNpy', against: [['memory copy (limit)', 'copyRows', atLeast(0.8)], ['plain read', 'readPlain', undefined], ['numpy + torch DataLoader', 'torch', undefined]] },
  'npz stored': { ours: 'readNpz', against: [['memory copy (limit)', 'copyRows', atLeast(0.8)]] },
  'npz deflated': { ours: 'readDeflatedNpz', against: [['zlib on all cores (limit)', 'inflateMembers', atLeast(0.9)]] },
  'hdf5 contiguous': { ours: 'readHdf5', against: [['h5py', 'h5py', atLeast(1)], ['h5wasm', 'readH5wasm', undefined], ['memory copy (limit)', 'copyRows', undefined]] },
  'hdf5 gzip': { ours: 'readHdf5', against: [['h5py', 'h5py', atLeast(2)], ['h5wasm', 'readH5wasm', undefined]] },
  'hdf5 gzip+shuffle': { ours: 'readHdf5', against: [['h5py', 'h5py', atLeast(2)], ['h5wasm', 'readH5wasm', undefined]] },
  'hdf5 gzip, shuffled rows': { file: 'hdf5 gzip', ours: 'shuffleHdf5', against: [['naive h5wasm', 'shuffleH5wasm', atLeast(50)]] },
  'jpeg, files in memory': { file: 'jpeg', ours: 'decodeInMemory', unit: 'images/s', against: [['sharp alone (limit)', 'sharpImages', atLeast(0.9)]] },
  jpeg: { ours: 'decodeImages', unit: 'images/s', against: [['sharp alone (limit)', 'sharpImages', atLeast(0.9)]] }
}
const PYTHON = { h5py: ['h5py'], torch: ['numpy', 'torch'] }

export async function run(options) {
  const { repeats, quick, peers, only, progress } = options
  const failures = []
  const versions = peers ? await peer(null).catch(() => ({})) : {}
  const here = reader => PYTHON[reader].every(name => versions[name] !== undefined)
  const { files, remove } = await writeFiles({ quick, only, progress })
  try {
    const measurements = []
    for (const [name, { file = name, ours, against }] of Object.entries(PLAN)) {
      if (files[file] === undefined) continue
      for (const reader of [ours, ...against.map(([, reader]) => reader)]) {
        if (PYTHON[reader] === undefined) measurements.push({ key: `${reader}, ${name}`, run: () => inChild(MODULE, reader, files[file]) })
        else if (here(reader)) measurements.push({ key: `${reader}, ${name}`, run: () => peer({ reader, ...files[file] }) })
      }
    }
    const results = await interleaved(measurements, repeats, progress, failures)
    const rows = Object.entries(PLAN).flatMap(([name, plan]) => rowsOf(name, plan, results))
    const records = await tfrecord.run(options)
    return { rows: [...rows, ...records.rows], notes: [...NOTES, ...peerNotes(peers, versions, here), ...records.notes], failures: [...failures, ...records.failures] }
  } finally {
    await remove()
  }
}

function rowsOf(name, { ours, unit = 'MB/s', against }, results) {
  const rates = reader => (results.get(`${reader}, ${name}`) ?? []).map(rate => (unit === 'MB/s' ? rate / 1e6 : rate))
  const own = rates(ours)
  if (own.length === 0) return []
  return against.flatMap(([title, reader, goal]) => {
    const theirs = rates(reader)
    return theirs.length === 0 ? [] : [row({ name, unit, ours: own, against: title, theirs, ratio: timesTheRate, goal })]
  })
}

function peerNotes(wanted, versions, here) {
  if (!wanted) return ['h5py, numpy and torch were not measured: they need --peers']
  return Object.entries(PYTHON).map(([reader, names]) => (here(reader)
    ? `${reader}: ${names.map(name => `${name} ${versions[name]}`).join(', ')}`
    : `SKIPPED ${reader}: ${python} has no ${names.filter(name => versions[name] === undefined).join(', ')}; set MILLRACE_PYTHON to one that has`))
}
