/** Reads the fixtures that TensorFlow wrote, and turns values into the JSON that they hold. */
import { readFileSync } from 'node:fs'
import { isMillraceError } from '../../src/errors.js'

export function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../fixtures/example/${name}`, import.meta.url), 'utf8')) as T
}

export function unhex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** A value as the fixtures write it. */
export function json(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return Number.isNaN(value) ? 'nan' : Math.abs(value) === Infinity ? (value > 0 ? 'inf' : '-inf') : value
  if (value instanceof Uint8Array) return hex(value)
  return value
}

/** All values in a leaf, as the fixtures write them. */
export function jsonValues(leaf: unknown): unknown[] {
  if (leaf instanceof Uint8Array) return [hex(leaf)]
  if (Array.isArray(leaf)) return leaf.flatMap((one) => jsonValues(one))
  if (typeof leaf === 'object' && leaf !== null && 'data' in leaf) return Array.from(leaf.data as ArrayLike<unknown>, json)
  return [json(leaf)]
}

/** The result of a function, or the kind of its MillraceError; any other error is thrown. */
export function outcome<T>(run: () => T): T | { readonly error: string } {
  try {
    return run()
  } catch (error) {
    if (isMillraceError(error)) return { error: error.kind }
    throw error
  }
}
