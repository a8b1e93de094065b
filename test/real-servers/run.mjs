/**
 * `npm run test:servers`: the contract suites against real servers, where they are installed. What is not there is skipped and said so;
 * with `REQUIRE_SERVERS=1` a skip is a failure.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { BINARIES, startRadosgw } from './radosgw.mjs'

const SERVERS = [
  { name: 'Ceph radosgw (S3)', there: () => installed(BINARIES), how: 'apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-common', start: radosgw, tests: 's3' },
  { name: 'an S3 endpoint of your own', there: () => process.env.MILLRACE_TEST_S3 !== undefined, how: 'MILLRACE_TEST_S3=<url> with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY', start: ownS3, tests: 's3' },
  { name: 'a Google Cloud Storage endpoint of your own', there: () => process.env.MILLRACE_TEST_GCS !== undefined, how: 'MILLRACE_TEST_GCS=<url of an emulator>', start: ownGcs, tests: 'gcs' }
]

/** Version 16 knows no checksums of S3 and ignores conditions of writes and copies. */
const RADOSGW_LACKS = 'verify,ifAbsent,ifVersion,conditional copy'

let skipped = 0
let failed = 0
for (const { name, there, how, start, tests } of SERVERS) {
  if (!there()) {
    skipped++
    console.error(`SKIPPED ${name}: ${how}`)
    continue
  }
  console.error(`starting ${name}`)
  const server = await start()
  try {
    if ((await jest(tests, server.env)) !== 0) failed++
  } finally {
    await server.stop()
  }
}
console.error(`${SERVERS.length - skipped - failed} servers passed, ${failed} failed, ${skipped} skipped`)
process.exit(failed > 0 || (skipped > 0 && process.env.REQUIRE_SERVERS === '1') ? 1 : 0)

async function radosgw() {
  const { url, accessKeyId, secretAccessKey, stop } = await startRadosgw()
  return { env: { MILLRACE_SERVER: url, MILLRACE_SERVER_KEY: accessKeyId, MILLRACE_SERVER_SECRET: secretAccessKey, MILLRACE_SERVER_LACKS: RADOSGW_LACKS }, stop }
}

async function ownS3() {
  const { MILLRACE_TEST_S3, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env
  return { env: { MILLRACE_SERVER: MILLRACE_TEST_S3, MILLRACE_SERVER_KEY: AWS_ACCESS_KEY_ID, MILLRACE_SERVER_SECRET: AWS_SECRET_ACCESS_KEY }, stop: async () => undefined }
}

async function ownGcs() {
  return { env: { MILLRACE_SERVER: process.env.MILLRACE_TEST_GCS }, stop: async () => undefined }
}

function installed(programs) {
  try {
    execFileSync('sh', ['-c', programs.map(program => `command -v ${program}`).join(' && ')], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function jest(name, env) {
  const child = spawn(process.execPath, ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', `test/real-servers/${name}.test.ts`],
    { stdio: 'inherit', env: { ...process.env, ...env, MILLRACE_SERVERS: '1' } })
  const [code] = await once(child, 'exit')
  return code
}
