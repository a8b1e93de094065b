import { encodeJson } from '../array/json.js'
import { messageOf } from '../errors.js'
import type { PlanNode } from '../plan/node.js'
import type { Operator } from '../plan/operator.js'
import { travelling } from '../plan/reference.js'
import { batch } from './batch.js'
import { filter } from './filter.js'
import { map } from './map.js'
import { parseExample } from './parse-example.js'
import { readFiles, type ReadFilesParams } from './read-files.js'
import { shard, skip, take } from './select.js'
import { taskElements } from './task-elements.js'

/** Operators whose params are data. */
const DATA: ReadonlySet<Operator> = new Set<Operator>([batch, parseExample, shard, skip, take, taskElements])

/**
 * Why a node cannot be sent to another thread; undefined when it can. Its inputs are not looked at.
 *
 * What can: `map` and `filter` of functions that are portable or declarative; `parseExample`, `batch`, `take`, `skip`, `shard`; readers of
 * files whose format is given by its name and whose store by the scheme; and whatever changes no element, which is left out.
 */
export function travels({ op, params }: PlanNode): string | undefined {
  if (op.transparent === true || DATA.has(op)) return undefined
  if (op === map || op === filter) return whyNotFunction((params as { readonly fn: unknown }).fn)
  if (op === readFiles) return whyNotFiles(params as ReadFilesParams)
  return `the operator ${op.name} runs in one place only`
}

/** True for a node of which nothing is a function of the user: running it twice is seen by nobody. */
export function isDeclarative({ op, params }: PlanNode): boolean {
  if (op !== map && op !== filter) return DATA.has(op) || op === readFiles || op.transparent === true
  const found = travelling((params as { readonly fn: unknown }).fn)
  return found !== undefined && 'transform' in found
}

function whyNotFunction(fn: unknown): string | undefined {
  if (travelling(fn) !== undefined) return undefined
  const { name } = fn as { readonly name?: string }
  return `the function${name === undefined || name === '' ? '' : ` ${name}`} is a closure: put it into a module of its own and pass portable(new URL('./module.js', import.meta.url), 'name'), or use a transform of millrace/transforms`
}

function whyNotFiles({ request, patterns }: ReadFilesParams): string | undefined {
  if (request === undefined) return 'it has a store or a format of its own, which are objects: name the format, and let the scheme of the files choose the store'
  const own = patterns.find(pattern => /^mem:/i.test(pattern))
  if (own !== undefined) return `${own} is in the memory of this thread`
  try {
    encodeJson(request.options)
  } catch (error) {
    return `its options cannot be written as JSON: ${messageOf(error)}`
  }
  return undefined
}
