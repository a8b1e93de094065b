import { decodeJson, encodeJson } from '../array/json.js'
import { MillraceError } from '../errors.js'
import type { ExampleSpec } from '../example/index.js'
import { batch, type BatchParams } from '../operators/batch.js'
import { filter, type FilterParams } from '../operators/filter.js'
import { map, type MapParams } from '../operators/map.js'
import { parseExample } from '../operators/parse-example.js'
import type { FileToRead } from '../operators/open-file.js'
import { readFiles, type OnChanged, type ReadFilesParams } from '../operators/read-files.js'
import { shard, skip, take } from '../operators/select.js'
import { taskElements } from '../operators/task-elements.js'
import { isDeclarative, travels } from '../operators/travel.js'
import type { PlanNode } from '../plan/node.js'
import type { Operator } from '../plan/operator.js'
import { travelling, type TravellingFunction } from '../plan/reference.js'
import type { Piece, SessionOptions, StackSpec } from '../plan/workers.js'
import { loadFunction, type AnyFunction } from '../portable.js'
import type { Json } from '../types.js'

/** A piece of a plan as JSON. Nodes go from the source up; what changes no element is left out. */
export interface PieceJson {
  readonly nodes: readonly NodeJson[]
  readonly stack: StackSpec | null
  readonly pass: Piece['pass']
}

/** One node. `depth` and `site` are those of the plan as written: random numbers and errors are as there. */
interface NodeJson {
  readonly op: string
  readonly depth: number
  readonly site: string | null
  readonly params: Json
}

/** How a node of the other thread calls a function of the user; `ordinal` counts the nodes from the source. */
type WrapFunction = (fn: AnyFunction, ordinal: number) => AnyFunction

/** A piece that was read, with its functions loaded. */
export interface UnpackedPiece {
  readonly plan: PlanNode
  /** Where the elements of a task go, for a piece that is fed by tasks. */
  readonly slot: { elements: readonly unknown[] } | undefined
  readonly stack: StackSpec | undefined
  readonly pass: Piece['pass']
  /** The nodes, source first. */
  readonly nodes: readonly PlanNode[]
  /** True when it has no function of the user: running it twice is seen by nobody. */
  readonly declarative: boolean
  /** The same plan over other files. */
  over(files: SessionOptions['files']): PlanNode
}

type LoadFunction = (fn: TravellingFunction) => Promise<AnyFunction>

/** How the params of an operator are written and read. */
interface Travelling {
  readonly op: Operator
  readonly pack: (params: unknown) => Json
  readonly unpack: (json: Json, load: LoadFunction) => object | Promise<object>
}

/** The operator and its params belong together, which the table cannot say. */
function entry<P extends object, J extends Json>(op: Operator<P>, pack: (params: P) => J, unpack: (json: J, load: LoadFunction) => P | Promise<P>): Travelling {
  return { op, pack, unpack } as unknown as Travelling
}

const asData = <P extends object>(op: Operator<P>): Travelling => entry(op, params => encodeJson(params), json => decodeJson(json) as P)
const functionJson = (fn: unknown): FunctionJson['fn'] => travelling(fn) as unknown as FunctionJson['fn']

/** What travels, by its name there. */
const TABLE: { readonly [name: string]: Travelling | undefined } = {
  batch: entry(batch, ({ size, dropRemainder, numbers }) => ({ size, dropRemainder, numbers }), (json): BatchParams => json),
  filter: entry(filter, ({ fn, seed = null }): FunctionJson => ({ fn: functionJson(fn), seed }), async ({ fn, seed }, load): Promise<FilterParams> => (
    { fn: await load(fn as unknown as TravellingFunction), seed: seed ?? undefined })),
  input: entry(taskElements, () => null, () => ({ slot: { elements: [] } })),
  map: entry(map, ({ fn, seed = null, parallel = null, deterministic }): MapJson => ({ fn: functionJson(fn), seed, parallel, deterministic }), async ({ fn, seed, parallel, deterministic }, load): Promise<MapParams> => {
    const loaded = await load(fn as unknown as TravellingFunction)
    // The thread is the parallelism of functions that compute; those that wait keep their own as well.
    return { fn: loaded, seed: seed ?? undefined, parallel: !deterministic || waits(loaded) ? (parallel ?? undefined) : undefined, deterministic }
  }),
  parseExample: entry(parseExample, ({ spec }) => encodeJson(spec), json => ({ spec: decodeJson(json) as ExampleSpec })),
  readFiles: entry(readFiles, ({ patterns, onChanged, request, selection: { start, step, count } }): FilesJson => ({
    patterns, onChanged, format: request?.format ?? '', options: encodeJson(request?.options), meaning: request?.meaning ?? null, selection: [start, step, count === Infinity ? null : count]
  }), async ({ patterns, onChanged, format, options, meaning, selection: [start, step, count] }): Promise<ReadFilesParams> => ({
    ...(await import('../files.js')).filesParams('readFiles', { files: patterns, format, options: decodeJson(options), onChanged, ...(meaning !== null && { meaning }) }),
    selection: { start, step, count: count ?? Infinity }
  })),
  shard: asData(shard),
  skip: asData(skip),
  take: asData(take)
}

type FunctionJson = {
  readonly fn: { readonly [key: string]: Json }
  readonly seed: number | null
}

type MapJson = FunctionJson & {
  readonly parallel: number | 'auto' | null
  readonly deterministic: boolean
}

type FilesJson = {
  readonly patterns: readonly string[]
  readonly onChanged: OnChanged
  readonly format: string
  readonly options: Json
  readonly meaning: Json
  readonly selection: readonly [number, number, number | null]
}

/** Writes a piece as JSON. @throws MillraceError `Unsupported` that names the node which cannot travel, and why. */
export function packPiece({ plan, input, stack, pass }: Piece): PieceJson {
  const nodes: NodeJson[] = []
  let node: PlanNode | undefined = plan
  while (node !== undefined && node !== input) {
    const reason = travels(node)
    if (reason !== undefined) throw cannotTravel(node, reason)
    if (node.op.transparent !== true) nodes.push(packNode(node))
    if (node.inputs.length > 1) throw cannotTravel(node, 'it has several inputs')
    node = node.inputs[0]
  }
  if (node === undefined && input !== undefined) throw new TypeError('a piece of a plan must contain its input')
  if (node !== undefined) nodes.push({ op: 'input', depth: node.depth, site: null, params: null })
  return { nodes: nodes.reverse(), stack: stack ?? null, pass: { seed: pass.seed, epoch: pass.epoch, branch: pass.branch } }
}

function packNode({ op, params, depth, site }: PlanNode): NodeJson {
  const [name, entry] = Object.entries(TABLE).find(([, entry]) => entry?.op === op) as [string, Travelling]
  return { op: name, depth, site: site?.() ?? null, params: entry.pack(params) }
}

function cannotTravel(node: PlanNode, reason: string): MillraceError {
  const site = node.site?.()
  const text = `${node.op.name}(${node.op.describe?.(node.params) ?? ''})`
  return new MillraceError('Unsupported', `${text} cannot run on another thread: ${reason}${site === undefined ? '' : ` (added ${site})`}`, {
    operator: node.op.name, ...(site !== undefined && { site })
  })
}

/** Makes a piece again, and loads its functions. @throws MillraceError `UserFunction` when a module or an export is not there. */
export async function unpackPiece(json: PieceJson, wrap: WrapFunction = fn => fn): Promise<UnpackedPiece> {
  const nodes: PlanNode[] = []
  for (const [ordinal, { op: name, depth, site, params }] of json.nodes.entries()) {
    const entry = Object.hasOwn(TABLE, name) ? TABLE[name] : undefined
    if (entry === undefined) throw new MillraceError('Unsupported', `there is no operator ${JSON.stringify(name)} that travels in this version of millrace`)
    const made = await entry.unpack(params, async fn => wrap(await load(fn), ordinal))
    const below = nodes.at(-1)
    nodes.push(Object.freeze({
      op: entry.op, params: Object.freeze(made), inputs: Object.freeze(below === undefined ? [] : [below]), depth, site: site === null ? undefined : () => site
    }))
  }
  const [source] = nodes
  const plan = nodes.at(-1)
  if (source === undefined || plan === undefined) throw new TypeError('a piece of a plan has no node')
  return {
    plan,
    nodes,
    slot: source.op === taskElements ? (source.params as { slot: { elements: readonly unknown[] } }).slot : undefined,
    stack: json.stack ?? undefined,
    pass: json.pass,
    declarative: nodes.every(isDeclarative),
    over(files) {
      if (files === undefined) return plan
      if (source.op !== readFiles) throw new TypeError(`files cannot be given to ${source.op.name}, which reads none`)
      const params: ReadFilesParams = { ...(source.params as ReadFilesParams), list: () => Promise.resolve(files as readonly FileToRead[]) }
      const other: PlanNode = Object.freeze({ ...source, params: Object.freeze(params) })
      return nodes.slice(1).reduce((below, node) => Object.freeze({ ...node, inputs: Object.freeze([below]) }), other)
    }
  }
}

/** Functions that were loaded: one that `args` make is made once in every thread. */
const LOADED = new Map<string, Promise<AnyFunction>>()

/** Transforms, and stores and formats above, are loaded where there are any: threads start in less time. */
async function load(fn: TravellingFunction): Promise<AnyFunction> {
  if ('transform' in fn) return (await import('../transforms.js')).transformFromJson(fn.transform) as AnyFunction
  const key = JSON.stringify(fn.portable)
  let loaded = LOADED.get(key)
  if (loaded === undefined) {
    LOADED.set(key, (loaded = loadFunction(fn.portable)))
    loaded.catch(() => LOADED.delete(key)) // asked again, it may be there
  }
  return loaded
}

/** True for functions that return promises, as far as that can be seen. */
function waits(fn: AnyFunction): boolean {
  const { transform } = fn as { readonly transform?: { readonly name?: unknown } }
  return transform?.name === 'decodeImage' || Object.prototype.toString.call(fn) === '[object AsyncFunction]'
}
