import type { Json } from '../types.js'
import type { FunctionReference } from './workers.js'

/** What a function that can travel is made of on the other side. */
export type TravellingFunction =
  | { readonly portable: FunctionReference }
  | { readonly transform: { readonly name: string; readonly params: Json } }

/** How a function travels; `undefined` for a plain closure, which cannot. */
export function travelling(fn: unknown): TravellingFunction | undefined {
  const { portable, transform } = fn as { readonly portable?: Partial<FunctionReference> | null; readonly transform?: { readonly name?: unknown; readonly params?: unknown } | null }
  if (typeof portable?.url === 'string' && typeof portable.name === 'string') return { portable: portable as FunctionReference }
  if (typeof transform?.name === 'string') return { transform: transform as { readonly name: string; readonly params: Json } }
  return undefined
}
