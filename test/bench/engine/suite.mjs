import { elementCostRows } from './element-cost-rows.mjs'
export const title = 'engine: the cost of an element on its way'
export async function run(options) {
  const failures = []
  const parts = [elementCostRows]
  const rows = []
  for (const part of parts) rows.push(...await part({ ...options, failures }))
  return { rows, notes: [], failures }
}
