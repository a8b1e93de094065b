import type { Input, Operator, RandomAccess, State } from '../plan/operator.js'
import { savedPosition, savedStates } from '../plan/saved.js'
import type { Cardinality } from '../types.js'
import { chain, run, wait } from '../util/promise.js'
import { allAccess, allOf, closeAll } from './all-access.js'

/**
 * The elements of the first input, then those of the second, and so on. Order: as said. Memory: none.
 *
 * An input is opened when the one before it has ended and was closed, so only one is open at a time. State: which one, and its
 * own.
 */
export type ConcatenateParams = object

export const concatenate: Operator<ConcatenateParams> = {
  name: 'concatenate',
  identity: () => null,
  cardinality: (_, inputs) => total(inputs),
  sameElements: true,
  lazyInputs: true,

  randomAccess({ inputs }) {
    const all = allAccess(inputs)
    return all === null ? null : joinAccess(all)
  },

  open({ node, saved, savedInputs, ctx }) {
    let ordinal = savedPosition('concatenate', saved, node.inputs.length)
    let from: State | undefined = ordinal === node.inputs.length ? undefined : savedStates('concatenate', saved, savedInputs, 1)?.[0]
    let input: Input | undefined

    function* step(max: number): Generator<PromiseLike<unknown>, unknown[] | null, unknown> {
      for (;;) {
        const inputNode = node.inputs[ordinal]
        if (inputNode === undefined) return null
        input ??= ctx.open(inputNode, { saved: from, branch: ordinal })
        const chunk = yield* wait(input.pull(max))
        if (chunk !== null) return chunk
        const finished: Input = input
        input = from = undefined
        ordinal++
        yield* wait(finished.close())
      }
    }
    return {
      pull: max => run(() => step(max)),
      save() {
        const inputNode = node.inputs[ordinal]
        if (inputNode !== undefined) input ??= ctx.open(inputNode, { saved: from, branch: ordinal })
        return { self: ordinal, inputs: input === undefined ? [] : [input.save()] }
      }
    }
  }
}

/** Without end when one input is, known or not the others. */
function total(inputs: readonly Cardinality[]): Cardinality {
  if (inputs.includes(Infinity)) return Infinity
  let sum = 0
  for (const size of inputs) {
    if (size === undefined) return undefined
    sum += size
  }
  return sum
}

function joinAccess(all: readonly RandomAccess[]): RandomAccess {
  const ends: number[] = []
  for (const { length } of all) ends.push((ends.at(-1) ?? 0) + length)
  return {
    length: ends.at(-1) ?? 0,
    get(indices) {
      const wanted = all.map((): number[] => [])
      const places = indices.map(index => {
        const owner = ends.findIndex(end => index < end)
        return [owner, (wanted[owner] as number[]).push(index - (ends[owner - 1] ?? 0)) - 1] as const
      })
      const begin = all.map((access, k) => () => (wanted[k]?.length ? access.get(wanted[k]) : []))
      return chain(allOf(begin), found => places.map(([owner, at]) => found[owner]?.[at]))
    },
    close: () => closeAll(all)
  }
}
