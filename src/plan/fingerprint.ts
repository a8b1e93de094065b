import type { Json } from '../types.js'
import { nodesOf, type PlanNode } from './node.js'
import { travelling } from './reference.js'

/**
 * One entry per operator, sources first: `name:hash` of all that decides which elements come out of it. Knobs and
 * transparent operators are left out, so plans that differ in parallelism and buffer sizes alone have the same signature.
 */
export function signature(plan: PlanNode): string[] {
  return [...nodesOf(plan)].filter(node => node.op.transparent !== true).map(node => {
    const identity = node.op.identity === undefined ? node.params : node.op.identity(node.params)
    return `${node.op.name}:${hash(canonical(identity)).toString(16).padStart(8, '0')}`
  })
}

/** A short name of everything that decides which elements a plan yields; equal plans have equal fingerprints. */
export function fingerprint(plan: PlanNode): string {
  const text = JSON.stringify([shapeOf(plan), signature(plan)])
  return [0, 1].map(salt => hash(`${salt}${text}`).toString(16).padStart(8, '0')).join('')
}

function shapeOf(node: PlanNode): Json {
  return node.op.transparent === true ? shapeOf(node.inputs[0] as PlanNode) : node.inputs.map(shapeOf)
}

/**
 * JSON with sorted keys; functions by their text, transforms by their data, plans by their fingerprint, arrays of numbers by
 * their values.
 */
function canonical(value: unknown): string {
  if (typeof value === 'function') return canonicalFunction(value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value !== 'object' || value === null) return typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? 'undefined')
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (ArrayBuffer.isView(value)) return `${Object.prototype.toString.call(value)}${hashBytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))}`
  const { plan } = value as { plan?: PlanNode }
  if (plan?.op !== undefined) return `plan ${fingerprint(plan)}`
  const entries = Object.entries(value).filter(([, member]) => member !== undefined).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(',')}}`
}

/**
 * A transform is what its data say, wherever it was made, and a portable function what it names, wherever the module lies; of other
 * functions nothing is known but their text.
 */
function canonicalFunction(fn: object): string {
  const found = travelling(fn)
  if (found !== undefined && 'transform' in found) return `transform ${canonical([found.transform.name, found.transform.params])}`
  if (found !== undefined) return `portable ${canonical([found.portable.url.split('/').at(-1), found.portable.name, found.portable.args])}`
  return `function ${Function.prototype.toString.call(fn)}`
}

/** 32 bits of the text (MurmurHash3's mixing). Tells changes apart; no defence against malice. */
function hash(text: string): number {
  let h = text.length
  for (let i = 0; i < text.length; i++) h = mix(h, text.charCodeAt(i))
  return finish(h)
}

function hashBytes(bytes: Uint8Array): number {
  let h = bytes.length
  for (const byte of bytes) h = mix(h, byte)
  return finish(h)
}

function mix(h: number, k: number): number {
  k = Math.imul(k, 0xcc9e2d51)
  h ^= Math.imul((k << 15) | (k >>> 17), 0x1b873593)
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0
}

function finish(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
