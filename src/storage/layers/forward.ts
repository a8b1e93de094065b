import type { Store } from '../../store.js'

/** Every method of a store, so that one that is added to the contract and forgotten here does not compile. */
type Methods = { readonly [Name in Exclude<keyof Store, 'scheme' | 'capabilities'>]-?: Store[Name] | undefined }

/**
 * Makes a layer: a store that passes everything on to another one, but for what `own` has. What the inner store cannot do, the layer
 * cannot do either, unless it is in `own`.
 *
 * ```ts
 * const store = memoryStore()
 * const readOnly = forward(store, { put: async () => { throw new Error('this store is for reading') } })
 * ```
 */
export function forward<Own extends object>(inner: Store, own: Own & Partial<Store>): Store & Own {
  const { get, copy, rename, deleteMany, listDirectory, knobs, close } = inner
  const methods: Methods = {
    open: (uri, options) => inner.open(uri, options),
    stat: (uri, options) => inner.stat(uri, options),
    list: (prefix, options) => inner.list(prefix, options),
    put: (uri, bytes, options) => inner.put(uri, bytes, options),
    createWriter: (uri, options) => inner.createWriter(uri, options),
    delete: (uri, options) => inner.delete(uri, options),
    get: get && ((uri, options) => get.call(inner, uri, options)),
    copy: copy && ((from, to, options) => copy.call(inner, from, to, options)),
    rename: rename && ((from, to, options) => rename.call(inner, from, to, options)),
    deleteMany: deleteMany && ((uris, options) => deleteMany.call(inner, uris, options)),
    listDirectory: listDirectory && ((prefix, options) => listDirectory.call(inner, prefix, options)),
    containers: inner.containers,
    knobs: knobs && (() => knobs.call(inner)),
    close: close && (() => close.call(inner))
  }
  const store = Object.fromEntries(Object.entries(methods).filter(([, method]) => method !== undefined))
  Object.defineProperties(store, {
    scheme: { value: inner.scheme, enumerable: true, configurable: true },
    // Asked each time: a store may learn what it is good at.
    capabilities: { get: () => inner.capabilities, enumerable: true, configurable: true },
    ...Object.getOwnPropertyDescriptors(own)
  })
  return store as unknown as Store & Own // put together by name
}
