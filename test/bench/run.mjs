/**
 * Benchmarks of the built package: `npm run bench -- [suite …] [--json] [--peers] [--quick] [--repeats N] [--only TEXT]`.
 *
 * A table, or with `--json` one JSON document and nothing else on standard output (progress goes to standard error). Missed
 * goals are reported, and the exit code is 0; it is 1 when something could not be measured at all.
 */
import { arch, cpus, loadavg, totalmem } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { table } from './harness/table.mjs'

/** One line per suite. Each module has `title`, and `run(options)` that returns `{ rows, notes }`. */
const SUITES = {
  autotune: () => import('./autotune/suite.mjs'),
  engine: () => import('./engine/suite.mjs'),
  formats: () => import('./formats/suite.mjs'),
  parallel: () => import('./parallel/suite.mjs'),
  stores: () => import('./stores/suite.mjs'),
  tfrecord: () => import('./tfrecord/suite.mjs')
}

const HELP = `npm run bench -- [suite …] [options]

Suites: ${Object.keys(SUITES).join(', ')}; all of them when none is named.

  --json         print JSON instead of a table
  --peers        also measure what has to be installed apart: npm tfrecord, TensorFlow, h5py, torch, boto3 … (see docs/benchmarks.md)
  --quick        fewer elements, smaller files: shows that it runs, not what it reaches
  --repeats N    interleaved repeats of every measurement, each in a process of its own (default 5)
  --only TEXT    only the parts of a suite whose name contains TEXT
  --dist DIR     measure the build in DIR instead of ./dist`

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    peers: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    repeats: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    dist: { type: 'string' },
    help: { type: 'boolean', default: false }
  }
})

if (options.help) {
  console.log(HELP)
} else {
  process.exitCode = await main()
}

async function main() {
  const names = positionals.length > 0 ? positionals : Object.keys(SUITES)
  const unknown = names.find(name => !Object.hasOwn(SUITES, name))
  const repeats = Number(options.repeats)
  if (unknown !== undefined || !Number.isInteger(repeats) || repeats < 1) {
    console.error(unknown === undefined ? '--repeats must be a whole number of at least 1' : `there is no suite ${unknown}`)
    console.error(HELP)
    return 1
  }
  if (options.dist !== undefined) process.env.MILLRACE_DIST = resolve(options.dist)

  const suites = []
  let failed = false
  for (const name of names) {
    const suite = await SUITES[name]()
    progress(suite.title)
    const { rows, notes, failures } = await suite.run({ repeats, quick: options.quick, peers: options.peers, only: options.only, progress })
    suites.push({ suite: name, title: suite.title, rows, notes })
    for (const failure of failures) console.error(`could not be measured: ${failure}`)
    failed ||= failures.length > 0
    if (!options.json) console.log(table(suite.title, rows, notes))
  }
  if (options.json) console.log(JSON.stringify({ machine: machine(), quick: options.quick, repeats, suites, rows: suites.flatMap(({ suite, rows }) => rows.map(row => ({ suite, ...row }))) }, null, 2))
  return failed ? 1 : 0
}

function machine() {
  return {
    node: process.version,
    platform: `${process.platform} ${arch()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    loadAverage: loadavg()[0],
    date: new Date().toISOString()
  }
}

/** One line that is written over, for people who watch. */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}
