/**
 * What is to be done to which part of an element: a spec is a leaf, which is for the element itself, or an object with a spec per
 * key. Keys that it does not name pass through, as the same references.
 */
import { describe, isPlainObject, joinPath, kindOf, setMember } from '../array/nest.js'
import { MillraceError } from '../errors.js'

/** A leaf `L` for the element itself, or for parts of it by their keys. */
export type SpecOf<L> = L | { readonly [key: string]: SpecOf<L> }

/** What an element must have for a spec with leaves `L` to apply: its keys. */
export type HasKeys<S, L> = S extends L ? unknown : { readonly [K in keyof S]: HasKeys<S[K], L> }

/** A resolved spec. */
export type Tree<L> = { readonly leaf: L; readonly keys?: undefined } | { readonly keys: readonly (readonly [string, Tree<L>])[] }

/** Where leaves are strings or lists, every object is one of keys. */
export const valueLeaf = (spec: unknown): boolean => !isPlainObject(spec)

/** Where leaves are objects of options: these hold scalars and lists, never objects. */
export const optionsLeaf = (spec: unknown): boolean => !isPlainObject(spec) || !Object.values(spec).some(isPlainObject)

/** Resolves a spec. `resolve` checks one leaf; `where` begins its messages. */
export function resolveSpec<L>(name: string, spec: unknown, isLeaf: (spec: unknown) => boolean, resolve: (leaf: unknown, where: string) => L, path = ''): Tree<L> {
  if (!isPlainObject(spec) || isLeaf(spec)) return { leaf: resolve(spec, path === '' ? name : `${name}: ${path}`) }
  const keys = Object.keys(spec)
  return { keys: keys.map(key => [key, resolveSpec(name, spec[key], isLeaf, resolve, joinPath(path, key))] as const) }
}

/** The spec that a tree was made of, with what resolving has added. */
export function specOfTree<L>(tree: Tree<L>, specOf: (leaf: L) => unknown = leaf => leaf): unknown {
  if (tree.keys === undefined) return specOf(tree.leaf)
  const spec: Record<string, unknown> = {}
  for (const [key, inner] of tree.keys) setMember(spec, key, specOfTree(inner, specOf))
  return spec
}

/**
 * What a transform does to one part of an element. For a batch, `row` is that part of one of its rows, or `undefined` when no row
 * is known.
 */
export type ApplyLeaf<L, R = unknown> = (leaf: L, value: unknown, path: string, row?: unknown) => R

/** Applies a function to every part of an element that the tree names. */
export function applyTree<L>(name: string, tree: Tree<L>, element: unknown, apply: ApplyLeaf<L>, row?: unknown, path = ''): unknown {
  if (tree.keys === undefined) return apply(tree.leaf, element, path, row)
  const out = copyOf(name, element, path)
  for (let k = 0; k < tree.keys.length; k++) {
    const [key, inner] = tree.keys[k] as (typeof tree.keys)[number]
    const value = memberOf(name, out, key, path)
    setMember(out, key, applyTree(name, inner, value, apply, isPlainObject(row) ? row[key] : undefined, joinPath(path, key)))
  }
  return out
}

/** As {@link applyTree}, with a function that returns promises: all parts at once. */
export async function applyTreeLater<L>(name: string, tree: Tree<L>, element: unknown, apply: ApplyLeaf<L, Promise<unknown>>, path = ''): Promise<unknown> {
  if (tree.keys === undefined) return apply(tree.leaf, element, path)
  const out = copyOf(name, element, path)
  const parts = tree.keys.map(async ([key, inner]) => {
    setMember(out, key, await applyTreeLater(name, inner, memberOf(name, out, key, path), apply, joinPath(path, key)))
  })
  for (const settled of await Promise.allSettled(parts)) if (settled.status === 'rejected') throw settled.reason
  return out
}

/** The members of an element, to be changed. */
export function copyOf(name: string, element: unknown, path = ''): Record<string, unknown> {
  if (kindOf(element) === 'object') return { ...(element as Readonly<Record<string, unknown>>) }
  const what = path === '' ? 'the element is' : `${path} is`
  throw new MillraceError('Mismatch', `${name} asks for keys, but ${what} ${describe(element)}`, { keyPath: path })
}

function memberOf(name: string, members: Readonly<Record<string, unknown>>, key: string, path: string): unknown {
  if (Object.hasOwn(members, key)) return members[key]
  throw missingKey(name, members, key, path)
}

/** The error for a key that an element does not have. */
export function missingKey(name: string, members: Readonly<Record<string, unknown>>, key: string, path = ''): MillraceError {
  const keys = Object.keys(members)
  const there = keys.length === 0 ? 'no keys' : `the keys ${keys.slice(0, 16).join(', ')}${keys.length > 16 ? ', …' : ''}`
  const keyPath = joinPath(path, key)
  return new MillraceError('Mismatch', `${name}: there is no ${keyPath}; ${path === '' ? 'the element' : path} has ${there}`, { keyPath })
}
