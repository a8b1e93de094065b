/**
 * One fast static origin in a process of its own: nginx where it is installed, else Node. It serves the same objects under the paths that S3
 * (path style), Azure, Google Cloud Storage and plain HTTP use, and looks at no signature.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, open, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** Writes objects of these sizes, and starts the origin. `objects` maps a name to its size. */
export async function startOrigin(objects) {
  const shared = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  const folder = await mkdtemp(join(shared, 'millrace-origin-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    await chmod(folder, 0o755) // nginx gives up its rights where it has many
    await mkdir(join(folder, 'root/bucket'), { recursive: true })
    for (const [name, size] of Object.entries(objects)) await writeObject(join(folder, 'root/bucket', name), size)
    // The same objects by the paths of the other services.
    await mkdir(join(folder, 'root/account'))
    await symlink('../bucket', join(folder, 'root/account/bucket'))
    await mkdir(join(folder, 'root/storage/v1/b/bucket'), { recursive: true })
    await symlink('../../../../bucket', join(folder, 'root/storage/v1/b/bucket/o'))
    const server = nginx() === undefined ? await startNode(folder) : await startNginx(folder)
    return {
      ...server,
      async close() {
        server.child.kill('SIGTERM')
        if (server.child.exitCode === null) await once(server.child, 'exit')
        await remove()
      }
    }
  } catch (error) {
    await remove()
    throw error
  }
}

/** Bytes that tell where they are: the number of its word in every word. */
async function writeObject(path, size) {
  const file = await open(path, 'w')
  try {
    const block = new Uint32Array(Math.min(size, 1 << 22) / 4)
    for (let at = 0; at < size; at += block.byteLength) {
      for (let i = 0; i < block.length; i++) block[i] = at / 4 + i
      await file.write(block, 0, Math.min(block.byteLength, size - at))
    }
  } finally {
    await file.close()
  }
}

function nginx() {
  try {
    return execFileSync('sh', ['-c', 'command -v nginx || ls /usr/sbin/nginx'], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}

async function startNginx(folder) {
  const port = await freePort()
  const config = `
worker_processes 1; daemon off; pid ${folder}/pid; error_log ${folder}/error.log crit;
events { worker_connections 4096; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; keepalive_timeout 300; open_file_cache max=100;
  client_body_temp_path ${folder}/a; proxy_temp_path ${folder}/b; fastcgi_temp_path ${folder}/c; uwsgi_temp_path ${folder}/d; scgi_temp_path ${folder}/e;
  server { listen 127.0.0.1:${port} reuseport backlog=4096; root ${folder}/root; add_header x-goog-generation 1; add_header x-ms-blob-type BlockBlob; }
}`
  await writeFile(join(folder, 'nginx.conf'), config)
  const child = spawn(nginx(), ['-c', join(folder, 'nginx.conf')], { stdio: 'ignore' })
  await answering(port, child)
  return { child, port, kind: 'nginx' }
}

async function startNode(folder) {
  const port = await freePort()
  const child = spawn(process.execPath, [join(import.meta.dirname, 'static.mjs'), join(folder, 'root'), String(port)], { stdio: 'ignore' })
  await answering(port, child)
  return { child, port, kind: 'Node' }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

async function answering(port, child) {
  for (let i = 0; i < 200; i++) {
    if (child.exitCode !== null) throw new Error(`the origin ended with ${child.exitCode}`)
    try {
      await fetch(`http://127.0.0.1:${port}/bucket/`)
      return
    } catch {
      await delay(25)
    }
  }
  throw new Error('the origin does not answer')
}
