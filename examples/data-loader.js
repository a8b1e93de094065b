/**
 * How do I load batches as with PyTorch's DataLoader, on one of four machines, and go on after a break?
 *
 * A map-style dataset has a length and a get(i). The loader shuffles, shards, fetches many at once, stacks, and says where it is.
 */
import { DataLoader } from 'millrace'

// prints: resumed: true

const images = {
  length: 103,
  async get(index) {
    return { image: new Float32Array(4).fill(index), label: BigInt(index % 10) }
  }
}
const make = () => new DataLoader(images, { batchSize: 8, shuffle: true, seed: 7, shard: { rank: 1, worldSize: 4 } })

const whole = []
for await (const { label } of make()) whole.push(String(label.data))

const first = make()
let seen = 0
for await (const _ of first) if (++seen === 2) break
const state = JSON.stringify(first.stateDict()) // small, and exact: write it with the weights

const second = make()
second.loadStateDict(JSON.parse(state))
const rest = []
for await (const { label } of second) rest.push(String(label.data))
console.log('resumed:', String(rest) === String(whole.slice(2)))
