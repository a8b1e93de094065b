import { checkSpec, specChecker } from '../array/spec-check.js'
import { formatSpec } from '../array/spec.js'
import type { Operator } from '../plan/operator.js'
import type { ElementSpec } from '../types.js'
import { map, type MapParams } from './map.js'
import { openStages } from './stages.js'

/**
 * Declares the structure of the elements, and checks every element against it: one that does not fit is an error `Mismatch`
 * at that element, with the key path. Order: kept. Memory: none. Random access is kept.
 *
 * `-1` stands for an axis of any length, and the dtype `unknown` for anything. Plain numbers count as float32 of shape `[]`,
 * booleans as bool, bigints as int64, strings as string; byte strings are `bytes []`, and a list of them is `bytes [n]`.
 */
export interface AssertElementSpecParams {
  readonly spec: ElementSpec
  /** Returns the element, or throws. */
  readonly check: (element: unknown) => unknown
}

/** Checks and compiles the spec. */
export function assertElementSpecParams(spec: ElementSpec): AssertElementSpecParams {
  return { spec: checkSpec('assertElementSpec', spec), check: specChecker(spec) }
}

const asMap = ({ check }: AssertElementSpecParams): MapParams => ({ fn: check, seed: undefined, parallel: undefined, deterministic: true })

export const assertElementSpec: Operator<AssertElementSpecParams, unknown> = {
  name: 'assertElementSpec',
  describe: ({ spec }) => formatSpec(spec),
  identity: ({ spec }) => spec,
  cardinality: (_, [input]) => input,
  elementSpec: ({ spec }) => spec,
  stage: ({ check }) => ({ kind: 'map', fn: check }),
  lazyInputs: true,
  randomAccess: ({ params, ...rest }) => map.randomAccess?.({ params: asMap(params), ...rest }) ?? null,

  open({ params, node, saved, savedInputs, ctx }) {
    const [inputNode] = node.inputs
    if (inputNode === undefined) throw new TypeError('assertElementSpec needs an input')
    return openStages([{ node, stage: { kind: 'map', fn: params.check } }], params, ctx, inputNode, saved, savedInputs)
  }
}
