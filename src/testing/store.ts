/**
 * What every store must do, as cases that any test runner can run. They need nothing but the store.
 *
 * ```ts
 * for (const { name, run } of storeConformance(() => ({ store: memoryStore(), prefix: 'mem://t/', lacks: ['verify'] }))) test(name, run)
 * ```
 */
import type { Store } from '../store.js'
import type { ConformanceCase } from './case.js'
import { kitOf } from './store-kit.js'
import { listingCases } from './store-listing.js'
import { operationCases } from './store-operations.js'
import { readingCases } from './store-reading.js'
import { writingCases } from './store-writing.js'

/**
 * What the contract has words for and a service may not do: keep metadata and media types, tell when an object was written, write and copy on a
 * condition, tell checksums.
 */
export type StoreFeature = 'metadata' | 'contentType' | 'modified' | 'ifAbsent' | 'ifVersion' | 'conditional copy' | 'verify'

/** A store to test, and the place in it that belongs to one case. */
export interface StoreFixture {
  readonly store: Store
  /** What the URIs of the case begin with, ending in `/`. There is nothing below it. */
  readonly prefix: string
  /** How a name is written in a URI. Default: as it is. */
  readonly encode?: (name: string) => string
  /** What the store does not do: what is checked of that is left out. Methods that are optional and not there are left out anyway. @default nothing */
  readonly lacks?: readonly StoreFeature[]
  /** Names that cannot be: they must be `InvalidUri`, before anything is sent. @default none */
  readonly refuses?: (name: string) => boolean
  /** True when names are paths, so that `a//b` is `a/b` and `a` cannot be beside `a/b`. @default false */
  readonly hierarchical?: boolean
  /** Bytes in one part of a large upload, as the store is set up: the suite writes more than two. @default 5 MiB */
  readonly partSize?: number
  /** Objects of the case of long listings: more than a page of the service has. @default 1050 */
  readonly crowd?: number
  /** The URI, ending in `/`, of a container that is not there, for the case of containers. @default none: it is left out */
  readonly container?: string
  /** Called after the case, also when it failed; the store may be closed by then. */
  readonly dispose?: () => void | Promise<void>
}

/** The cases for a store that can write and list. `makeStore` is called once per case. */
export function storeConformance(makeStore: () => StoreFixture | Promise<StoreFixture>): ConformanceCase[] {
  return [...readingCases(), ...writingCases(), ...listingCases(), ...operationCases()].map(([name, body]) => ({
    name,
    async run() {
      const fixture = await makeStore()
      try {
        await body(kitOf(fixture))
      } finally {
        await fixture.dispose?.()
      }
    }
  }))
}
