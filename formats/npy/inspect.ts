import type { ByteSource, DType, Shape } from '../../src/format.js'
import { readHeader, type Header } from './header.js'
import { axesShape } from './item.js'
import { fileRegion, type Region } from './region.js'

/** What the header of an NPY file says. */
export interface NpyInfo {
  /** `1.0`, `2.0` or `3.0`. */
  readonly version: string
  readonly shape: Shape
  /** True when the first axis is the fastest in the file. Elements are in the usual order all the same. */
  readonly fortranOrder: boolean
  /** The header as it stands there. */
  readonly header: string
  /** Where the items begin in the file. */
  readonly dataOffset: number
  /** Bytes of all items. */
  readonly dataBytes: number
  /** One for every field; one with an empty name for an array that is not structured. */
  readonly columns: readonly NpyColumn[]
}

/** A column of an array. */
export interface NpyColumn {
  /** Name of the field, behind those that it is in: `position.x`. */
  readonly name: string
  /** How it is held here. */
  readonly dtype: DType
  /** Shape in one item; mostly `[]`. */
  readonly shape: Shape
  /** What NumPy calls it: `<f4`. */
  readonly descr: string
  /** Of dates and time differences: `ns`, `25s`, `generic`. Dates count from 1970-01-01; -2^63 is no date (NaT). */
  readonly unit?: string
}

/** Tells what is in an NPY file. Reads nothing but its header. @throws MillraceError as reading does */
export async function inspectNpy(source: ByteSource, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<NpyInfo> {
  const signal = options.signal ?? new AbortController().signal
  const region = fileRegion(source)
  return infoOf(region, await readHeader(region, await headOf(region, signal), 'latin1', signal))
}

/** Room for the header of an array that is not structured. */
const HEAD_BYTES = 1024

/** The first bytes. */
export async function headOf(region: Region, signal: AbortSignal): Promise<Uint8Array> {
  const head = new Uint8Array(Math.min(HEAD_BYTES, region.byteLength))
  if (head.length > 0) await region.read(0, head, signal)
  return head
}

export function infoOf(region: Region, { version, text, item, shape, fortranOrder, dataOffset, dataBytes }: Header): NpyInfo {
  return {
    version,
    shape,
    fortranOrder,
    header: text,
    dataOffset: region.start + dataOffset,
    dataBytes,
    columns: item.leaves.map((leaf) => ({
      name: leaf.path.join('.'), dtype: leaf.dtype, shape: axesShape(leaf), descr: leaf.descr, ...(leaf.unit !== undefined && { unit: leaf.unit })
    }))
  }
}
