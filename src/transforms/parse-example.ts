import { at, describe, isPlainObject } from '../array/nest.js'
import { isBytes } from '../array/dtype.js'
import { compileExampleParser, fixedLen, ragged, varLen, type ExampleSpec, type Feature, type FeatureDType, type FixedLen, type ParsedExample } from '../example/index.js'
import type { Shape } from '../types.js'
import { refused } from './leaf.js'
import { makeTransform, type Transform } from './transform.js'

/** What {@link parseExample} makes. */
export interface ParseExampleTransform<S extends ExampleSpec> extends Transform {
  (record: Uint8Array): ParsedExample<S>
}

/**
 * Makes a transform that parses the bytes of a `tf.train.Example` by a spec of `fixedLen`, `varLen` and `ragged` features. It
 * does what `Dataset.parseExample` does, which also decodes straight into batches.
 *
 * @throws MillraceError `Corrupt`, `Mismatch` and `Lossy` as the function `parseExample` of `millrace`. TypeError for a wrong
 * spec.
 */
export function parseExample<const S extends ExampleSpec>(spec: S): ParseExampleTransform<S> {
  const checked = checkSpec(spec)
  const parse = compileExampleParser(checked)
  return makeTransform('parseExample', checked, (record: unknown) => {
    if (!isBytes(record)) throw refused('parseExample', `the element is ${describe(record)}${at('')}; it takes the bytes of a record (Uint8Array)`, '')
    return parse(record)
  })
}

/** The spec as its own functions make it: those who hand in JSON may write anything. */
function checkSpec(spec: unknown): ExampleSpec {
  if (!isPlainObject(spec)) throw new TypeError(`parseExample: a spec is an object with a feature per key, not ${describe(spec)}`)
  return Object.fromEntries(Object.entries(spec).map(([key, feature]) => [key, checkFeature(key, feature)]))
}

function checkFeature(key: string, feature: unknown): Feature {
  // `fixedLen` and the like check what they are given; here it is only taken apart.
  const { kind, dtype, from, shape, defaultValue, allowMissing } = (isPlainObject(feature) ? feature : {}) as Partial<FixedLen>
  const options = { ...(from !== undefined && { from }) }
  switch (kind as Feature['kind'] | undefined) {
    case 'fixedLen': return fixedLen(shape as Shape, dtype as FeatureDType, {
      ...options, ...(defaultValue !== undefined && { defaultValue }), ...(allowMissing !== undefined && { allowMissing })
    })
    case 'varLen': return varLen(dtype as FeatureDType, options)
    case 'ragged': return ragged(dtype as Exclude<FeatureDType, 'bytes'>, options)
    default: throw new TypeError(`parseExample: ${key} must be made by fixedLen, varLen or ragged`)
  }
}
