import { inParallel, MillraceError, type ByteSource } from '../../src/format.js'
import { arrayReader, type ArrayReader } from '../npy/array.js'
import { readHeader, type Header } from '../npy/header.js'
import type { NamedArray } from '../npy/table.js'
import type { Member } from './directory.js'
import { zipFault } from './faults.js'
import { heldArray } from './held.js'
import { inflatedRegion, type InflatedRegion } from './inflated.js'
import { DEFLATED, openMember } from './member.js'
import type { ResolvedNpzOptions } from './options.js'
import { storedRegion, verifiedRegion } from './stored.js'

/** Arrays of an archive, opened. */
export interface OpenedArrays {
  readonly arrays: readonly NamedArray[]
  close(): Promise<void>
}

/** An array that was chosen, and what it is to be called. */
export interface Choice {
  readonly as: string
  readonly member: Member
}

const AT_ONCE = 16
/** Memory of all streams together, and bounds for each. */
const AHEAD_BYTES = 2 ** 25
const MOST_AHEAD = 2 ** 21
const LEAST_AHEAD = 2 ** 16
/** Stored arrays that are read at once and kept beside others, so that a row is one range and not several: labels, mostly. */
const MOST_KEPT = 2 ** 19
const MOST_KEPT_IN_ALL = 2 ** 20
/** Rows across more deflated arrays than that would take a stream for each. */
const MOST_STREAMS = 256

/** The arrays that were asked for; all whose name ends in `.npy` without that. @throws MillraceError `NotFound` */
export function chooseMembers(uri: string, members: readonly Member[], keys: ResolvedNpzOptions['keys']): Choice[] {
  const byName = new Map(members.map((member) => [member.name, member]))
  if (keys === undefined) return members.filter(({ name }) => name.endsWith('.npy')).map((member) => ({ as: keyOf(member), member }))
  return keys.map(([as, name]) => {
    const member = byName.get(`${name}.npy`) ?? byName.get(name)
    if (member !== undefined) return { as, member }
    const known = members.map(keyOf)
    const listed = known.length > 20 ? `${known.slice(0, 20).join(', ')} and ${known.length - 20} more` : known.join(', ')
    throw new MillraceError('NotFound', `${uri}: there is no array ${JSON.stringify(name)} in it; there is ${listed || 'none'}`, { uri, keyPath: name, operation: 'open' })
  })
}

/** What NumPy calls it. */
export function keyOf({ name }: Member): string {
  return name.replace(/\.npy$/, '')
}

/** Opens arrays: reads their headers, side by side. If one cannot be opened, all are closed again. */
export async function openArrays(
  source: ByteSource, choices: readonly Choice[], options: ResolvedNpzOptions, signal: AbortSignal
): Promise<OpenedArrays> {
  const { uri } = source
  const whole = options.element === 'file'
  const deflated = choices.filter(({ member }) => member.method === DEFLATED)
  checkSizes(uri, deflated, options.maxInflatedBytes)
  if (!whole && deflated.length > MOST_STREAMS) {
    throw new MillraceError('Limit', `${uri}: rows across ${deflated.length} deflated arrays; ${MOST_STREAMS} are decompressed at once. `
      + "Choose some with the option keys, or read the whole file: element: 'file'", { uri, operation: 'open' })
  }
  const sharing = Math.max(1, Math.min(deflated.length, whole ? AT_ONCE : Infinity))
  const aheadBytes = Math.max(LEAST_AHEAD, Math.min(MOST_AHEAD, Math.floor(AHEAD_BYTES / sharing)))
  const sizes = { aheadBytes, readBytes: Math.min(2 ** 18, aheadBytes) }
  const streams: InflatedRegion[] = []
  const lifetime = new AbortController()
  const arrays: NamedArray[] = []
  let held = 0
  let kept = 0

  async function openArray({ member }: Choice): Promise<ArrayReader> {
    const { start, head } = await openMember(source, member, signal)
    if (member.method !== DEFLATED) {
      const stored = storedRegion(source, member, start)
      const header = await readHeader(stored, head, options.strings, signal)
      const verified = verifiedRegion(stored, member.crc)
      if (header.dataBytes === 0) await verified.read(member.bytes, new Uint8Array(0), signal)
      const keep = !whole && choices.length > 1 && header.dataBytes <= MOST_KEPT && kept + header.dataBytes <= MOST_KEPT_IN_ALL
      if (keep) kept += header.dataBytes
      const array = arrayReader(whole || keep ? verified : stored, header, options.strings)
      return keep ? heldArray(array, lifetime.signal) : array
    }
    const stream = inflatedRegion(source, member, start, sizes)
    streams.push(stream)
    const header = await peekHeader(member, head, signal) ?? await readHeader(stream, await firstBytes(stream, signal), options.strings, signal)
    if (header.dataBytes === 0) await stream.read(member.bytes, new Uint8Array(0), signal)
    await stream.close() // Until it is read it takes no memory, and no time.
    const array = arrayReader(stream, header, options.strings)
    held += whole || array.fortran ? header.dataBytes : array.itemsPerRow * header.item.bytes
    if (held > options.maxRowBytes) {
      throw zipFault('Limit', { uri, offset: member.headerOffset, member: member.name },
        `${held} bytes of deflated arrays would have to be in memory for one element, more than maxRowBytes, ${options.maxRowBytes}. `
        + 'Raise it, or write the archive without compression, or arrays in Fortran order as np.ascontiguousarray(array)')
    }
    return array.fortran && !whole ? heldArray(array, lifetime.signal) : array
  }
  /** The header, if it is in the bytes that came along; errors are left to those who read them all. */
  async function peekHeader(member: Member, head: Uint8Array, signal: AbortSignal): Promise<Header | undefined> {
    const inMemory: ByteSource = { ...source, read: async (offset, into) => into.set(head.subarray(offset, offset + into.length)) }
    const peek = inflatedRegion(inMemory, { ...member, compressedBytes: head.length }, 0, { aheadBytes: 1, readBytes: head.length })
    try {
      return await readHeader(peek, await firstBytes(peek, signal), options.strings, signal)
    } catch {
      signal.throwIfAborted()
      return undefined
    } finally {
      await peek.close()
    }
  }
  async function close(): Promise<void> {
    lifetime.abort(new MillraceError('Closed', `${uri}: the file was closed`, { uri }))
    await Promise.all(streams.map((stream) => stream.close()))
  }

  try {
    await inParallel([...choices.entries()], AT_ONCE, async ([i, choice]) => {
      arrays[i] = { key: choice.as, array: await openArray(choice) }
    })
  } catch (error) {
    await close()
    throw error
  }
  return { arrays, close }
}

function checkSizes(uri: string, deflated: readonly Choice[], most: number): void {
  let sum = 0
  for (const { member } of deflated) {
    sum += member.bytes
    if (sum <= most) continue
    throw zipFault('Limit', { uri, offset: member.headerOffset, member: member.name },
      `up to this member the deflated arrays have ${sum} bytes when they are decompressed, more than maxInflatedBytes, ${most}. Raise it if the file is to be trusted`)
  }
}

/** No more than is asked for again: a stream does not go back. */
async function firstBytes(stream: InflatedRegion, signal: AbortSignal): Promise<Uint8Array> {
  const head = new Uint8Array(Math.min(10, stream.byteLength))
  if (head.length > 0) await stream.read(0, head, signal)
  return head
}
