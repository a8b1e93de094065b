import { expect, jest, test } from '@jest/globals'

jest.unstable_mockModule('undici', () => {
  throw new Error('Cannot find package \'undici\'')
})

test('without undici it is said what to install', async () => {
  const { loadUndici } = await import('../../../src/storage/remote/undici-client.js')
  const { undiciTransport } = await import('../../../src/storage/remote/undici-transport.js')
  for (const load of [loadUndici, undiciTransport]) {
    await expect(load()).rejects.toMatchObject({ name: 'MillraceError', kind: 'MissingPackage' })
    await expect(load()).rejects.toThrow('npm install "undici@>=7.0.0"')
  }
})
