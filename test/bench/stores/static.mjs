/** A static origin for machines without nginx: `node static.mjs <root> <port>`. Files are held in memory. */
import { readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { join, normalize } from 'node:path'

const [, , root, port] = process.argv
const files = new Map()

function load(path) {
  let bytes = files.get(path)
  if (bytes === undefined) {
    const real = join(root, normalize(path))
    if (!real.startsWith(root) || !statSync(real).isFile()) throw new Error('no file')
    bytes = readFileSync(real)
    files.set(path, bytes)
  }
  return bytes
}

createServer((request, response) => {
  let bytes
  try {
    bytes = load(decodeURIComponent(request.url.replace(/\?.*$/s, '')))
  } catch {
    response.writeHead(404).end()
    return
  }
  const headers = { etag: '"1"', 'last-modified': 'Sat, 01 Jan 2022 00:00:00 GMT', 'accept-ranges': 'bytes', 'x-goog-generation': '1', 'x-ms-blob-type': 'BlockBlob' }
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? request.headers['x-ms-range'] ?? '')
  if (range === null) {
    response.writeHead(200, { ...headers, 'content-length': bytes.length }).end(request.method === 'HEAD' ? undefined : bytes)
    return
  }
  const first = Number(range[1])
  const last = Math.min(range[2] === '' ? Infinity : Number(range[2]), bytes.length - 1)
  response.writeHead(206, { ...headers, 'content-length': last - first + 1, 'content-range': `bytes ${first}-${last}/${bytes.length}` })
    .end(bytes.subarray(first, last + 1))
}).listen(Number(port), '127.0.0.1')
