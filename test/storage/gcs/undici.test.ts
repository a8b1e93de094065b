import { expect, jest, test } from '@jest/globals'

jest.unstable_mockModule('undici', () => {
  throw new Error('Cannot find package \'undici\'')
})

test('without undici it is said what to install', async () => {
  const { loadUndici } = await import('../../../src/storage/gcs/undici.js')
  await expect(loadUndici()).rejects.toMatchObject({ name: 'MillraceError', kind: 'MissingPackage' })
  await expect(loadUndici()).rejects.toThrow('npm install "undici@>=7.0.0"')
})
