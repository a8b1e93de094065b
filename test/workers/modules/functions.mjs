/** Functions that worker threads load. */
export const double = x => 2 * x
export const odd = x => x % 2 === 1
export const addIndex = (x, { index }) => x + index
export const draw = (x, { rng }) => [x, rng.uniform()]
export const makeAdd = n => x => x + n
export const later = async x => {
  await new Promise(resolve => setImmediate(resolve))
  return x + 1
}
export const notOdd = x => {
  if (x % 7 === 3) throw new RangeError(`no ${x}`)
  return x
}
export const row = x => ({ xs: { dtype: 'float32', shape: [2], data: Float32Array.of(x, x + 0.5) }, id: x })
export const ragged = x => (x === 5 ? 'text' : x)
export const number = 5
