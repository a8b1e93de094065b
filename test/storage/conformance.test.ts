import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from '@jest/globals'
import { directStore } from '../../src/storage/direct.js'
import { fileStore } from '../../src/storage/file.js'
import { memoryStore } from '../../src/storage/memory.js'
import { nameCodec } from '../../src/storage/uri.js'
import { storeConformance, type StoreFixture } from '../../src/testing/store.js'

async function fileFixture(style: 'path' | 'uri' | 'root' | 'relative' | 'direct'): Promise<StoreFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-store-'))
  const dispose = (): Promise<void> => rm(directory, { recursive: true, force: true })
  const lacks = ['metadata', 'contentType', 'verify'] as const
  if (style === 'uri') {
    const prefix = `${pathToFileURL(directory).href}/`
    return { store: fileStore(), prefix, encode: (name) => nameCodec(prefix).encode(name), hierarchical: true, lacks, dispose }
  }
  if (style === 'direct') {
    const prefix = `${pathToFileURL(directory).href.replace('file:', 'direct:')}/`
    const store = directStore({ fallback: 'buffered', memoryBytes: 2 << 20 })
    return { store, prefix, encode: (name) => nameCodec(prefix).encode(name), hierarchical: true, lacks, dispose: async () => { await store.close(); await dispose() } }
  }
  if (style === 'relative') return { store: fileStore({ root: directory }), prefix: 'some/dir/', hierarchical: true, lacks, dispose }
  return { store: fileStore(style === 'root' ? { root: directory } : {}), prefix: `${directory}/`, hierarchical: true, lacks, dispose }
}

describe('mem://', () => {
  for (const { name, run } of storeConformance(() => ({ store: memoryStore(), prefix: 'mem://bucket/', lacks: ['verify'] }))) test(name, run)
})

for (const style of ['path', 'uri', 'root', 'relative', 'direct'] as const) {
  describe(`file, ${style}`, () => {
    for (const { name, run } of storeConformance(() => fileFixture(style))) test(name, run)
  })
}

describe('the suite itself', () => {
  test('fails for a store that lies', async () => {
    const honest = memoryStore()
    const lying = { ...honest, stat: async (uri: string) => ({ ...(await honest.stat(uri)), size: 1 }) }
    const failed: string[] = []
    for (const { name, run } of storeConformance(() => { honest.clear(); return { store: lying, prefix: 'mem://x/', lacks: ['verify'] } })) {
      await run().catch(() => failed.push(name))
    }
    expect(failed).toContain('put, stat, open and list tell the same')
  })
})
