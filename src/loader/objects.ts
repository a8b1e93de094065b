import { Dataset } from '../dataset.js'
import { MillraceError } from '../errors.js'
import type { GeneratorContext } from '../operators/from.js'
import { resolveStore } from '../resolve.js'
import { DEFAULT_POOL, DEFAULT_RANGES } from '../storage/config.js'
import { rangeEngine } from '../storage/layers/range-engine.js'
import { adaptiveTuning, type AdaptiveTuning } from '../storage/layers/workload.js'
import { withoutSecrets } from '../storage/uri.js'
import type { ObjectMeta } from '../store.js'
import { LOADER_DEFAULTS, type ObjectLoaderOptions } from './loader-options.js'

/** A whole object: what loaders of objects deliver. */
export interface LoadedObject {
  /** The canonical URI, without secrets. */
  readonly uri: string
  readonly bytes: Uint8Array
}

/** How objects are read. */
export type ObjectOptions = Pick<ObjectLoaderOptions<never>, 'store' | 'readerMode' | 'partSize' | 'maxInflightParts' | 'adaptive'>

/** Reads objects as the options say. */
export interface ObjectReader {
  read(object: string | ObjectMeta, signal: AbortSignal): Promise<LoadedObject>
  /** The parts that are in force, and the workload that adaptive mode sees; undefined when objects are read at once. */
  parts(): { readonly partSize: number; readonly maxInflightParts: number; readonly workload: string | undefined } | undefined
}

export function objectReader({ store, adaptive = false, readerMode = adaptive ? 'range' : 'whole', partSize, maxInflightParts }: ObjectOptions): ObjectReader {
  const tuning = adaptive ? tuningOf() : undefined
  /** What was given counts, then what is really read. */
  const now = (): { readonly partSize: number; readonly maxInflightParts: number; readonly workload: string | undefined } => {
    const choice = tuning?.current()
    return {
      partSize: partSize ?? choice?.chunkSize ?? LOADER_DEFAULTS.partSize,
      maxInflightParts: maxInflightParts ?? choice?.maxConcurrentRanges ?? LOADER_DEFAULTS.maxInflightParts,
      workload: choice?.workload
    }
  }
  const storeOf = async (uri: string) => store ?? (await resolveStore(uri))
  return {
    async read(object, signal) {
      const [uri, known] = typeof object === 'string' ? [object, undefined] : [object.uri, object]
      const from = await storeOf(uri)
      if (readerMode === 'whole' && from.get !== undefined) {
        const { bytes, meta } = await from.get(uri, { signal, known })
        return { uri: meta.uri, bytes }
      }
      const source = await from.open(uri, { signal, known })
      try {
        const bytes = new Uint8Array(source.byteLength)
        tuning?.observe(bytes.length)
        const { partSize: chunkSize, maxInflightParts: maxConcurrentRanges } = now()
        if (bytes.length === 0) return { uri: source.uri, bytes }
        if (readerMode === 'whole') await source.read(0, bytes, { signal })
        else await rangeEngine((offset, into, options) => source.read(offset, into, options), { chunkSize, maxConcurrentRanges, minSplitSize: chunkSize }).read(0, bytes, { signal })
        return { uri: source.uri, bytes }
      } finally {
        await source.close()
      }
    },
    parts: () => (readerMode === 'whole' ? undefined : now())
  }
}

const tuningOf = (): AdaptiveTuning => adaptiveTuning({
  defaults: { ...DEFAULT_RANGES, chunkSize: LOADER_DEFAULTS.partSize, maxConcurrentRanges: LOADER_DEFAULTS.maxInflightParts },
  minSplitSize: DEFAULT_RANGES.minSplitSize, maxInflight: DEFAULT_POOL.maxInflight, maxInflightBytes: DEFAULT_POOL.maxInflightBytes
})

/** All objects whose URI begins with a prefix, in the byte order of their URIs, listed anew for every pass, page by page. */
export function objectsOf(prefix: string, store: ObjectOptions['store']): Dataset<ObjectMeta> {
  const shown = withoutSecrets(prefix)
  const make = async function* ({ signal }: GeneratorContext): AsyncGenerator<ObjectMeta> {
    let found = false
    for await (const page of (store ?? (await resolveStore(prefix))).list(prefix, { signal })) {
      found ||= page.length > 0
      yield* page
    }
    if (!found) throw new MillraceError('NotFound', `DataLoader.fromPrefix: there is no object below ${shown}`, { uri: shown, operation: 'list' })
  }
  Object.defineProperty(make, 'name', { value: `objects below ${shown}` })
  return Dataset.from(make)
}
