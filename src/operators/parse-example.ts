import { exampleBatch } from '../example/columnar.js'
import { compileExampleParser } from '../example/decode.js'
import type { ExampleSpec } from '../example/spec.js'
import type { Operator } from '../plan/operator.js'
import { openStages } from './stages.js'

/**
 * Parses the bytes of a `tf.train.Example` by a spec. Order: kept. Memory: none. Followed by `batch`, records are decoded
 * straight into the arrays of the batch.
 */
export interface ParseExampleParams {
  readonly spec: ExampleSpec
}

export const parseExample: Operator<ParseExampleParams> = {
  name: 'parseExample',
  describe: ({ spec }) => Object.keys(spec).join(', '),
  cardinality: (_, [input]) => input,
  stage: ({ spec }) => ({ kind: 'map', fn: compileExampleParser(spec) }),
  collector({ spec }, { rows, numbers, pool }) {
    const batch = exampleBatch(spec, rows, { numbers, pool })
    return {
      add: (record, index) => batch.add(record as Uint8Array, undefined, undefined, index),
      addRun: batch.addRun,
      finish: () => batch.finish()
    }
  },
  randomAccess({ params: { spec }, inputs: [input], ctx }) {
    if (input === null || input === undefined) return null
    const parse = compileExampleParser(spec)
    return {
      length: input.length,
      async get(indices) {
        const records = await input.get(indices)
        return records.map((record, i) => {
          try {
            return parse(record as Uint8Array)
          } catch (error) {
            throw ctx.userError(error, indices[i] as number)
          }
        })
      },
      close: () => input.close?.()
    }
  },
  lazyInputs: true,

  open({ params, node, saved, savedInputs, ctx }) {
    const [inputNode] = node.inputs
    if (inputNode === undefined) throw new TypeError('parseExample needs an input')
    return openStages([{ node, stage: { kind: 'map', fn: compileExampleParser(params.spec) } }], params, ctx, inputNode, saved, savedInputs)
  }
}
