import { describe, expect, test } from '@jest/globals'
import { defaultMemoryStore, memoryStore } from '../../src/storage/memory.js'

describe('memory stores', () => {
  test('are isolated from each other and from the default one, and can be emptied', async () => {
    const [a, b] = [memoryStore(), memoryStore()]
    await a.put('mem://x', new Uint8Array(3))
    await expect(b.stat('mem://x')).rejects.toMatchObject({ kind: 'NotFound' })
    await expect(defaultMemoryStore.stat('mem://x')).rejects.toMatchObject({ kind: 'NotFound' })
    expect(a.byteLength).toBe(3)
    const source = await a.open('MEM://x')
    expect(source.uri).toBe('mem://x')
    a.clear()
    expect(a.byteLength).toBe(0)
    await source.read(0, new Uint8Array(3))
    await source.close()
  })

  test('take every name as it is, but none, or one of another scheme, is an InvalidUri', async () => {
    const store = memoryStore()
    for (const key of ['a/../b', '/lead', 'x//y', '.', 'x/', '%']) {
      expect((await store.put(`mem://${key}`, new Uint8Array(1))).uri).toBe(`mem://${key}`)
    }
    for (const uri of ['mem://', 'x', 'file:///x', 's3://a/b']) {
      await expect(store.open(uri)).rejects.toMatchObject({ kind: 'InvalidUri' })
    }
  })

  test('copy what they are given, also from a Buffer', async () => {
    const store = memoryStore()
    const buffer = Buffer.from('abc')
    const writer = await store.createWriter('mem://x')
    await writer.write(buffer)
    buffer.fill(0)
    await writer.finalize()
    const into = new Uint8Array(3)
    const source = await store.open('mem://x')
    await source.read(0, into)
    expect([...into]).toEqual([97, 98, 99])
    await source.close()
  })

  test('keep media types and metadata as they were given, and tell when', async () => {
    const store = memoryStore()
    const metadata: Record<string, string> = { k: 'v' }
    const before = Date.now()
    await store.put('mem://a', new Uint8Array(3), { contentType: 'text/plain', metadata })
    metadata['k'] = 'changed'
    const stat = await store.stat('mem://a')
    expect(stat).toMatchObject({ contentType: 'text/plain', metadata: { k: 'v' } })
    expect(stat.modified).toBeGreaterThanOrEqual(before)
    await store.copy?.('mem://a', 'mem://b', { metadata: { other: '1' } })
    expect(await store.stat('mem://b')).toMatchObject({ contentType: 'text/plain', metadata: { other: '1' } })
    await store.rename?.('mem://b', 'mem://c', { contentType: 'image/png' })
    expect(await store.stat('mem://c')).toMatchObject({ contentType: 'image/png', metadata: { other: '1' } })
    await store.put('mem://d', new Uint8Array(3))
    expect(await store.stat('mem://d')).toMatchObject({ contentType: 'application/octet-stream', metadata: {} })
  })

  test('give bytes that belong to the caller, also after a copy', async () => {
    const store = memoryStore()
    await store.put('mem://a', new Uint8Array([1, 2, 3]))
    await store.copy?.('mem://a', 'mem://b')
    const first = await store.get?.('mem://b')
    first?.bytes.fill(9)
    expect([...((await store.get?.('mem://b'))?.bytes ?? [])]).toEqual([1, 2, 3])
    expect([...((await store.get?.('mem://a'))?.bytes ?? [])]).toEqual([1, 2, 3])
  })

  test('list more than a page', async () => {
    const store = memoryStore()
    for (let i = 0; i < 2100; i++) await store.put(`mem://${i}`, new Uint8Array(0))
    const sizes: number[] = []
    for await (const page of store.list('mem://')) sizes.push(page.length)
    expect(sizes).toEqual([1000, 1000, 100])
  })
})
