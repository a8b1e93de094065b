import { test } from '@jest/globals'
import { azureStore } from '../../../../src/storage/azure/store.js'
import { accountSas } from '../sas.js'
import { FIRST, containerName, startAzurite } from '../azurite.js'
test('probe', async () => {
  const azurite = await startAzurite()
  const container = containerName()
  const store = azureStore(azurite.options())
  await store.containers?.create(`az://${FIRST.account}/${container}/`)
  const sdk = await import('@azure/storage-blob')
  for (const [cred, url] of [[new sdk.StorageSharedKeyCredential(FIRST.account, FIRST.key), azurite.options().endpoint], [new sdk.AnonymousCredential(), azurite.options().endpoint + '?' + accountSas(FIRST)]] as const) {
    const c = new sdk.BlobServiceClient(url, cred, { retryOptions: { maxTries: 1 } }).getContainerClient(container)
    for (let i = 0; i < 3; i++) await c.getBlockBlobClient(`x${i}`).upload('x', 1)
    try {
      const r = await c.getBlobBatchClient().deleteBlobs([0, 1, 2, 7].map(i => c.getBlobClient(`x${i}`)))
      console.log(r.subResponses.map(s => s && [s.status, s.errorCode]))
    } catch (e) { console.log('fail', (e as any).statusCode, (e as any).code, (e as any).message) }
  }
  let t = performance.now()
  const uris = Array.from({ length: 1050 }, (_, i) => `az://${FIRST.account}/${container}/many/${i}`)
  let k = 0
  await Promise.all(Array.from({ length: 16 }, async () => { while (k < uris.length) await store.put(uris[k++]!, new Uint8Array(1)) }))
  console.log('puts', performance.now() - t); t = performance.now()
  let n = 0
  for await (const p of store.list(`az://${FIRST.account}/${container}/many/`)) n += p.length
  console.log('list', n, performance.now() - t); t = performance.now()
  const r = await store.deleteMany!(uris)
  console.log('del', r.length, performance.now() - t)
  await store.close()
  await azurite.stop()
}, 60000)
