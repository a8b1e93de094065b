/** An S3 server in memory. Its buckets live as long as it does. */
import { startFauxqs } from 'fauxqs'

const server = await startFauxqs({ port: 0, logger: false, host: '127.0.0.1' })
process.stdin.resume().on('end', () => process.exit(0))
console.log(JSON.stringify({ url: `http://127.0.0.1:${server.port}` }))
