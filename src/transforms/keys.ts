import { MillraceError } from '../errors.js'
import { setMember } from '../array/nest.js'
import { copyOf, missingKey } from './spec.js'
import { makeTransform, type Transform } from './transform.js'

/** What {@link selectKeys} makes. */
export interface SelectKeysTransform<K extends string> extends Transform {
  <T extends { readonly [key in K]: unknown }>(element: T): Pick<T, K>
}

/** What {@link dropKeys} makes. */
export interface DropKeysTransform<K extends string> extends Transform {
  <T extends { readonly [key in K]: unknown }>(element: T): Omit<T, K>
}

/** What {@link renameKeys} makes. */
export interface RenameKeysTransform<R extends Readonly<Record<string, string>>> extends Transform {
  <T extends { readonly [key in keyof R]: unknown }>(element: T): Renamed<T, R>
}

/** An object of type `T` with keys renamed by `R`. */
export type Renamed<T, R extends Readonly<Record<string, string>>> = { [K in keyof T as K extends keyof R ? R[K] : K]: T[K] }

/**
 * Makes a transform that keeps the members of an object that have these keys, in this order, and no others.
 *
 * @throws MillraceError `Mismatch` when the element has no such key. TypeError for a wrong list.
 * @example Dataset.of({ x: 1, y: 2, z: 3 }).map(selectKeys(['x', 'y']))
 */
export function selectKeys<const K extends string>(keys: readonly K[]): SelectKeysTransform<K> {
  const list = checkKeys('selectKeys', keys)
  const select = (element: unknown): unknown => {
    const members = copyOf('selectKeys', element)
    const out: Record<string, unknown> = {}
    for (const key of list) {
      if (!Object.hasOwn(members, key)) throw missingKey('selectKeys', members, key)
      setMember(out, key, members[key])
    }
    return out
  }
  return makeTransform('selectKeys', list, select, batch => select(batch))
}

/**
 * Makes a transform that leaves out the members of an object that have these keys.
 *
 * @throws MillraceError `Mismatch` when the element has no such key. TypeError for a wrong list.
 * @example Dataset.of({ x: 1, y: 2, z: 3 }).map(dropKeys(['z']))
 */
export function dropKeys<const K extends string>(keys: readonly K[]): DropKeysTransform<K> {
  const list = checkKeys('dropKeys', keys)
  const drop = (element: unknown): unknown => {
    const out = copyOf('dropKeys', element)
    for (const key of list) if (!Object.hasOwn(out, key)) throw missingKey('dropKeys', out, key)
    for (const key of list) delete out[key]
    return out
  }
  return makeTransform('dropKeys', list, drop, batch => drop(batch))
}

/**
 * Makes a transform that gives members of an object other keys: `{ old: 'new' }`. Their order and all other members stay as
 * they are.
 *
 * @throws MillraceError `Mismatch` when the element has no such key, or has two members of one key afterwards. TypeError for
 * wrong arguments.
 * @example Dataset.of({ image: images, label: labels }).map(renameKeys({ image: 'xs', label: 'ys' }))
 */
export function renameKeys<const R extends Readonly<Record<string, string>>>(names: R): RenameKeysTransform<R> {
  if (typeof names !== 'object' || (names as unknown) === null || Array.isArray(names)) {
    throw new TypeError("renameKeys: names must be an object, like { old: 'new' }")
  }
  const renamed = new Map(Object.entries(names))
  checkKeys('renameKeys', [...renamed.values()])
  const rename = (element: unknown): unknown => {
    const members = copyOf('renameKeys', element)
    for (const key of renamed.keys()) if (!Object.hasOwn(members, key)) throw missingKey('renameKeys', members, key)
    const out: Record<string, unknown> = {}
    for (const key of Object.keys(members)) {
      const name = renamed.get(key) ?? key
      if (Object.hasOwn(out, name)) {
        throw new MillraceError('Mismatch', `renameKeys: the element would have two members ${name}; drop or rename one`, { keyPath: name })
      }
      setMember(out, name, members[key])
    }
    return out
  }
  return makeTransform('renameKeys', { ...names }, rename, batch => rename(batch))
}

function checkKeys(where: string, keys: readonly string[]): readonly string[] {
  if (!Array.isArray(keys)) throw new TypeError(`${where}: keys must be a list of strings`)
  const list = keys as readonly unknown[]
  for (const key of list) if (typeof key !== 'string') throw new TypeError(`${where}: a key must be a string, got ${typeof key}`)
  if (new Set(list).size < list.length) throw new TypeError(`${where}: a key stands twice in ${list.join(', ')}`)
  return Object.freeze(list.slice() as string[])
}
