import { join } from 'node:path'
import { command, inChild, interleaved } from '../harness/measure.mjs'
import { atLeast, atMost, row, timesTheRate } from '../harness/rows.mjs'
import { startOrigin } from './origin.mjs'

export const title = 'stores: objects of one fast origin on this machine → bytes in memory'

const MODULE = join(import.meta.dirname, 'clients.mjs')
const SCRIPT = join(import.meta.dirname, 'peers.py')
const python = process.env.MILLRACE_PYTHON ?? 'python3'
const peer = work => command(python, [SCRIPT, JSON.stringify(work)], { PYTHONWARNINGS: 'ignore' })

/** Objects by their names, with how many are asked for at a time. */
const OBJECTS = { '4k': { size: 4096, concurrency: 32 }, '128k': { size: 128 << 10, concurrency: 32 }, '8m': { size: 8 << 20, concurrency: 8 } }
const LARGE = { size: 1 << 30, quick: 64 << 20 }

/** Who is measured against, by the function in clients.mjs, with the goals by the name of the object. */
const AGAINST = {
  undiciDispatch: { title: 'undici, bare dispatch', goals: { '128k': atLeast(0.9), '8m': atLeast(0.9) } },
  undiciRequest: { title: 'undici, request', goals: {} },
  nodeHttp: { title: 'node:http', goals: {} },
  awsSdk: { title: '@aws-sdk/client-s3', goals: { '4k': atLeast(8) } },
  azureSdk: { title: '@azure/storage-blob', goals: {} },
  gcsSdk: { title: '@google-cloud/storage', goals: {} }
}
const PEERS = ['boto3', 's3torchconnector', 's3dlio']

const NOTES = [
  'the store of s3://, signed, with every check; the others as they come, but for keep-alive; 32 objects in flight (8 of the 8 MB ones)',
  'CPU is that of the client per object; the origin shares the machine',
  '1 GB: memory that was there before the read; the limit is the best of 1 and 8 MB ranges, 8 at a time, over bare sockets that read into the array'
]

export async function run({ repeats, quick, peers, only, progress }) {
  const failures = []
  const versions = peers ? await peer(null).catch(() => ({})) : {}
  const seconds = quick ? 0.5 : 2
  const large = quick ? LARGE.quick : LARGE.size
  progress('writing objects')
  const origin = await startOrigin({ ...Object.fromEntries(Object.entries(OBJECTS).map(([name, { size }]) => [name, size])), '1g': large })
  try {
    const { port } = origin
    const measurements = []
    for (const [name, object] of Object.entries(OBJECTS)) {
      if (!name.includes(only)) continue
      const work = { port, name, seconds, endpoint: `http://127.0.0.1:${port}`, ...object }
      for (const client of ['ours', 'oursHttp', 'oursSource', ...Object.keys(AGAINST)]) measurements.push({ key: `${client} ${name}`, run: () => inChild(MODULE, client, work) })
      for (const client of PEERS) if (versions[client] !== undefined) measurements.push({ key: `${client} ${name}`, run: () => peer({ ...work, client }) })
    }
    if ('1g'.includes(only)) {
      const work = { port, name: '1g', size: large, seconds, concurrency: 8 }
      measurements.push({ key: 'oursLarge', run: () => inChild(MODULE, 'oursLarge', work) })
      for (const client of ['undiciLarge', 'socketsLarge']) {
        for (const chunk of [1 << 20, 8 << 20]) measurements.push({ key: `${client} ${chunk}`, run: () => inChild(MODULE, client, { ...work, chunk }) })
      }
      measurements.push({ key: 'oursMemory', run: () => inChild(MODULE, 'oursMemory', work, { flags: ['--expose-gc'] }) })
    }
    const results = await interleaved(measurements, repeats, progress, failures)
    const rows = [...Object.keys(OBJECTS).flatMap(name => rowsOf(name, results)), ...largeRows(results)]
    return { rows, notes: [`origin: ${origin.kind}, one worker`, ...NOTES, ...peerNotes(peers, versions)], failures }
  } finally {
    await origin.close()
  }
}

function rowsOf(name, results) {
  const of = (client, field) => (results.get(`${client} ${name}`) ?? []).map(result => result[field])
  const own = of('ours', 'rate')
  if (own.length === 0) return []
  const clients = [...Object.entries(AGAINST), ...PEERS.map(title => [title, { title, goals: {} }]), ['oursHttp', { title: 'ours, http://', goals: {} }], ['oursSource', { title: 'ours, open and read', goals: {} }]]
  return clients.flatMap(([client, { title, goals }]) => {
    const theirs = of(client, 'rate')
    if (theirs.length === 0) return []
    return [
      row({ name, unit: 'objects/s', ours: own, against: title, theirs, ratio: timesTheRate, goal: goals[name] }),
      row({ name: `${name}, CPU`, unit: 'µs/object', ours: of('ours', 'cpu'), against: title, theirs: of(client, 'cpu'), ratio: timesTheRate })
    ]
  })
}

function largeRows(results) {
  const rates = key => (results.get(key) ?? []).map(({ rate }) => rate / 1e9)
  const own = rates('oursLarge')
  if (own.length === 0) return []
  const best = client => {
    const [small, large] = [rates(`${client} ${1 << 20}`), rates(`${client} ${8 << 20}`)]
    return own.map((_, i) => Math.max(small[i] ?? 0, large[i] ?? 0))
  }
  return [
    row({ name: '1 GB into one array', unit: 'GB/s', ours: own, against: 'bare sockets, parallel ranges (limit)', theirs: best('socketsLarge'), ratio: timesTheRate, goal: atLeast(0.9) }),
    row({ name: '1 GB into one array', unit: 'GB/s', ours: own, against: 'undici, parallel ranges', theirs: best('undiciLarge'), ratio: timesTheRate, goal: atLeast(0.9) }),
    row({ name: '1 GB, memory', unit: '× the object', ours: (results.get('oursMemory') ?? []).map(({ share }) => share), goal: atMost(1.1) })
  ]
}

function peerNotes(wanted, versions) {
  if (!wanted) return ['boto3, s3torchconnector and s3dlio were not measured: they need --peers']
  return PEERS.map(name => (versions[name] === undefined ? `SKIPPED ${name}: ${python} does not have it; set MILLRACE_PYTHON to one that does` : `${name} ${versions[name]}`))
}
