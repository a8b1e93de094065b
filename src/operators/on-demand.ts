import type { Operator } from '../plan/operator.js'

/** Nothing works ahead of the consumer above its input: no rule puts a `prefetch` at the end of the plan. Elements and order are those of the input. */
export const onDemand: Operator<object, unknown> = {
  name: 'on demand',
  describe: () => '',
  sameElements: true,
  transparent: true,
  readsAhead: true, // as far as rules are concerned, that is settled
  cardinality: (_, [input]) => input,
  open({ inputs: [input] }) {
    if (input === undefined) throw new TypeError('on demand needs an input')
    return { pull: max => input.pull(max) }
  }
}
