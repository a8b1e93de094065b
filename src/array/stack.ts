import type { Batched } from './batched.js'
import { compile, type Column } from './columns.js'
import { checkNumberDType, type NumberDType } from './dtype.js'
import { alike } from './nest.js'
import type { BatchPool } from './pool.js'

/** How elements are stacked. */
export interface StackOptions<D extends NumberDType = NumberDType> {
  /**
   * The dtype of plain numbers. Integers that it cannot hold exactly are an error.
   * @default 'float32'
   */
  readonly numbers?: D | undefined
  /** Where the memory of the arrays comes from. Default: fresh memory. */
  readonly pool?: BatchPool | undefined
}

/** Stacks batch after batch. `firstIndex` is the ordinal of the first element in its stream, for error messages. */
export type Stacker<D extends NumberDType = 'float32'> = <T>(elements: readonly T[], firstIndex?: number) => Batched<T, number, D>

/**
 * Stacks elements of one structure into a batch with the same structure.
 *
 * - numbers → NdArray `[n]` of `numbers`; booleans → bool; bigints → int64; strings → string
 * - NdArrays and typed arrays of one dtype and shape → NdArray `[n, ...shape]`, copied
 * - RaggedArrays of one dtype and depth → RaggedArray with one more outer row split, copied
 * - bytes (`Uint8Array`) → a list of the same byte arrays, never copied. Always a list, whatever the lengths, so that the type of
 *   a batch does not depend on the data.
 * - objects and arrays → the same structure of batches
 *
 * @throws MillraceError `Mismatch` when structure, dtype or shape differ or a value cannot be stacked; `Lossy` when a number does
 * not fit its dtype exactly. Both name the element and the key path. RangeError when there is nothing to stack.
 */
export function stack<T, const D extends NumberDType = 'float32'>(
  elements: readonly T[], options: StackOptions<D> = {}, firstIndex = 0
): Batched<T, number, D> {
  return stacker(options)(elements, firstIndex)
}

/**
 * Makes a function that stacks batch after batch. What it has compiled for the structure and dtypes of one batch serves all that are
 * alike; a batch depends on its own elements alone.
 */
export function stacker<const D extends NumberDType = 'float32'>(options: StackOptions<D> = {}): Stacker<D> {
  const numbers = checkNumberDType(options.numbers)
  let column: Column | undefined
  let example: unknown
  return <T>(elements: readonly T[], firstIndex = 0) => {
    if (elements.length === 0) throw new RangeError('there is no element to stack')
    if (column === undefined || !alike(example, elements[0])) {
      column = compile(elements[0], { numbers, pool: options.pool }, '', firstIndex)
      example = elements[0]
    }
    return column(elements, firstIndex) as Batched<T, number, D>
  }
}
