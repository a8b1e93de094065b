import { afterAll, beforeAll, describe, test } from '@jest/globals'
import { azureStore, type AzureStoreOptions } from '../../../src/storage/azure/store.js'
import { storeConformance } from '../../../src/testing/store.js'
import { accountSas } from './sas.js'
import { FIRST, containerName, startAzurite, type Azurite } from './azurite.js'

let azurite: Azurite
let container: string
beforeAll(async () => {
  azurite = await startAzurite()
  container = containerName()
  const store = azureStore(azurite.options())
  await store.containers?.create(`az://${FIRST.account}/${container}/`)
  await store.close()
}, 60_000)
afterAll(() => azurite.stop())

/** Names that the service, or what is before it, would take for others. */
const refuses = (name: string): boolean => name.split('/').some(part => part.endsWith('.')) || /[\\\0-\x1f]/.test(name)
const partSize = 1 << 20
let places = 0

const variants: readonly (readonly [string, () => AzureStoreOptions, RegExp])[] = [
  ['with the key of the account', () => azurite.options(), /./],
  ['with a shared access signature', () => ({ account: FIRST.account, endpoint: azurite.options().endpoint, sas: accountSas(FIRST) }), /./],
  ['with the MD5 of every range', () => ({ ...azurite.options(), rangeMd5: true }), /read|range|empty|open|whole/]
]
for (const [what, options, cases] of variants) {
  describe(what, () => {
    for (const { name, run } of storeConformance(() => {
      const store = azureStore({ ...options(), partSize, uploadConcurrency: 2 })
      const own = `az://${FIRST.account}/`
      return { store, prefix: `${own}${container}/${places++}/`, container: `${own}${containerName()}/`, partSize, refuses, dispose: () => store.close() }
    })) if (cases.test(name)) test(name, run, 60_000) // the emulator takes 2 to 5 ms for a request
  })
}
