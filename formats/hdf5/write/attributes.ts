import { isDType, MillraceError, type NdArray } from '../../../src/format.js'
import { datatypeMessage } from './datatype.js'
import { attributeInfo, attributeMessage, type HeaderMessage } from './headers.js'
import type { Attributes, AttributeValue } from './options.js'
import { bytesOf } from './values.js'
import { writeTexts } from './texts.js'

const MOST_BYTES = 2 ** 16 - 1

/** Where the texts of attributes go. */
export interface TextPlacement {
  /** The address that the next heaps get. */
  address(): number
  write(heaps: Uint8Array): void
}

/** The messages of attributes. Texts go where `place` puts them. */
export function attributeMessages(path: string, attributes: Attributes, place: TextPlacement): HeaderMessage[] {
  const messages = Object.entries(attributes).map(([name, value]) => {
    const array = arrayOf(path, name, value)
    let data: Uint8Array
    if (array.dtype === 'string') {
      const texts = writeTexts(array.data as readonly string[], place.address())
      place.write(texts.heaps)
      data = texts.references
    } else {
      data = bytesOf(array)
    }
    const message = attributeMessage(name, datatypeMessage(array.dtype), array.shape, data)
    if (message.body.length <= MOST_BYTES) return message
    throw new MillraceError('Limit', `the attribute ${name} of ${path} has ${data.length} bytes; attributes stay below 64 KiB, make it a dataset`)
  })
  // Without it HDF5 lists attributes, but counts none.
  return messages.length === 0 ? [] : [attributeInfo(), ...messages]
}

function arrayOf(path: string, name: string, value: AttributeValue): NdArray {
  if (typeof value === 'number') return { dtype: 'float64', shape: [], data: Float64Array.of(value) }
  if (typeof value === 'bigint') return { dtype: 'int64', shape: [], data: BigInt64Array.of(value) }
  if (typeof value === 'boolean') return { dtype: 'bool', shape: [], data: Uint8Array.of(value ? 1 : 0) }
  if (typeof value === 'string') return { dtype: 'string', shape: [], data: [value] }
  if (Array.isArray(value) && value.every(text => typeof text === 'string')) return { dtype: 'string', shape: [value.length], data: value }
  if (isDType((value as Partial<NdArray> | null)?.dtype)) return value as NdArray
  throw new TypeError(`the attribute ${name} of ${path} must be a number, bigint, boolean, string, strings or an NdArray`)
}
