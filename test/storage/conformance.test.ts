import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from '@jest/globals'
import { fileStore } from '../../src/storage/file.js'
import { memoryStore } from '../../src/storage/memory.js'
import { nameCodec } from '../../src/storage/uri.js'
import { storeConformance, type StoreFixture } from '../../src/testing/store.js'

async function fileFixture(style: 'path' | 'uri' | 'root' | 'relative'): Promise<StoreFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-store-'))
  const dispose = (): Promise<void> => rm(directory, { recursive: true, force: true })
  if (style === 'uri') {
    const prefix = `${pathToFileURL(directory).href}/`
    return { store: fileStore(), prefix, encode: (name) => nameCodec(prefix).encode(name), dispose }
  }
  if (style === 'relative') return { store: fileStore({ root: directory }), prefix: 'some/dir/', dispose }
  return { store: fileStore(style === 'root' ? { root: directory } : {}), prefix: `${directory}/`, dispose }
}

describe('mem://', () => {
  for (const { name, run } of storeConformance(() => ({ store: memoryStore(), prefix: 'mem://bucket/' }))) test(name, run)
})

for (const style of ['path', 'uri', 'root', 'relative'] as const) {
  describe(`file, ${style}`, () => {
    for (const { name, run } of storeConformance(() => fileFixture(style))) test(name, run)
  })
}

describe('the suite itself', () => {
  test('fails for a store that lies', async () => {
    const honest = memoryStore()
    const lying = { ...honest, stat: async (uri: string) => ({ ...(await honest.stat(uri)), size: 1 }) }
    const failed: string[] = []
    for (const { name, run } of storeConformance(() => { honest.clear(); return { store: lying, prefix: 'mem://x/' } })) {
      await run().catch(() => failed.push(name))
    }
    expect(failed).toContain('put, stat, open and list tell the same')
  })
})
