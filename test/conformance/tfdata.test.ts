import { describe, expect, test } from '@jest/globals'
import { readdirSync, readFileSync } from 'node:fs'
import type { Dataset } from '../../src/dataset.js'
import type { NdArray } from '../../src/types.js'
import { build, REDUCES, textOf, type Mode, type Pipeline } from '../fixtures/tfdata/pipeline.js'

const FOLDER = new URL('../fixtures/tfdata/', import.meta.url)

/** A case as `make.py` writes it. */
interface Case {
  readonly pipeline: Pipeline
  readonly elements?: readonly unknown[]
  readonly more?: true
  readonly typed?: true
  readonly rules?: unknown
  readonly reduce?: readonly [name: string, initial: unknown]
  readonly result?: unknown
}

const GROUPS = readdirSync(FOLDER).filter(name => name.endsWith('.json')).sort()
  .map(file => ({ file, cases: JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as readonly Case[] }))

/** An element in the words of the goldens. Numbers batch to float32 where tf.data has int64, unless dtypes are given. */
function toJson(value: unknown): unknown {
  if (typeof value === 'bigint') return { $: ['int64', [], [Number(value)]] }
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(toJson)
  if ('dtype' in value) {
    const { dtype, shape, data } = value as NdArray
    return { $: [dtype, shape, Array.from(data as Iterable<unknown>, item => (dtype === 'bool' ? item === 1 : typeof item === 'bigint' ? Number(item) : item))] }
  }
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toJson(member)]))
}

async function eventsOf(dataset: Dataset<unknown>, count: number): Promise<unknown[]> {
  const iterator = dataset.iterator()
  const events: unknown[] = []
  try {
    while (events.length < count) {
      try {
        const step = await iterator.next()
        if (step.done === true) break
        events.push(toJson(step.value))
      } catch {
        events.push({ $error: true })
      }
    }
  } finally {
    await iterator.close()
  }
  return events
}

const text = (value: unknown): string => JSON.stringify(value)

/** The golden with the dtype that plain numbers have here. */
function mapped(expected: unknown): unknown {
  return JSON.parse(text(expected).replaceAll('{"$":["int64",', '{"$":["float32",'))
}

function sorted(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, v: unknown) => typeof v === 'object' && v !== null && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1))) : v))
}

const MODES: readonly Mode[] = [{ parallel: false }, { parallel: true }]

describe.each(GROUPS)('$file', ({ cases }) => {
  test.each(MODES)('%j', async mode => {
    const failures: string[] = []
    for (const { pipeline, elements, more, typed, rules } of cases) {
      if (elements === undefined || rules !== undefined) continue
      const expected = sorted(typed ? elements : mapped(elements))
      let found: unknown
      try {
        found = sorted(await eventsOf(build(pipeline, mode), elements.length + (more ? 0 : 5)))
      } catch (error) { found = String(error) }
      if (text(found) !== text(expected)) failures.push(`${textOf(pipeline)}\n   tf  ${text(expected)}\n   we  ${text(found)}`)
    }
    if (failures.length > 0) throw new Error(`${failures.length} of ${cases.length}\n${failures.join('\n')}`)
  }, 120_000)
})
void REDUCES; void expect
