import type { AnonymousCredential, BlobBatchClient, BlobServiceClient, BlockBlobClient, ContainerClient, StoragePipelineOptions, StorageSharedKeyCredential } from '@azure/storage-blob'
import { MillraceError, messageOf } from '../../errors.js'
import type { RemoteName } from '../remote/service.js'
import type { Account } from './accounts.js'
import type { AzureTokenCredential } from './credentials.js'

export type AzureSdk = typeof import('@azure/storage-blob')

/** Clients of the SDK, with connections of their own: those that the SDK makes belong to the process, and nobody can close them. */
export interface AzureClients {
  readonly sdk: AzureSdk
  service(account: Account): BlobServiceClient
  container(account: Account, name: string): ContainerClient
  blob(account: Account, name: Pick<RemoteName, 'container' | 'key'>): BlockBlobClient
  /** For batches. It does not try again: what a batch does not do is done one by one. */
  batches(account: Account, container: string): BlobBatchClient
  /** Ends all connections. */
  destroy(): void
}

/** The SDK waits 4 s before the first retry, and up to 2 minutes before later ones. */
const RETRIES = { maxTries: 5, retryDelayInMs: 400, maxRetryDelayInMs: 15_000 }
/** A connection on which nothing has happened for so long is dead. Copies inside the service are silent while they run. */
const SILENT_MS = 100_000

/** @throws MillraceError `MissingPackage` */
export async function azureClients(): Promise<AzureClients> {
  const sdk = await loadSdk()
  const agents = new Map<string, Agent>()
  /** Accounts with signatures that came in URIs are one each, and gone with those. */
  const services = new WeakMap<Account, BlobServiceClient>()

  function agentFor(protocol: string): Agent {
    let agent = agents.get(protocol)
    if (agent === undefined) agents.set(protocol, agent = newAgent(protocol))
    return agent
  }

  function make(account: Account, retryOptions: StoragePipelineOptions['retryOptions']): BlobServiceClient {
    const { access, endpoint } = account
    const url = access.kind === 'sas' ? `${endpoint}?${access.sas}` : endpoint
    // The SDK hands its options on to the pipeline of requests, which takes an agent; its types do not say so.
    const options = { retryOptions, agent: agentFor(new URL(endpoint).protocol) } as StoragePipelineOptions
    return new sdk.BlobServiceClient(url, credentialOf(sdk, account), options)
  }

  function service(account: Account): BlobServiceClient {
    let client = services.get(account)
    if (client === undefined) services.set(account, client = make(account, RETRIES))
    return client
  }

  return {
    sdk,
    service,
    container: (account, name) => service(account).getContainerClient(name),
    blob: (account, { container, key }) => service(account).getContainerClient(container).getBlockBlobClient(key),
    batches: (account, container) => make(account, { maxTries: 1 }).getContainerClient(container).getBlobBatchClient(),
    destroy() {
      for (const agent of agents.values()) agent.destroy()
    }
  }
}

function credentialOf(sdk: AzureSdk, { name, access }: Account): StorageSharedKeyCredential | AnonymousCredential | AzureTokenCredential {
  switch (access.kind) {
    case 'key': return new sdk.StorageSharedKeyCredential(name, access.key)
    case 'token': return access.credential
    default: return new sdk.AnonymousCredential()
  }
}

async function loadSdk(): Promise<AzureSdk> {
  try {
    return await import('@azure/storage-blob')
  } catch (error) {
    throw new MillraceError('MissingPackage',
      `az:// needs the package @azure/storage-blob, which could not be loaded (${messageOf(error)}); run: npm install @azure/storage-blob@">=12.26.0"`,
      { operation: 'load', cause: error })
  }
}

interface Agent {
  createConnection(options: object, connected?: (error: Error | null, socket: AgentSocket) => void): AgentSocket | null | undefined
  destroy(): void
}

interface AgentSocket {
  on(event: 'timeout', listener: () => void): void
  destroy(error: Error): void
}

function newAgent(protocol: string): Agent {
  const host = globalThis.process as { getBuiltinModule?: (name: string) => unknown } | undefined // without an import: this is loaded anywhere
  const module = host?.getBuiltinModule?.(protocol === 'https:' ? 'node:https' : 'node:http') as { Agent: new (options: object) => Agent } | undefined
  if (module === undefined) throw new MillraceError('Unsupported', 'az:// needs Node', { operation: 'load' })
  const agent = new module.Agent({ keepAlive: true, timeout: SILENT_MS })
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (options, connected) => {
    const socket = connect(options, connected)
    // Node only tells of the silence. With this code the SDK tries again.
    socket?.on('timeout', () => socket.destroy(Object.assign(new Error(`nothing came for ${SILENT_MS} ms`), { code: 'ETIMEDOUT' })))
    return socket
  }
  return agent
}
