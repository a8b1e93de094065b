/**
 * What is to be done to which part of an element: a spec is a leaf, which is for the element itself, or an object with a spec per
 * key. Keys that it does not name pass through, as the same references.
 */
import { describe, isPlainObject, joinPath, setMember } from '../array/nest.js'
import { MillraceError } from '../errors.js'

/** A leaf `L` for the element itself, or for parts of it by their keys. */
export type BySpec<L> = L | { readonly [key: string]: BySpec<L> }

/** What an element must have for a spec to apply: its keys. */
export type HasKeys<S> = IsLeaf<S> extends true ? unknown : { readonly [K in keyof S]: HasKeys<S[K]> }

/** Objects are leaves when no value in them is an object: options are scalars and lists. */
export type IsLeaf<S> = S extends string | readonly unknown[] ? true : S[keyof S] extends Scalars ? true : false

type Scalars = string | number | boolean | bigint | readonly unknown[] | null | undefined

/** A resolved spec. */
export type Tree<L> = { readonly leaf: L; readonly keys?: undefined } | { readonly keys: readonly (readonly [string, Tree<L>])[] }

/** Resolves a spec. `resolve` checks one leaf; `where` begins its messages. */
export function resolveSpec<L>(name: string, spec: unknown, resolve: (leaf: unknown, where: string) => L, path = ''): Tree<L> {
  if (isLeafSpec(spec)) return { leaf: resolve(spec, path === '' ? name : `${name}: ${path}`) }
  const keys = Object.keys(spec)
  return { keys: keys.map(key => [key, resolveSpec(name, spec[key], resolve, joinPath(path, key))] as const) }
}

/** The spec that a tree was made of, with defaults filled in. */
export function specOfTree<L>(tree: Tree<L>): unknown {
  if (tree.keys === undefined) return tree.leaf
  const spec: Record<string, unknown> = {}
  for (const [key, inner] of tree.keys) setMember(spec, key, specOfTree(inner))
  return spec
}

function isLeafSpec(spec: unknown): spec is Exclude<unknown, Readonly<Record<string, unknown>>> {
  return !isPlainObject(spec) || !Object.values(spec).some(isPlainObject)
}

/** Applies a function to every part of an element that the tree names. */
export function applyTree<L>(name: string, tree: Tree<L>, element: unknown, apply: (leaf: L, value: unknown, path: string) => unknown, path = ''): unknown {
  if (tree.keys === undefined) return apply(tree.leaf, element, path)
  const out = copyOf(name, element, path)
  for (let k = 0; k < tree.keys.length; k++) {
    const [key, inner] = tree.keys[k] as (typeof tree.keys)[number]
    setMember(out, key, applyTree(name, inner, memberOf(name, out, key, path), apply, joinPath(path, key)))
  }
  return out
}

/** As {@link applyTree}, with a function that returns promises: all parts at once. */
export async function applyTreeLater<L>(name: string, tree: Tree<L>, element: unknown, apply: (leaf: L, value: unknown, path: string) => Promise<unknown>, path = ''): Promise<unknown> {
  if (tree.keys === undefined) return apply(tree.leaf, element, path)
  const out = copyOf(name, element, path)
  const parts = tree.keys.map(async ([key, inner]) => {
    setMember(out, key, await applyTreeLater(name, inner, memberOf(name, out, key, path), apply, joinPath(path, key)))
  })
  for (const settled of await Promise.allSettled(parts)) if (settled.status === 'rejected') throw settled.reason
  return out
}

function copyOf(name: string, element: unknown, path: string): Record<string, unknown> {
  if (isPlainObject(element)) return { ...element }
  throw new MillraceError('Mismatch', `${name} names keys${path === '' ? '' : ` of ${path}`}, but the element ${path === '' ? 'is' : 'has'} ${describe(element)}${path === '' ? '' : ' there'}`, { keyPath: path })
}

function memberOf(name: string, members: Readonly<Record<string, unknown>>, key: string, path: string): unknown {
  if (Object.hasOwn(members, key)) return members[key]
  throw missingKey(name, members, key, path)
}

/** The error for a key that an element does not have. */
export function missingKey(name: string, members: Readonly<Record<string, unknown>>, key: string, path = ''): MillraceError {
  const keys = Object.keys(members)
  const there = keys.length === 0 ? 'no keys at all' : keys.slice(0, 16).join(', ') + (keys.length > 16 ? ', …' : '')
  const keyPath = joinPath(path, key)
  return new MillraceError('Mismatch', `${name}: the element has no ${keyPath}; ${path === '' ? 'it has' : `${path} has`} ${there}`, { keyPath })
}
