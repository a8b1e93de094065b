/** What worker threads load by name. It imports nothing, so that starting a thread costs no more than it has to. */

/** A function that computes for a fixed number of rounds and returns a number: more threads do it sooner, other work beside it later. */
export function burner(rounds) {
  return x => burn(x, rounds)
}

export function burn(x, rounds) {
  let state = x | 0
  for (let i = 0; i < rounds; i++) state = Math.imul(state, 1664525) + 1013904223 | 0
  return state & 0xffff
}

/** A function that does nothing, and returns the same array of bytes for every element. */
export function sameRow(shape) {
  const row = { dtype: 'uint8', shape, data: new Uint8Array(shape.reduce((product, size) => product * size, 1)).fill(7) }
  return () => row
}

/** A function that cuts the first bytes out of the array `x` of a file. */
export function cropped(bytes) {
  return ({ x }) => ({ dtype: 'uint8', shape: [bytes], data: x.data.slice(0, bytes) })
}
