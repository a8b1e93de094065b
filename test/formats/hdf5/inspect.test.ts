import { describe, expect, test } from '@jest/globals'
import { fixture, memorySource, openBytes } from './support.js'
import type { Hdf5Group, Hdf5Node } from '../../../formats/hdf5/index.js'

const node = (group: Hdf5Group, path: string): Hdf5Node | undefined =>
  group.members.flatMap(member => [member, ...(member.kind === 'group' ? [node(member, path)].filter(found => found !== undefined) : [])])
    .find(member => member.path === path)

describe.each(['earliest', 'latest'])('groups of %s', version => {
  const open = () => openBytes(fixture(`groups-${version}`))

  test('are listed with their links', async () => {
    const root = await (await open()).inspect()
    expect(root.members.map(({ path }) => path)).toEqual(['/a', '/data', '/external', '/grün', '/many', '/soft'])
    expect(node(root, '/many')).toMatchObject({ kind: 'group', members: { length: 60 } })
    expect(node(root, '/many/link 13 nnnnnn')).toMatchObject({ kind: 'dataset', shape: [2, 2], type: 'int16' })
    expect(node(root, '/soft/absolute')).toEqual({ kind: 'link', path: '/soft/absolute', target: '/a/b/c/d' })
    expect(node(root, '/external')).toEqual({ kind: 'external', path: '/external', file: 'other.h5', target: '/x' })
  })

  test('that contain themselves are listed once', async () => {
    const root = await (await open()).inspect()
    expect(node(root, '/a/b/up')).toEqual({ kind: 'link', path: '/a/b/up', target: '/a' })
  })

  test('lead to datasets by paths, soft links and themselves', async () => {
    const file = await open()
    for (const path of ['/a/b/c/d', 'a/b/c/d', '//a/./b/c/d', '/soft/absolute', '/soft/relative', '/soft/group/c/d', '/a/b/up/b/up/b/c/d']) {
      expect((await file.dataset(path)).shape).toEqual([2])
    }
  })

  test('say what is there when a name is not', async () => {
    const file = await open()
    await expect(file.dataset('/soft/missing')).rejects.toMatchObject({ kind: 'NotFound', message: expect.stringContaining("'absolute', 'dangling'") })
    await expect(file.dataset('/soft/dangling')).rejects.toMatchObject({ kind: 'NotFound' })
    await expect(file.dataset('/data/x')).rejects.toMatchObject({ kind: 'NotFound' })
    await expect(file.dataset('/a/b')).rejects.toMatchObject({ kind: 'NotFound', message: expect.stringContaining('is a group') })
    await expect(file.dataset('/soft/loop')).rejects.toMatchObject({ kind: 'Corrupt', message: expect.stringContaining('soft links') })
    await expect(file.dataset('/external')).rejects.toMatchObject({ kind: 'Unsupported', message: expect.stringContaining('other.h5') })
  })
})

describe.each(['earliest', 'latest'])('attributes of %s', version => {
  test('are plain values', async () => {
    const file = await openBytes(fixture(`attributes-${version}`))
    const { attributes } = await file.dataset('/few')
    expect(attributes).toEqual({
      int: -5, big: 2n ** 60n, half: Math.fround(0.33300782), float: 2.5, text: 'grün', fixed: 'abc', texts: ['a', 'bc'], flag: true,
      matrix: [[0, 1, 2], [3, 4, 5]], complex: { re: 1, im: -2 }, empty: null, none: [], point: { x: 1, y: 2.5 },
      reference: { unsupported: 'a reference' }
    })
    const root = await file.inspect()
    expect(root.attributes).toEqual({ 'on the root': 1 })
    const many = node(root, '/many')
    expect(many).toMatchObject({ attributes: { 'attribute 0': 0, 'attribute 39': 1521, long: 'z'.repeat(6000) } })
    if (version === 'latest') expect((many as Hdf5Group).attributes['large']).toEqual(Array.from({ length: 1500 }, (_, i) => i))
  })
})

test('a dataset says how it is stored', async () => {
  const root = await (await openBytes(fixture('layouts-v110'))).inspect()
  expect(node(root, '/growing/second')).toEqual({
    kind: 'dataset', path: '/growing/second', shape: [6, 33], maxShape: [6, null], type: 'int32', spec: { dtype: 'int32', shape: [33] }, layout: 'chunked',
    chunkShape: [3, 2], filters: [{ id: 1, name: 'deflate', parameters: [4] }], attributes: {}
  })
  expect(node(root, '/scalar')).toMatchObject({ shape: [], type: 'float64', layout: 'contiguous', filters: [] })
  expect(node(root, '/null')).toMatchObject({ shape: null })
  const types = await (await openBytes(fixture('types-latest'))).inspect()
  expect(node(types, '/enum')).toMatchObject({ type: 'enum >int16', enums: { '': { cat: 0, dog: 1, emu: -5 } } })
  expect(node(types, '/compound/point')).toMatchObject({
    type: '{ x: int32, y: >float64 }', spec: { x: { dtype: 'int32', shape: [] }, y: { dtype: 'float64', shape: [] } }
  })
  expect(node(types, '/named_type')).toEqual({ kind: 'type', path: '/named_type', type: 'float32' })
})

test('opening a dataset takes few requests, and small ones', async () => {
  const source = memorySource(fixture('layouts-v110'))
  const file = await openBytes(source)
  await file.dataset('/growing/both_gzip')
  expect(source.ranges).toEqual([[0, source.byteLength]])
  const large = memorySource(fixture('attributes-latest'))
  await (await openBytes(large)).inspect()
  expect(large.ranges.length).toBeLessThanOrEqual(2)
})
