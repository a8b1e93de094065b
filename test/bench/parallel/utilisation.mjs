import { openSync, read, closeSync } from 'node:fs'
import { inChild, interleaved, median } from '../harness/measure.mjs'
import { row, timesTheRate } from '../harness/rows.mjs'
import { folder, forget, npzFiles, recordFiles } from './files.mjs'

const MODULE = import.meta.filename

/**
 * The workloads of MLPerf Storage v1.0 (mlcommons/storage, its YAML of each workload and accelerator): sizes in bytes, samples per file,
 * samples per step, and seconds that an A100 or H100 computes for a step. `files` and `steps` are ours, for a run of some seconds.
 */
const WORKLOADS = {
  'U-Net3D': { kind: 'npz', bytes: 146_600_628, perFile: 1, batch: 7, seconds: { A100: 0.636, H100: 0.323 }, files: 28, steps: 14 },
  'ResNet-50': { kind: 'tfrecord', bytes: 114_660, perFile: 1251, batch: 400, seconds: { A100: 0.435, H100: 0.224 }, files: 6, steps: 10 },
  CosmoFlow: { kind: 'tfrecord', bytes: 2_828_486, perFile: 1, batch: 1, seconds: { A100: 0.00551, H100: 0.0035 }, files: 400, steps: 400 }
}
/** Whether all of it is done on worker threads. */
const WAYS = { "workers 'auto'": 'auto', 'no workers': 0 }
const BEST = "workers 'auto'"
const LEAST_STEPS = 10
/** What takes longer than that has shown enough. */
const MOST_MS = 12_000
/** What U-Net3D's reader hands on of each volume. */
const RESIZED = 2_097_152

const stepOf = ([name, { seconds: { A100, H100 }, batch }]) =>
  `${name} ${A100 * 1000} and ${H100 * 1000} ms for ${batch === 1 ? 'a sample' : `${batch} samples`}`

export const UTILISATION_NOTES = [
  'accelerator utilisation (AU) as in MLPerf Storage: compute time / total time, the first step left out. The accelerator is simulated: a precise sleep of the '
  + `time per step that MLPerf Storage v1.0 gives for an A100 or H100 (${Object.entries(WORKLOADS).map(stepOf).join('; ')}); all samples have the mean size`,
  'AU asks 90 % of U-Net3D and ResNet-50 and 70 % of CosmoFlow there; our goal is 98 % wherever the plain read of the same files is 1.25 times what the accelerator takes or more',
  'warm: the files are in the page cache; cold: the system was told to forget them (dd iflag=nocache), one pass'
]

/** How busy an accelerator is kept. Three repeats will do. */
export async function utilisationRows({ repeats, quick, progress, failures }) {
  const times = Math.min(repeats, 3)
  const rows = []
  for (const [name, workload] of Object.entries(WORKLOADS)) {
    const place = await folder()
    try {
      progress(`writing files for ${name}`)
      const files = await filesOf(place, workload, quick)
      rows.push(...await rowsOf(name, workload, files, { times, quick, progress, failures }))
    } finally {
      await place.remove()
    }
  }
  return rows
}

function filesOf(place, { kind, bytes, perFile, files, batch }, quick) {
  if (kind === 'npz') return npzFiles(place, 'volume', { count: quick ? batch * 2 : files, bytes: quick ? bytes / 12 | 0 : bytes })
  return recordFiles(place, 'shard', { count: quick ? Math.min(files, 40) : files, records: quick ? Math.ceil(perFile / 6) : perFile, bytes })
}

async function rowsOf(name, { kind, bytes: nominal, batch, seconds, steps }, files, { times, quick, progress, failures }) {
  const { paths, fileBytes, pattern, bytes, rows } = files
  const cold = await forget(paths)
  const measurements = Object.entries(seconds).flatMap(([accelerator, time]) => {
    const work = { kind, pattern, bytes, batch, ms: time * 1000 }
    const most = Math.floor(rows / batch) - 1
    const runs = [
      ...Object.keys(WAYS).filter(way => way === BEST || accelerator === 'H100').map(way => ({ state: 'warm', way, count: quick ? Math.min(2, steps) : steps })),
      // What is ready when the first step ends comes for nothing: over a few steps it would be most of it.
      ...(cold && accelerator === 'H100' && most >= LEAST_STEPS ? [{ state: 'cold', way: BEST, count: Math.min(most, steps) }] : [])
    ]
    return runs.map(({ state, way, count }) => ({
      key: `${accelerator}, ${way}, ${state}`,
      async run() {
        if (state === 'cold') await forget(paths)
        return inChild(MODULE, 'utilisation', { ...work, steps: count, workers: WAYS[way] })
      }
    }))
  })
  // Warm runs are not warm before the first of them has read everything: a plain read goes before.
  const plain = ['warm', ...(cold ? ['cold'] : [])].map(state => ({
    key: `plain, ${state}`,
    async run() {
      if (state === 'cold') await forget(paths)
      else await inChild(MODULE, 'readAll', { paths })
      return fileBytes / await inChild(MODULE, 'readAll', { paths }) / 1000
    }
  }))
  const alone = Object.entries(seconds).map(([accelerator, time]) => ({ key: `${accelerator}, alone`, run: () => inChild(MODULE, 'accelerateOnly', { ms: time * 1000, steps: Math.min(steps, 200) }) }))
  const order = [plain[0], ...alone, ...measurements.filter(({ key }) => key.endsWith('warm')), ...plain.slice(1), ...measurements.filter(({ key }) => key.endsWith('cold'))]
  const results = await interleaved(order, times, progress, failures)

  return Object.entries(seconds).flatMap(([accelerator, time]) => ['warm', 'cold'].flatMap(state => {
    const rates = results.get(`plain, ${state}`) ?? []
    const alone = results.get(`${accelerator}, alone`)
    if (rates.length === 0 || alone.length === 0) return []
    const needed = batch * nominal / time / 1e6
    const allowed = median(rates) >= 1.25 * needed
    const label = `${name}, ${accelerator}, ${state}`
    const shares = Object.keys(WAYS).flatMap(way => {
      const ours = results.get(`${accelerator}, ${way}, ${state}`) ?? []
      const goal = allowed && way === BEST ? { goal: { text: '≥ 98 %', holds: value => value >= 98 } } : {}
      return ours.length === 0 ? [] : [row({ name: `AU of ${label}, ${way}`, unit: '%', ours, against: 'the accelerator without data (limit)', theirs: alone, ...goal })]
    })
    if (shares.length === 0 && accelerator !== 'H100') return []
    return [...shares, row({ name: `plain read for ${label}`, unit: 'MB/s', ours: rates, against: 'what it takes', theirs: rates.map(() => needed), ratio: timesTheRate })]
  }))
}

/** In a child: percent of the time that the accelerator computes. */
export async function utilisation({ kind, pattern, bytes, batch, ms, steps, workers }) {
  const { Dataset, fixedLen, release, working } = await import('./package.mjs')
  const samples = kind === 'npz'
    ? Dataset.npz(pattern, { element: 'file' }).map(await working('cropped', RESIZED))
    : Dataset.tfrecord(pattern).parseExample({ image: fixedLen([bytes], 'uint8', { from: 'bytes' }), label: fixedLen([], 'int64') })
  const iterator = samples.batch(batch).repeat().prefetch('auto').options({ workers }).iterator()
  const step = async () => {
    const { value } = await iterator.next()
    await accelerate(ms)
    release(value)
  }
  await step()
  const start = performance.now()
  let done = 0
  for (; done < steps && performance.now() - start < MOST_MS; done++) await step()
  const share = 100 * done * ms / (performance.now() - start)
  await iterator.close()
  return share
}

/** In a child: the same without data, which shows how well this process sleeps. */
export async function accelerateOnly({ ms, steps }) {
  await accelerate(ms)
  const start = performance.now()
  for (let i = 0; i < steps; i++) await accelerate(ms)
  return 100 * steps * ms / (performance.now() - start)
}

/** Timers are late by up to a millisecond or so: the last ones are spent looking at the clock, in turns with whatever else there is to do. */
async function accelerate(ms) {
  const end = performance.now() + ms
  if (ms > 3) await new Promise(resolve => setTimeout(resolve, Math.floor(ms - 2)))
  while (performance.now() < end) await new Promise(resolve => setImmediate(resolve))
}

/** In a child: milliseconds to read all files, four reads of 4 MiB under way. */
export async function readAll({ paths }) {
  const buffers = Array.from({ length: 4 }, () => Buffer.alloc(4 * 2 ** 20))
  const left = [...paths]
  const start = performance.now()
  const lane = buffer => new Promise((resolve, reject) => {
    let fd
    const next = () => {
      const path = left.shift()
      if (path === undefined) return resolve()
      fd = openSync(path)
      step()
    }
    const step = () => read(fd, buffer, 0, buffer.length, null, (error, got) => {
      if (error) return reject(error)
      if (got > 0) return step()
      closeSync(fd)
      next()
    })
    next()
  })
  await Promise.all(buffers.map(lane))
  return performance.now() - start
}
