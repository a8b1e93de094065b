/**
 * Who competes. `build(steps, size)` makes, for a source of `n` numbers, a function that runs the pipeline once and returns
 * the sum of the first values of its batches, by which the results are compared. `elements` is `n`, so that one pass takes
 * some milliseconds: long enough to time, and too short to be interrupted often. Libraries are loaded when they are asked for.
 */
import { createRequire } from 'node:module'
import { Readable, Transform } from 'node:stream'
import { millrace } from '../package.mjs'

const require = createRequire(import.meta.url)

export const CONTENDERS = {
  millrace: {
    elements: 200_000,
    async load() {
      const { Dataset } = await millrace()
      return (n, steps, size) => {
        const dataset = steps.reduce((dataset, [kind, fn]) => dataset[kind](fn), Dataset.range(n)).batch(size)
        return async () => {
          let sum = 0
          for await (const batch of dataset) sum += first(batch)
          return sum
        }
      }
    }
  },

  'streaming-iterables': {
    elements: 10_000,
    async load() {
      const { batch, filter, map } = await import('streaming-iterables')
      const operators = { map, filter }
      return (n, steps, size) => async () => {
        const source = steps.reduce((source, [kind, fn]) => operators[kind](fn, source), numbers(n))
        let sum = 0
        for await (const values of batch(size, source)) sum += first(stacked(values))
        return sum
      }
    }
  },

  ix: {
    elements: 10_000,
    async load() {
      const { range } = await import('ix/asynciterable')
      const { buffer, filter, map } = await import('ix/asynciterable/operators')
      const operators = { map, filter }
      return (n, steps, size) => async () => {
        const source = steps.reduce((source, [kind, fn]) => source.pipe(operators[kind](fn)), range(0, n))
        let sum = 0
        for await (const values of source.pipe(buffer(size))) sum += first(stacked(values))
        return sum
      }
    }
  },

  'tfjs-data': {
    elements: 5_000,
    async load() {
      process.env.TF_CPP_MIN_LOG_LEVEL = '3'
      const warn = console.warn
      console.warn = () => undefined // it recommends tfjs-node
      const tf = require('@tensorflow/tfjs')
      await tf.ready()
      console.warn = warn
      return (n, steps, size) => async () => {
        const source = steps.reduce((source, [kind, fn]) => source[kind](fn), tf.data.generator(() => numbers(n)))
        let sum = 0
        await source.batch(size).forEachAsync(batch => {
          sum += batch.dataSync?.()[0] ?? 0
          tf.dispose(batch)
        })
        return sum
      }
    }
  },

  'Node Transform': {
    elements: 10_000,
    async load() {
      return (n, steps, size) => async () => {
        const source = steps.reduce((source, [kind, fn]) => source.pipe(new Transform({
          objectMode: true,
          transform(value, _, done) {
            if (kind === 'map') done(null, fn(value))
            else if (fn(value)) done(null, value)
            else done()
          }
        })), Readable.from(numbers(n)))
        return batched(source, size)
      }
    }
  },

  'Node Readable.map': {
    elements: 2_000,
    async load() {
      return (n, steps, size) => async () =>
        batched(steps.reduce((source, [kind, fn]) => source[kind](fn), Readable.from(numbers(n))), size)
    }
  },

  RxJS: {
    elements: 100_000,
    async load() {
      const { bufferCount, filter, map, range } = await import('rxjs')
      const operators = { map, filter }
      return (n, steps, size) => async () => {
        let sum = 0
        await range(0, n)
          .pipe(...steps.map(([kind, fn]) => operators[kind](fn)), bufferCount(size), map(stacked))
          .forEach(values => { sum += first(values) })
        return sum
      }
    }
  }
}

function* numbers(n) {
  for (let i = 0; i < n; i++) yield i
}

/** What those who have no batches of their own leave to the consumer. */
async function batched(source, size) {
  let sum = 0
  let values = []
  for await (const value of source) {
    values.push(value)
    if (values.length < size) continue
    sum += first(stacked(values))
    values = []
  }
  if (values.length > 0) sum += first(stacked(values))
  return sum
}

/** A batch of numbers as a Float32Array; the other pipelines have elements of other types. */
const stacked = values => (typeof values[0] === 'number' ? new Float32Array(values) : values)

function first(batch) {
  if (ArrayBuffer.isView(batch)) return batch[0]
  return typeof batch.data?.[0] === 'number' ? batch.data[0] : 0
}
