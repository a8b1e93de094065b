/**
 * How do I make inputs and targets from a time series?
 *
 * `window` yields small datasets. `flatMap` with `batch` makes arrays of them; windows of objects are objects of datasets, which `zip`
 * puts together.
 */
// prints: inputs 0,1,2 → target 3; inputs 1,2,3 → target 4; inputs 2,3,4 → target 5
import { Dataset } from 'millrace'

const PAST = 3
const series = Dataset.range(6).map(t => ({ time: t, value: t }))

const pairs = series
  .window(PAST + 1, { shift: 1, dropRemainder: true }) // { time: Dataset, value: Dataset }
  .flatMap(({ value }) => value.batch(PAST + 1))
  .map(({ data }) => ({ xs: data.subarray(0, PAST), ys: data.subarray(PAST) }))

const texts = await pairs.map(({ xs, ys }) => `inputs ${xs.join()} → target ${ys.join()}`).toArray()
console.log(texts.join('; '))
