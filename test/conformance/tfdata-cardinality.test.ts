import { describe, expect, test } from '@jest/globals'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build, textOf, type Pipeline } from '../fixtures/tfdata/pipeline.js'

const FOLDER = fileURLToPath(new URL('../fixtures/tfdata/', import.meta.url))

type Count = number | 'infinite' | 'unknown'

interface Case {
  readonly pipeline: Pipeline
  readonly cardinality?: Count
}

const PLAIN = { parallel: false }

const CASES = readdirSync(FOLDER).filter(name => name.endsWith('.json')).toSorted()
  .flatMap(file => JSON.parse(readFileSync(`${FOLDER}${file}`, 'utf8')) as readonly Case[])
  .flatMap(({ pipeline, cardinality: theirs }) => (theirs === undefined ? [] : [{ pipeline, theirs, ours: countOf(pipeline), text: textOf(pipeline) }]))

function countOf(pipeline: Pipeline): Count {
  const count = build(pipeline, PLAIN).cardinality
  return count === undefined ? 'unknown' : count === Infinity ? 'infinite' : count
}

/** A cardinality that differs on purpose must be one of these. */
const DIFFERENCES: readonly { readonly why: string; readonly holds: (pipeline: Pipeline, theirs: Count, ours: Count) => boolean }[] = [
  {
    why: 'skip(-1) leaves nothing: that is known, whatever is before it. The reference says unknown, and infinite of an empty dataset.',
    holds: (pipeline, theirs, ours) => JSON.stringify(pipeline).includes('["skip",-1]') && ours === 0
  },
  {
    why: 'How many rows a function makes of an element is not known before it runs. The reference traces it.',
    holds: (pipeline, theirs, ours) =>
      /"map","fixed".*"unbatch"/.test(JSON.stringify(pipeline)) && typeof theirs === 'number' && ours === 'unknown'
  },
  {
    why: 'The rows of one given element are not counted before it is read.',
    holds: ([source, next], theirs, ours) =>
      source?.[0] === 'fromTensors' && next?.[0] === 'unbatch' && typeof theirs === 'number' && ours === 'unknown'
  },
  {
    why: 'interleave is unknown, parallel or not, as in the reference where it is not parallel: inner datasets may be empty.',
    holds: (pipeline, theirs, ours) =>
      /"interleave".*"parallel"/.test(JSON.stringify(pipeline)) && theirs === 'infinite' && ours === 'unknown'
  }
]

describe(`The cardinality of ${CASES.length} pipelines`, () => {
  test('is that of tf.data, but for the differences that are listed', () => {
    const faults = CASES
      .filter(({ pipeline, theirs, ours }) => theirs !== ours && !DIFFERENCES.some(({ holds }) => holds(pipeline, theirs, ours)))
      .map(({ text, theirs, ours }) => `${text}: ${theirs} in tf.data, ${ours} here`)
    expect(faults).toEqual([])
  })

  test.each(DIFFERENCES)('differs: $why', ({ holds }) => {
    expect(CASES.filter(({ pipeline, theirs, ours }) => theirs !== ours && holds(pipeline, theirs, ours)).length).toBeGreaterThan(0)
  })

  test('is, where it is a number, the number of elements that come', async () => {
    const faults: string[] = []
    for (const { pipeline, ours, text } of CASES) {
      if (typeof ours !== 'number') continue
      let count = 0
      try {
        for await (const element of build(pipeline, PLAIN)) if (element !== undefined) count++
      } catch {
        continue // errors take the place of elements
      }
      // As in the reference, an unknown dataset is endless when it is repeated: if it turns out to be empty, that ends at once.
      const repeatedNothing = count === 0 && JSON.stringify(pipeline).includes('["repeat"]')
      if (count !== ours && !repeatedNothing) faults.push(`${text}: ${ours}, and ${count} elements`)
    }
    expect(faults).toEqual([])
  }, 120_000)
})
