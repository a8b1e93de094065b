import { MillraceError } from '../../errors.js'
import type { Containers, DeleteResult, Store } from '../../store.js'
import type { Transport } from './http.js'
import type { RemoteName, RemoteService, ServiceControl } from './service.js'

/** Takes a URI apart, and refuses when the store was closed or the signal is aborted. */
export type Locate = (uri: string, operation: string, signal: AbortSignal | undefined, what?: 'object' | 'prefix') => RemoteName

type Methods = Pick<Store, 'stat' | 'list' | 'put' | 'createWriter' | 'delete' | 'copy' | 'deleteMany' | 'listDirectory' | 'containers'>

/** Everything of a remote store but reading: URIs are checked here, the service does the rest. */
export interface ControlMethods {
  readonly methods: Methods
  /** What was loaded, if anything was. */
  loaded(): Promise<ServiceControl | undefined>
}

export function controlMethods(service: RemoteService, locate: Locate, transport: () => Transport): ControlMethods {
  return service.control === undefined
    ? { methods: readOnly(service, locate, transport), loaded: () => Promise.resolve(undefined) }
    : withControl(service.control, locate)
}

function withControl(load: NonNullable<RemoteService['control']>, locate: Locate): ControlMethods {
  let control: Promise<ServiceControl> | undefined

  /** Loaded once; a failure to load is not kept. */
  function loading(): Promise<ServiceControl> {
    return control ??= Promise.resolve(load()).catch((error: unknown) => {
      control = undefined
      throw error
    })
  }

  const containers: Containers = {
    async *list(request = {}) {
      request.signal?.throwIfAborted()
      yield* (await loading()).containers.list(request)
    },
    async create(uri, request = {}) {
      locate(uri, 'create', request.signal, 'prefix')
      await (await loading()).containers.create(uri, request)
    },
    async delete(uri, request = {}) {
      locate(uri, 'delete', request.signal, 'prefix')
      await (await loading()).containers.delete(uri, request)
    }
  }

  return {
    methods: {
      async stat(uri, request = {}) {
        const name = locate(uri, 'stat', request.signal)
        return (await loading()).stat(name, request)
      },
      async *list(prefix, request = {}) {
        const name = locate(prefix, 'list', request.signal, 'prefix')
        yield* (await loading()).list(name, request)
      },
      async *listDirectory(prefix, request = {}) {
        const name = locate(prefix, 'listDirectory', request.signal, 'prefix')
        yield* (await loading()).listDirectory(name, request)
      },
      async put(uri, bytes, request = {}) {
        const name = locate(uri, 'put', request.signal)
        return (await loading()).put(name, bytes, request)
      },
      async createWriter(uri, request = {}) {
        const name = locate(uri, 'createWriter', request.signal)
        return (await loading()).createWriter(name, request)
      },
      async delete(uri, request = {}) {
        const name = locate(uri, 'delete', request.signal)
        await (await loading()).delete(name, request)
      },
      async deleteMany(uris, request = {}) {
        return deleteMany(uris, uri => locate(uri, 'deleteMany', request.signal), async names => (await loading()).deleteMany(names, request))
      },
      async copy(from, to, request = {}) {
        const [source, target] = [locate(from, 'copy', request.signal), locate(to, 'copy', request.signal)]
        return (await loading()).copy(source, target, request)
      },
      containers
    },
    loaded: async () => (control === undefined ? undefined : control.catch(() => undefined))
  }
}

/** A URI that names nothing is a result too, and does not keep the others from being deleted. */
async function deleteMany(
  uris: readonly string[],
  locate: (uri: string) => RemoteName,
  remove: (names: readonly RemoteName[]) => Promise<readonly DeleteResult[]>
): Promise<readonly DeleteResult[]> {
  const results = new Array<DeleteResult>(uris.length)
  const good: { readonly at: number; readonly name: RemoteName }[] = []
  for (const [at, uri] of uris.entries()) {
    try {
      good.push({ at, name: locate(uri) })
    } catch (error) {
      if ((error as { kind?: unknown }).kind !== 'InvalidUri') throw error
      results[at] = { uri: (error as { uri?: string }).uri ?? uri, error }
    }
  }
  if (good.length > 0) {
    const removed = await remove(good.map(({ name }) => name))
    for (const [i, { at }] of good.entries()) results[at] = removed[i] as DeleteResult
  }
  return results
}

function readOnly({ scheme, stat }: RemoteService, locate: Locate, transport: () => Transport): Methods {
  function refuse(uri: string, operation: string, signal: AbortSignal | undefined): never {
    const name = locate(uri, operation, signal, 'prefix')
    throw new MillraceError('Unsupported', `${operation} ${name.uri}: ${scheme}:// can only be read; list and write with the store of the service behind it`,
      { uri: name.uri, operation })
  }
  return {
    async stat(uri, request = {}) {
      if (stat === undefined) return refuse(uri, 'stat', request.signal)
      return stat(locate(uri, 'stat', request.signal), request, transport())
    },
    async *list(prefix, request = {}) {
      refuse(prefix, 'list', request.signal)
    },
    put: async (uri, _, request = {}) => refuse(uri, 'put', request.signal),
    createWriter: async (uri, request = {}) => refuse(uri, 'createWriter', request.signal),
    delete: async (uri, request = {}) => refuse(uri, 'delete', request.signal)
  }
}
