import type { Input, State } from '../plan/operator.js'
import type { Part, Reply, SessionOptions, StackSpec } from '../plan/workers.js'
import { batchOver, stackRuns, type PieceScope } from './piece-scope.js'

/** A session in its own thread. */
export interface RunningSession {
  /** True when the elements that come out are batches that nobody else holds. */
  readonly makesBatches: boolean
  pull(max: number): Promise<Reply & { readonly ended: boolean; readonly state?: State | undefined }>
  close(): Promise<void>
}

/**
 * Runs a piece from a state on. Where rows are to be stacked, and no function of the user is in the piece, a `batch` stands over it until it
 * meets an error or the end; from there on the plan itself is run, from the last batch on.
 */
export function openSession(scope: PieceScope, state: State | undefined, files: SessionOptions['files'], id: number, makesBatches: boolean): RunningSession {
  const { piece: { stack, declarative }, iteration, progress, open } = scope
  const plan = scope.piece.over(files)
  const stacking = stack !== undefined && declarative ? batchOver(plan, stack) : undefined
  let at = state // right behind what was handed over
  let root: Input | undefined
  let stacked = false // how `root` was opened
  let exact = false // element by element: an error or the end is near
  let ended = false
  let closed = false
  let closing: Promise<void> | undefined
  let tail: Promise<unknown> = Promise.resolve()

  const reopen = async (batches: boolean): Promise<Input> => {
    if (root !== undefined && stacked === batches) return root
    const before = root
    root = undefined
    await before?.close()
    stacked = batches
    root = batches && stacking !== undefined ? open(stacking, at === undefined ? undefined : { self: 0, inputs: [at] }) : open(plan, at)
    return root
  }
  /** One whole batch; undefined where it cannot be had. */
  const pullBatch = async ({ size }: StackSpec): Promise<Part | undefined> => {
    const input = await reopen(true)
    const before = input.save().self
    let batches: unknown[] | null
    try {
      batches = await input.pull(1)
    } catch (error) {
      if (iteration.aborted) throw error
      batches = null
    }
    const { self, inputs } = input.save()
    if (batches === null || Number(self) - Number(before) !== size) return undefined
    at = inputs?.[0]
    return { kind: 'stacked', rows: size, stacked: batches[0], state: at }
  }
  /** Up to `max` elements in a row, or the error in the place of the next. */
  const pullElements = async (max: number): Promise<Part | null> => {
    const input = await reopen(false)
    const elements: unknown[] = []
    try {
      while (elements.length < max) {
        const chunk: unknown[] | null = await input.pull(max - elements.length)
        if (chunk === null) {
          ended = true
          at = input.save() // behind the last element there may be some that were left out
          break
        }
        for (const element of chunk) elements.push(element)
        at = input.save()
      }
    } catch (error) {
      if (iteration.aborted) throw error
      if (elements.length === 0) {
        at = input.save()
        return { kind: 'error', error, state: at }
      }
      held = { kind: 'error', error, state: input.save() }
    }
    return elements.length === 0 ? null : { kind: 'elements', elements, state: at }
  }
  let held: Part | undefined // an error right behind elements that were to be handed over first

  const pull = async (max: number): Promise<Reply & { ended: boolean }> => {
    if (closed) throw new TypeError('the session was closed')
    const started = performance.now()
    progress.begin(id, at ?? {})
    const parts: Part[] = []
    let rows = 0
    exact = false
    try {
      while (rows < max && !ended) {
        if (stacking !== undefined && stack !== undefined && !exact && max - rows >= stack.size) {
          const part = await pullBatch(stack)
          if (part !== undefined) {
            parts.push(part)
            rows += stack.size
            continue
          }
          exact = true
        }
        const part = await pullElements(stack !== undefined && !declarative ? Math.min(stack.size, max - rows) : max - rows)
        if (part === null) break
        const made = stack !== undefined && !declarative ? stackRuns(scope, stack, part) : [part]
        for (const one of made) parts.push({ ...one, state: part.state })
        rows += part.kind === 'elements' ? part.elements.length : 1
        if (held !== undefined) {
          parts.push(held)
          at = held.state
          held = undefined
          break
        }
        if (part.kind === 'error') break
      }
      return { parts, threadMs: performance.now() - started, ended, ...(ended && { state: at }) }
    } finally {
      progress.end()
    }
  }
  return {
    makesBatches,
    pull(max) {
      const reply = tail.then(() => pull(max))
      tail = reply.catch(() => undefined)
      return reply
    },
    close: () => (closing ??= (async () => {
      closed = true
      await tail
      await root?.close()
      root = undefined
    })())
  }
}
