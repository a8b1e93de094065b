/**
 * Ceph's object gateway on this machine, all in memory: one monitor, one OSD, one gateway. Debian: `apt-get install --no-install-recommends
 * radosgw ceph-mon ceph-osd ceph-common`.
 */
import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

export const BINARIES = ['radosgw', 'radosgw-admin', 'ceph-mon', 'ceph-osd', 'ceph', 'monmaptool']

/** Starts it, and tries once more if it does not come up. */
export async function startRadosgw() {
  try {
    return await start()
  } catch {
    return start()
  }
}

async function start() {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-rgw-'))
  const children = []
  const stop = async () => {
    for (const child of children.reverse()) {
      child.kill('SIGKILL') // all state is in memory
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    }
    await rm(folder, { recursive: true, force: true })
  }
  const serve = (program, args) => {
    children.push(spawn(program, args, { stdio: 'ignore' }))
  }
  try {
    const [monitor, port] = [await freePort(), await freePort()]
    const fsid = randomUUID()
    const config = join(folder, 'ceph.conf')
    for (const name of ['mon', 'osd', 'run', 'log', 'rgw']) await mkdir(join(folder, name))
    await writeFile(join(folder, 'keyring'), '')
    await writeFile(config, configOf(folder, fsid, monitor))
    const ceph = (...args) => run('ceph', ['-c', config, ...args], { timeout: 20_000 })
    await run('monmaptool', ['--create', '--clobber', '--addv', 'a', `[v1:127.0.0.1:${monitor}]`, '--fsid', fsid, join(folder, 'monmap')])
    await run('ceph-mon', ['-c', config, '--mkfs', '-i', 'a', '--monmap', join(folder, 'monmap'), '--mon-data', join(folder, 'mon')])
    serve('ceph-mon', ['-f', '-c', config, '-i', 'a', '--mon-data', join(folder, 'mon'), '--public-addr', `v1:127.0.0.1:${monitor}`])
    await until(() => ceph('-s'))
    await ceph('osd', 'create')
    for (const args of [['add-bucket', 'h', 'host'], ['move', 'h', 'root=default'], ['add', 'osd.0', '1.0', 'host=h']]) await ceph('osd', 'crush', ...args)
    const osd = ['-i', '0', '--osd-data', join(folder, 'osd'), '--osd-journal', join(folder, 'osd/journal')]
    await run('ceph-osd', ['-c', config, ...osd, '--mkfs'])
    serve('ceph-osd', ['-f', '-c', config, ...osd])
    await run('radosgw-admin', ['-c', config, 'user', 'create', '--uid=test', '--display-name=test', '--access-key=test', '--secret-key=testsecret'], { timeout: 60_000 })
    // Without tcp_nodelay every reply takes 45 ms.
    serve('radosgw', ['-f', '-c', config, '-n', 'client.rgw', '--rgw-frontends', `beast endpoint=127.0.0.1:${port} tcp_nodelay=1`])
    const url = `http://127.0.0.1:${port}`
    await until(async () => {
      if (!(await fetch(url)).ok) throw new Error('not yet')
    })
    return { url, accessKeyId: 'test', secretAccessKey: 'testsecret', stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The two lines "on start" matter: without them the OSD loses a race with the monitor in one start of seven. */
function configOf(folder, fsid, monitor) {
  return `[global]
fsid = ${fsid}
mon host = v1:127.0.0.1:${monitor}
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon allow pool delete = true
osd crush chooseleaf type = 0
osd objectstore = memstore
osd class update on start = false
osd crush update on start = false
memstore device bytes = 4294967296
mon max pg per osd = 1000
run dir = ${folder}/run
log file = ${folder}/log/$name.log
admin socket = ${folder}/run/$name.asok
pid file = ${folder}/run/$name.pid
keyring = ${folder}/keyring
mon data avail crit = 1
ms bind ipv6 = false
rgw data = ${folder}/rgw
rgw enable usage log = false
rgw enable ops log = false
`
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

async function until(attempt) {
  for (let i = 0; ; i++) {
    try {
      return await attempt()
    } catch (error) {
      if (i === 200) throw error
      await delay(100)
    }
  }
}
