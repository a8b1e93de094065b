import { randomBytes } from 'node:crypto'
import type { AzureStoreOptions } from '../../../src/storage/azure/store.js'
import { startServer } from '../../servers/start.js'

/** The accounts of test/servers/azurite.mjs. */
export const FIRST = { account: 'devstoreaccount1', key: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==' }
export const SECOND = { account: 'millrace2', key: Buffer.from('the key of the second account').toString('base64') }

export interface Azurite {
  /** Options of a store for one of its accounts. */
  options(account?: typeof FIRST): AzureStoreOptions & typeof FIRST & { readonly endpoint: string }
  stop(): Promise<void>
}

export async function startAzurite(): Promise<Azurite> {
  const server = await startServer('azurite')
  return {
    options: (account = FIRST) => ({ ...account, endpoint: `${server.url}/${account.account}` }),
    stop: () => server.stop()
  }
}

/** The name of a container that nobody else has. */
export function containerName(): string {
  return `c${randomBytes(8).toString('hex')}`
}
