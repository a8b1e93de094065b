import { describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { build, textOf, type Pipeline } from '../fixtures/tfdata/pipeline.js'

const read = (file: string) => JSON.parse(readFileSync(new URL(`../fixtures/tfdata/${file}`, import.meta.url), 'utf8')) as readonly { readonly pipeline: Pipeline; readonly cardinality: unknown }[]

describe('x', () => {
  test('y', () => {
    const fails: string[] = []
    for (const f of ['cardinalities', 'random', 'errors', 'buffers', 'state', 'joins', 'nested', 'windows', 'batches', 'selection', 'functions', 'sources', 'shuffled'])
    for (const { pipeline, cardinality } of read(f + '.json')) {
      const c = build(pipeline, { parallel: false }).cardinality
      const found = c === undefined ? 'unknown' : c === Infinity ? 'infinite' : c
      if (found !== cardinality) fails.push(`${f} ${textOf(pipeline)}: tf ${cardinality}, we ${found}`)
    }
    expect(fails.join('\n')).toBe('')
  })
})
