import type { State } from '../plan/operator.js'
import type { SessionOptions } from '../plan/workers.js'
import type { ErrorData } from './error-json.js'
import type { Packed } from './pack.js'
import type { PieceJson } from './plan-json.js'

/** What a thread is given at its start. */
export interface ThreadSetup {
  readonly number: number
  /** Cells of progress, in shared memory. */
  readonly cells: SharedArrayBuffer
  readonly init: { readonly url: string; readonly name: string } | undefined
}

/** What a thread is asked to do. Every question with an `id` is answered once. */
export type Question =
  | { readonly type: 'load'; readonly program: number; readonly json: PieceJson }
  | { readonly type: 'task'; readonly id: number; readonly program: number; readonly packed: Packed; readonly state: State | undefined; readonly index: number; readonly returned: readonly ArrayBuffer[] }
  | { readonly type: 'open'; readonly session: number; readonly program: number; readonly state: State | undefined; readonly files: SessionOptions['files'] }
  | { readonly type: 'pull'; readonly id: number; readonly session: number; readonly max: number; readonly returned: readonly ArrayBuffer[] }
  | { readonly type: 'end'; readonly id: number; readonly session: number }
  | { readonly type: 'unload'; readonly id: number; readonly program: number }

/** What a thread says. */
export type Answer =
  | { readonly type: 'ready' }
  | { readonly type: 'reply'; readonly id: number; readonly parts: readonly PackedPart[]; readonly threadMs: number; readonly ended: boolean; readonly state?: State | undefined; readonly slab: ArrayBuffer | undefined }
  | { readonly type: 'failed'; readonly id: number; readonly error: ErrorData }
  | { readonly type: 'done'; readonly id: number }

/** A part on its way. */
export type PackedPart =
  | { readonly kind: 'elements'; readonly packed: Packed; readonly state?: State | undefined }
  | { readonly kind: 'stacked'; readonly rows: number; readonly packed: Packed; readonly state?: State | undefined }
  | { readonly kind: 'error'; readonly error: ErrorData; readonly state?: State | undefined }
