import { describe, isPlainObject } from './array/nest.js'
import { MillraceError, messageOf } from './errors.js'
import type { FunctionReference } from './plan/workers.js'
import type { Json, MaybePromise } from './types.js'
import { isPromise } from './util/promise.js'

/** A function of any type. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- of any type
export type AnyFunction = (...args: any[]) => unknown

/** The names of the functions that a module exports. */
export type FunctionsOf<M> = { [K in keyof M]: M[K] extends AnyFunction ? K : never }[keyof M] & string

/** A function that a worker thread can load: it is called like the one that it stands for, and says where that is. */
export type PortableFunction<F> = F & {
  /** Module and export. */
  readonly portable: FunctionReference
  /** Loads the module, so that calls no longer have to wait for it. */
  load(): Promise<void>
  /** The function itself, once it is loaded. */
  readonly loaded: F | undefined
}

/** What an export that makes the function returns, once it was awaited. */
type Made<F> = F extends (...args: never[]) => infer R ? Awaited<R> : never

/** How a portable function is made. */
export interface PortableOptions {
  /** Call the export with these, and take the function that it returns: once in every thread. JSON. */
  readonly args?: readonly Json[]
}

/**
 * A function named by its module and export, so that worker threads can load it: `map(portable(…), { parallel: 'auto' })`.
 *
 * The module is an ordinary one and may import whatever it needs. In this thread it is imported at the first call, which returns a promise;
 * later calls are as direct as those of other functions.
 *
 * With one function in the module its type is known; with several, name it: `portable<typeof import('./augment.js'), 'flip'>(…)`.
 * @example
 * const augment = portable<typeof import('./augment.js')>(new URL('./augment.js', import.meta.url), 'augment')
 *
 * @param module URL of a module that this thread and workers can import: `new URL('./augment.js', import.meta.url)`, or a package by its name.
 * @param name The export. `default` for the default one.
 * @throws TypeError for a path that is no URL, and for a missing name.
 */
export function portable<M, K extends FunctionsOf<M> = FunctionsOf<M>>(module: URL | string, name: K): PortableFunction<M[K]>
export function portable<M, K extends FunctionsOf<M> = FunctionsOf<M>>(module: URL | string, name: K, options: PortableOptions & { readonly args: readonly Json[] }): PortableFunction<Made<M[K]>>
export function portable(module: URL | string, name: string, options: PortableOptions = {}): PortableFunction<AnyFunction> {
  const url = checkModule(module)
  if (typeof name !== 'string' || name === '') throw new TypeError(`portable: name must be the name of an export, got ${describe(name)}`)
  const reference: FunctionReference = Object.freeze({ url, name, ...(options.args !== undefined && { args: checkArgs(options.args) }) })
  let loaded: AnyFunction | undefined
  const load = async (): Promise<void> => {
    loaded ??= await loadFunction(reference)
  }
  // Two parameters: a function of the element and its context.
  const call = (element: unknown, context: unknown): unknown => (loaded === undefined ? load().then(() => (loaded as AnyFunction)(element, context)) : loaded(element, context))
  Object.defineProperty(call, 'name', { value: name, configurable: true })
  Object.defineProperty(call, 'loaded', { get: () => loaded })
  return Object.assign(call, { portable: reference, load }) as unknown as PortableFunction<AnyFunction>
}

/** Imports the function that a reference names. @throws MillraceError `UserFunction` when there is none. */
export async function loadFunction({ url, name, args }: FunctionReference): Promise<AnyFunction> {
  const where = `portable(${url}, '${name}')`
  let exported: unknown
  try {
    const module = (await import(/* @vite-ignore */ url)) as Readonly<Record<string, unknown>>
    exported = module[name]
    if (typeof exported !== 'function') {
      const functions = Object.keys(module).filter(key => typeof module[key] === 'function')
      throw new TypeError(`the module exports no function of that name${functions.length === 0 ? '' : `; it exports ${functions.join(', ')}`}`)
    }
  } catch (error) {
    throw new MillraceError('UserFunction', `${where}: ${messageOf(error)}`, { cause: error })
  }
  if (args === undefined) return exported as AnyFunction
  const made = (exported as (...args: readonly Json[]) => MaybePromise<unknown>)(...args)
  const fn = isPromise(made) ? await made : made
  if (typeof fn === 'function') return fn as AnyFunction
  throw new MillraceError('UserFunction', `${where}: called with args, it must return a function, got ${describe(fn)}`)
}

function checkModule(module: URL | string): string {
  const url = typeof module === 'string' ? module : (module as Partial<URL> | null)?.href
  if (typeof url !== 'string' || url === '') throw new TypeError(`portable: module must be a URL, got ${describe(module)}`)
  if (/^(\.|\/|[a-zA-Z]:\\)/.test(url)) throw new TypeError(`portable: '${url}' is a path; write new URL('${url.split(/[\\/]/).at(-1) ?? url}', import.meta.url), which means the same in every thread`)
  return url
}

/** A copy, as what crosses to other threads: a function made of other values here than there would be another function. */
function checkArgs(args: readonly Json[]): readonly Json[] {
  if (!Array.isArray(args)) throw new TypeError(`portable: args must be a list, got ${describe(args)}`)
  const visit = (value: unknown, path: string): Json => {
    if (value === null || typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value
    if (Array.isArray(value)) return Object.freeze(value.map((item, i) => visit(item, `${path}[${i}]`)))
    if (isPlainObject(value)) return Object.freeze(Object.fromEntries(Object.entries(value).map(([key, item]) => [key, visit(item, `${path}.${key}`)])))
    throw new TypeError(`portable: ${path} must be JSON, got ${typeof value === 'number' ? String(value) : describe(value)}`)
  }
  return visit(args, 'args') as readonly Json[]
}
