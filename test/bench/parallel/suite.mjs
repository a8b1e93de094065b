import { calibrated } from './calibrate.mjs'
import { firstRows } from './first.mjs'
import { offloadRows } from './offload.mjs'
import { peerRows } from './peers.mjs'
import { prefixRows } from './prefixes.mjs'
import { scalingRows } from './scaling.mjs'
import { serviceRows } from './service.mjs'
import { transferRows } from './transfer.mjs'
import { UTILISATION_NOTES, utilisationRows } from './utilisation.mjs'

export const title = 'parallel: threads, calls in flight, and how busy they keep an accelerator'

const PARTS = {
  scaling: scalingRows, transfer: transferRows, first: firstRows, offload: offloadRows, service: serviceRows, prefixes: prefixRows, utilisation: utilisationRows, peers: peerRows
}

const NOTES = [
  'costs of functions are rounds of integer arithmetic, as many as take that long on one thread of this machine; tuning is off unless a row says auto',
  'least cost from which on threads pay: of those measured, the least from which on all are faster than inline; 1000 µs stands for none',
  '2 plain threads run the same rounds without library or messages: what of a second core the machine has to give'
]

export async function run(options) {
  const failures = []
  const notes = [...NOTES]
  const rows = []
  const chosen = Object.entries(PARTS).filter(([name]) => name.includes(options.only))
  options.progress('calibrating')
  const rounds = await calibrated()
  for (const [name, part] of chosen) {
    rows.push(...await part({ ...options, repeats: options.quick ? 1 : options.repeats, rounds, failures, notes }))
    if (name === 'utilisation') notes.push(...UTILISATION_NOTES)
  }
  return { rows, notes, failures }
}
