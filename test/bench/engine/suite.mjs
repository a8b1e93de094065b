import { elementCostRows } from './element-cost-rows.mjs'
import { firstBatchRows } from './first-batch-rows.mjs'
import { memoryRows } from './memory-rows.mjs'
import { shuffleRows } from './shuffle-rows.mjs'

export const title = 'engine: what an element costs on its way'

const PARTS = { elements: elementCostRows, shuffle: shuffleRows, first: firstBatchRows, memory: memoryRows }

const NOTES = [
  'the hand-written loop has the functions in its text, fills a fresh Float32Array(128) per batch, and awaits each batch',
  'all contenders end in Float32Array batches; RxJS pushes without ever awaiting, tfjs-data makes tensors that are disposed',
  'memory: slope of a line through 80 samples, each after a full collection, with a young generation of fixed size',
  'ratio: against the limit, how many times as long we take; against others, how many times faster we are'
]

export async function run(options) {
  const failures = []
  const rows = []
  for (const [name, part] of Object.entries(PARTS)) {
    if (name.includes(options.only)) rows.push(...await part({ ...options, failures }))
  }
  return { rows, notes: NOTES, failures }
}
