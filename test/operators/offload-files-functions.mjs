/** Functions of the tests of files that are read in threads. */
export const first = record => record[0]
export const fewer = record => record[0] % 3 !== 1
export const withIndex = (record, { index }) => ({ value: record[0], index })
export const drawn = (row, { index, rng }) => ({ ...row, index, draw: rng.uniform() })
export const notFive = record => {
  if (record[0] % 7 === 5) throw new RangeError(`no ${record[0]}`)
  return record
}
export const later = async record => {
  await new Promise(resolve => setImmediate(resolve))
  return record
}
export const numbered = record => ({ value: record[0], row: Float32Array.from(record.slice(0, 3)) })

const byte = element => (element.data ?? element)[0]
export const same = element => element
export const fewerOf = element => byte(element) % 3 !== 1
export const notFiveOf = element => {
  if (byte(element) % 7 === 5) throw new RangeError(`no ${byte(element)}`)
  return element
}
export const valueOf = element => ({ value: byte(element) })
export const withIndexOf = (element, { index }) => ({ value: byte(element), index })
export const drawnOf = (element, { index, rng }) => ({ value: byte(element), index, draw: rng.uniform() })
