import type { Access } from '../access.js'
import { boundedCache } from '../cache.js'
import { corrupt } from '../faults.js'
import { fieldsOf } from '../fields.js'

/** Where values of variable length are. */
export interface GlobalHeap {
  /** The bytes of an object; a promise only if its collection has to be read. */
  get(access: Access, address: number, index: number): Uint8Array | Promise<Uint8Array>
}

interface Collection {
  readonly bytes: Uint8Array
  readonly objects: ReadonlyMap<number, Uint8Array>
}

const CACHE_BYTES = 2 ** 24
const LEAST_BYTES = 4096

/** The global heap of a file (specification §III.E). 16 MiB of its collections are kept. */
export function openGlobalHeap(): GlobalHeap {
  const collections = boundedCache<number, Collection>(CACHE_BYTES, collection => collection.bytes.length)

  function objectOf(access: Access, collection: Collection, address: number, index: number): Uint8Array {
    const object = collection.objects.get(index)
    if (object === undefined) throw corrupt(access.place(address), `a heap collection has no object ${index}`)
    return object
  }

  return {
    get(access, address, index) {
      const there = collections.peek(address)
      if (there !== undefined) return objectOf(access, there, address, index)
      return collections.get(address, access.signal, () => readCollection(access, address))
        .then(collection => objectOf(access, collection, address, index))
    }
  }
}

async function readCollection(access: Access, address: number): Promise<Collection> {
  const what = 'a heap collection'
  const { lengthBytes } = access
  const head = fieldsOf(access, await access.readSome(address, LEAST_BYTES, what), address, what)
  head.signature('GCOL')
  head.expect([1], 'version')
  head.skip(3)
  const size = head.length()
  const bytes = await access.read(address, size, what)
  const fields = fieldsOf(access, bytes, address, what)
  fields.skip(head.at)
  const objects = new Map<number, Uint8Array>()
  while (fields.left >= 8 + lengthBytes) {
    const index = fields.u16()
    fields.skip(6)
    const length = fields.length()
    if (index === 0) break // the free space at the end
    objects.set(index, fields.bytes(length))
    fields.skip(Math.min(fields.left, (8 - (length % 8)) % 8))
  }
  return { bytes, objects }
}
