/** The work that every contender does, and what else an application may have run before. */

export const BATCH = 128

/** A pipeline is a source `0 … n - 1` and these steps, then batches of 128 as a Float32Array. */
export const WORK = {
  'map → filter': [['map', x => x + 1], ['filter', x => (x & 3) !== 0]],
  '1 map': [['map', x => x + 1]],
  '8 maps': [['map', x => x + 1], ['map', x => x + 2], ['map', x => x + 3], ['map', x => x + 4], ['map', x => x ^ 1], ['map', x => x + 6], ['map', x => x | 1], ['map', x => x - 1]]
}

/** Ten other pipelines, with other functions and other types of elements: what makes shared loops megamorphic. */
export const OTHERS = [
  [['map', x => ({ a: x })], ['filter', o => o.a !== 3]],
  [['map', x => 's' + x], ['filter', s => s.length > 1]],
  [['map', x => x * 0.5], ['filter', x => x > 3]],
  [['map', x => [x, x]], ['filter', a => a[0] >= 0]],
  [['map', x => new Float32Array(2).fill(x)], ['filter', a => a.length === 2]],
  [['map', x => x % 2 === 0], ['filter', x => x !== undefined]],
  [['map', x => x], ['map', x => x * 2], ['filter', x => x % 3 > 0]],
  [['map', x => ({ b: 1, a: x, c: 'z' })], ['filter', o => o.c === 'z']],
  [['filter', x => x > 5], ['filter', x => x > 50], ['map', x => -x]],
  [['map', x => ({ deep: { x } })], ['map', o => ({ deep: o.deep, y: 1 })]]
]

/** The same by hand: one loop for each kind of work. */
export const LOOPS = {
  async 'map → filter'(n) {
    let sum = 0
    let batch = new Float32Array(BATCH)
    let filled = 0
    for (let i = 0; i < n; i++) {
      const x = i + 1
      if ((x & 3) === 0) continue
      batch[filled++] = x
      if (filled === BATCH) {
        sum += (await batch)[0]
        batch = new Float32Array(BATCH)
        filled = 0
      }
    }
    if (filled > 0) sum += (await batch.slice(0, filled))[0]
    return sum
  },
  async '1 map'(n) {
    let sum = 0
    let batch = new Float32Array(BATCH)
    let filled = 0
    for (let i = 0; i < n; i++) {
      batch[filled++] = i + 1
      if (filled === BATCH) {
        sum += (await batch)[0]
        batch = new Float32Array(BATCH)
        filled = 0
      }
    }
    if (filled > 0) sum += (await batch.slice(0, filled))[0]
    return sum
  },
  async '8 maps'(n) {
    let sum = 0
    let batch = new Float32Array(BATCH)
    let filled = 0
    for (let i = 0; i < n; i++) {
      batch[filled++] = ((((i + 1 + 2 + 3 + 4) ^ 1) + 6) | 1) - 1
      if (filled === BATCH) {
        sum += (await batch)[0]
        batch = new Float32Array(BATCH)
        filled = 0
      }
    }
    if (filled > 0) sum += (await batch.slice(0, filled))[0]
    return sum
  }
}
