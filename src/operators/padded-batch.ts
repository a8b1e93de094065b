import { checkNumberDType, type NumberDType } from '../array/dtype.js'
import { padStacker, type PaddedShape, type PaddedShapes, type PadValues } from '../array/pad.js'
import { isLeafSpec } from '../array/spec.js'
import type { Operator } from '../plan/operator.js'
import type { ElementSpec } from '../types.js'
import { checkInteger, checkOptions } from '../util/check.js'
import { batchedSpec } from './batched-spec.js'
import { collectRows, groupCount, type RowsParams } from './collect-rows.js'

/**
 * Stacks `size` elements into one, and pads arrays of unequal shape at the end of every axis: to the longest in the batch, or
 * to the length that `shapes` fixes; a longer element is an error at its batch. Order: kept. Memory: one batch. It reads no
 * element beyond the batches asked for. An error of the input is thrown at once; the rows before it stay, and the next pull
 * fills the same batch.
 */
export interface PaddedBatchParams extends RowsParams {
  readonly shapes: PaddedShapes | undefined
  readonly values: PadValues | undefined
  /** Dtype of plain numbers. */
  readonly numbers: NumberDType
}

/** Options of `Dataset.paddedBatch`. */
export interface PaddedBatchOptions<Drop extends boolean = boolean, D extends NumberDType = NumberDType> {
  /** Lengths to pad to, in the structure of an element; `-1`, `null` or nothing for the longest in the batch. */
  readonly shapes?: PaddedShapes
  /** Values to pad with, in the structure of an element, or one for all. @default 0, false, '' */
  readonly values?: PadValues
  /** Leave out a last batch that is not full. @default false */
  readonly dropRemainder?: Drop
  /** Dtype of plain numbers. @default 'float32' */
  readonly numbers?: D
}

/** Checks the arguments. Whether shapes and values fit the elements is seen at the first batch. */
export function paddedBatchParams(size: number, options: PaddedBatchOptions = {}): PaddedBatchParams {
  checkOptions('paddedBatch', options, ['shapes', 'values', 'dropRemainder', 'numbers'])
  return {
    size: checkInteger('paddedBatch', 'size', size, 1),
    dropRemainder: options.dropRemainder ?? false,
    shapes: options.shapes,
    values: options.values,
    numbers: checkNumberDType(options.numbers)
  }
}

export const paddedBatch: Operator<PaddedBatchParams, unknown> = {
  name: 'paddedBatch',
  describe: ({ size, dropRemainder, shapes, values, numbers }) =>
    [
      size,
      ...(shapes === undefined ? [] : [`shapes: ${text(shapes)}`]),
      ...(values === undefined ? [] : [`values: ${text(values)}`]),
      ...(dropRemainder ? ['dropRemainder'] : []),
      ...(numbers === 'float32' ? [] : [`numbers: ${numbers}`])
    ].join(', '),
  cardinality: (params, [input]) => groupCount(params, input),
  elementSpec: (params, [input]) => (input === undefined ? undefined : batchedSpec(paddedSpec(input, params.shapes), params)),
  open: args => collectRows(args, padStacker(args.params))
}

/** The spec of an element once it is padded. */
function paddedSpec(spec: ElementSpec, shapes: PaddedShapes | undefined): ElementSpec {
  if (shapes === undefined || shapes === null) return spec
  if (isLeafSpec(spec)) {
    const fixed = shapes as PaddedShape
    return { dtype: spec.dtype, shape: spec.shape.map((length, axis) => ((fixed[axis] ?? -1) >= 0 ? (fixed[axis] as number) : length)) }
  }
  const inner = shapes as { readonly [key: string]: PaddedShapes | undefined }
  const members = Object.entries(spec as { readonly [key: string]: ElementSpec }).map(([key, member]) => [key, paddedSpec(member, inner[key])] as const)
  return Array.isArray(spec) ? members.map(([, member]) => member) : (Object.fromEntries(members) as ElementSpec)
}

const text = (value: unknown): string => JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? `${member}n` : member))
