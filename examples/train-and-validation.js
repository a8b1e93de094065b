/**
 * How do I split a dataset for training and validation, or among several processes?
 *
 * `take` and `skip` cut it in two; `shard` deals it out, one element each in turn. Split before you shuffle, or the parts mix from
 * epoch to epoch. Both are pushed down into sources that can read just what is needed.
 */
// prints: 80 + 20 elements, in both: 0; shards: 34 + 33 + 33
import { Dataset } from 'millrace'

const all = Dataset.range(100).shuffle({ seed: 7, reshuffleEachIteration: false }) // one fixed order, to cut a random part off

const training = all.take(80).shuffle({ seed: 1 }).batch(16, { dropRemainder: true })
const validation = all.skip(80).batch(16)
const seen = new Set((await training.unbatch().toArray()))
const held = await validation.unbatch().toArray()

const shards = [0, 1, 2].map(rank => Dataset.range(100).shard(3, rank).cardinality)
console.log(`${seen.size} + ${held.length} elements, in both: ${held.filter(x => seen.has(x)).length}; shards: ${shards.join(' + ')}`)
