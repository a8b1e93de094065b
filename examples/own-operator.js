/**
 * How do I write an operator of my own?
 *
 * First see whether `apply` does: a function from Dataset to Dataset. An operator is a plain object for what no combination does,
 * here the differences of neighbours. `save` says where it stands, as JSON, so that checkpoints go through it.
 */
// prints: 1,3,5,7,9, resumed after 2: 5,7,9
import { Dataset } from 'millrace'
import { chain } from 'millrace/operator'
import { operatorConformance } from 'millrace/testing'

/** Each number minus the one before it; one element less than the input. */
const differences = {
  name: 'differences',
  cardinality: (params, [size]) => (size === undefined ? undefined : Math.max(0, size - 1)),
  open({ inputs: [input], saved }) {
    let before = saved // the last number that was read: undefined at the beginning
    const take = chunk => {
      if (chunk === null) return null
      const out = []
      for (const x of chunk) {
        if (before !== undefined) out.push(x - before)
        before = x
      }
      return out.length > 0 ? out : pull(1) // a chunk is never empty
    }
    /** Up to `max` elements, or null at the end. `chain` waits only for what is a promise. */
    const pull = max => chain(input.pull(max), take)
    return { pull, save: () => (before === undefined ? {} : { self: before }) }
  }
}

const squares = Dataset.range(6).map(x => x * x)
const make = () => squares.operator(differences, {})

const iterator = make().iterator()
await iterator.next()
await iterator.next()
const from = iterator.checkpoint()
await iterator.close()
for (const { run } of operatorConformance({ make })) await run() // the suite that the built-in operators pass
console.log(`${await make().toArray()}, resumed after 2: ${await make().toArray({ from })}`)
