/**
 * Azurite, the blob part, in memory: prints `{"url":…}` when it serves, and ends when its standard input does. Two accounts, so that
 * stores of different ones can live side by side; the first is the one that every emulator has.
 */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
process.env.AZURITE_ACCOUNTS = [
  'devstoreaccount1:Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
  `millrace2:${Buffer.from('the key of the second account').toString('base64')}`
].join(';')

// The classes behind the command: that one would start telemetry.
const { default: BlobConfiguration } = require('azurite/dist/src/blob/BlobConfiguration')
const { default: BlobServer } = require('azurite/dist/src/blob/BlobServer')

const [host, port, keepAliveSeconds] = ['127.0.0.1', 0, 5]
const [noAccessLog, noDebugLog, strict, anyApiVersion, pathStyle, inMemory] = [false, false, false, true, true, true]
const configuration = new BlobConfiguration(
  host, port, keepAliveSeconds, '', '', [], noAccessLog, undefined, noDebugLog, undefined, strict, anyApiVersion, '', '', '', undefined, pathStyle, inMemory
)
const server = new BlobServer(configuration)
await server.start()
console.log(JSON.stringify({ url: server.getHttpServerAddress() }))

process.stdin.on('end', () => process.exit(0)).resume()
