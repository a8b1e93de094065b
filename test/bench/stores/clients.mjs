/**
 * Clients that get the same object again and again, so many at a time. Each function runs in a process of its own and returns
 * `{ rate, cpu, rss }`: objects per second, CPU microseconds per object, and the most memory in bytes that the process had.
 */
import { createRequire } from 'node:module'
import { Agent, get as httpGet } from 'node:http'
import { connect } from 'node:net'
import { millrace } from '../package.mjs'

const require = createRequire(import.meta.url)
const WARM_UP = 0.3 // of the time

/** `fetchOne()` gets an object whole and returns its bytes. */
async function measure({ size, concurrency, seconds }, fetchOne) {
  check(await fetchOne(), size)
  let count = 0
  let stop = false
  const work = async () => {
    while (!stop) {
      const bytes = await fetchOne()
      if (bytes.byteLength !== size) throw new Error(`${bytes.byteLength} bytes instead of ${size}`)
      count++
    }
  }
  const workers = Array.from({ length: concurrency }, work)
  await new Promise(resolve => setTimeout(resolve, seconds * WARM_UP * 1000))
  const [before, cpu, start] = [count, process.cpuUsage(), performance.now()]
  await new Promise(resolve => setTimeout(resolve, seconds * 1000))
  const elapsed = (performance.now() - start) / 1000
  const used = process.cpuUsage(cpu)
  const done = count - before
  stop = true
  await Promise.all(workers)
  if (done === 0) throw new Error('not one object in the time')
  return { rate: done / elapsed, cpu: (used.user + used.system) / done, rss: process.resourceUsage().maxRSS * 1024 }
}

/** Every word of an object is its number. */
function check(bytes, size) {
  if (bytes.byteLength !== size) throw new Error(`${bytes.byteLength} bytes instead of ${size}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < size; at += 4096) if (view.getUint32(at, true) !== (at / 4) % 2 ** 32) throw new Error(`wrong bytes at ${at}`)
}

const s3Options = ({ port }) => ({ endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1', forcePathStyle: true, credentials: { accessKeyId: 'key', secretAccessKey: 'secret' } })

export async function ours(work) {
  const { s3Store } = await millrace('stores')
  const store = s3Store(s3Options(work))
  return measure(work, async () => (await store.get(`s3://bucket/${work.name}`)).bytes)
}

export async function oursHttp(work) {
  const { httpStore } = await millrace('stores')
  const store = httpStore()
  return measure(work, async () => (await store.get(`http://127.0.0.1:${work.port}/bucket/${work.name}`)).bytes)
}

/** The object through an opened source, as formats read it. */
export async function oursSource(work) {
  const { s3Store } = await millrace('stores')
  const store = s3Store(s3Options(work))
  return measure(work, async () => {
    const source = await store.open(`s3://bucket/${work.name}`)
    const bytes = new Uint8Array(source.byteLength)
    await source.read(0, bytes)
    await source.close()
    return bytes
  })
}

/** The least that a client over undici can do: bytes into one array, nothing checked, nothing signed. */
export async function undiciDispatch(work) {
  const { Pool } = require('undici')
  const pool = new Pool(`http://127.0.0.1:${work.port}`, { connections: work.concurrency, pipelining: 1 })
  const path = `/bucket/${work.name}`
  return measure(work, () => dispatch(pool, path, {}, new Uint8Array(work.size)))
}

function dispatch(pool, path, headers, into) {
  return new Promise((resolve, reject) => {
    let at = 0
    pool.dispatch({ method: 'GET', path, headers }, {
      onRequestStart() {},
      onResponseStart(_, status) { if (status >= 300) reject(new Error(`status ${status}`)) },
      onResponseData(_, chunk) {
        into.set(chunk, at)
        at += chunk.length
      },
      onResponseEnd() { resolve(into.subarray(0, at)) },
      onResponseError(_, error) { reject(error) }
    })
  })
}

export async function undiciRequest(work) {
  const { Pool } = require('undici')
  const pool = new Pool(`http://127.0.0.1:${work.port}`, { connections: work.concurrency, pipelining: 1 })
  return measure(work, async () => new Uint8Array(await (await pool.request({ method: 'GET', path: `/bucket/${work.name}` })).body.arrayBuffer()))
}

export async function nodeHttp(work) {
  const agent = new Agent({ keepAlive: true, maxSockets: work.concurrency })
  return measure(work, () => new Promise((resolve, reject) => {
    httpGet({ host: '127.0.0.1', port: work.port, path: `/bucket/${work.name}`, agent }, response => {
      const into = new Uint8Array(work.size)
      let at = 0
      response.on('data', chunk => {
        into.set(chunk, at)
        at += chunk.length
      })
      response.on('end', () => resolve(into.subarray(0, at)))
      response.on('error', reject)
    }).on('error', reject)
  }))
}

/** @aws-sdk/client-s3 as it comes. */
export async function awsSdk(work) {
  const { S3Client, GetObjectCommand } = require('@aws-sdk/client-s3')
  const client = new S3Client(s3Options(work))
  return measure(work, async () => (await client.send(new GetObjectCommand({ Bucket: 'bucket', Key: work.name }))).Body.transformToByteArray())
}

export async function azureSdk(work) {
  const { BlobClient, AnonymousCredential } = require('@azure/storage-blob')
  const blob = new BlobClient(`http://127.0.0.1:${work.port}/account/bucket/${work.name}`, new AnonymousCredential())
  return measure(work, async () => {
    const into = new Uint8Array(work.size)
    let at = 0
    for await (const chunk of (await blob.download()).readableStreamBody) {
      into.set(chunk, at)
      at += chunk.length
    }
    return into.subarray(0, at)
  })
}

export async function gcsSdk(work) {
  const { Storage } = require('@google-cloud/storage')
  const storage = new Storage({ apiEndpoint: `http://127.0.0.1:${work.port}`, projectId: 'bench', useAuthWithCustomEndpoint: false })
  const file = storage.bucket('bucket').file(work.name)
  return measure(work, async () => (await file.download({ validation: false }))[0])
}

/** One large object into one array, whole, again and again; the most memory beside what the process had before. */
async function measureLarge({ size, seconds }, fetchOne) {
  check(await fetchOne(), size)
  const start = performance.now()
  let count = 0
  while (count < 3 || performance.now() - start < seconds * 1000) {
    const bytes = await fetchOne()
    if (bytes.byteLength !== size) throw new Error(`${bytes.byteLength} bytes instead of ${size}`)
    count++
  }
  return { rate: (count * size) / ((performance.now() - start) / 1000) }
}

/** With memory that is there already, as a loader has it: first touches of fresh memory are no part of a network. */
export async function oursLarge(work) {
  const { s3Store } = await millrace('stores')
  const store = s3Store(s3Options(work))
  const into = new Uint8Array(work.size).fill(1)
  return measureLarge(work, async () => (await store.get(`s3://bucket/${work.name}`, { allocate: () => into })).bytes)
}

/** What a process needs for one object beyond what it has after a small one. */
export async function oursMemory(work) {
  const { s3Store } = await millrace('stores')
  const store = s3Store(s3Options(work))
  await store.get('s3://bucket/8m')
  globalThis.gc?.()
  const before = process.memoryUsage.rss()
  const { bytes } = await store.get(`s3://bucket/${work.name}`)
  check(bytes, work.size)
  return { share: (process.resourceUsage().maxRSS * 1024 - before) / work.size }
}

/** Parallel ranges over undici into one array, nothing checked: the better of two range sizes is for the suite to choose. */
export async function undiciLarge(work) {
  const { Pool } = require('undici')
  const pool = new Pool(`http://127.0.0.1:${work.port}`, { connections: work.concurrency, pipelining: 1 })
  const into = new Uint8Array(work.size).fill(1)
  return measureLarge(work, async () => {
    await inRanges(work, (first, last) => dispatch(pool, `/bucket/${work.name}`, { range: `bytes=${first}-${last}` }, into.subarray(first, last + 1)))
    return into
  })
}

/** Parallel ranges over bare sockets that read straight into one array: the raw limit. */
export async function socketsLarge(work) {
  const into = new Uint8Array(work.size).fill(1)
  const sockets = []
  const idle = []
  const fetchRange = async (first, last) => {
    const socket = idle.pop() ?? await open(work.port, sockets)
    await socket.get(`/bucket/${work.name}`, first, into.subarray(first, last + 1))
    idle.push(socket)
  }
  const result = await measureLarge(work, async () => {
    await inRanges(work, fetchRange)
    return into
  })
  for (const socket of sockets) socket.destroy()
  return result
}

async function inRanges({ size, chunk, concurrency }, fetchRange) {
  let next = 0
  const worker = async () => {
    while (next < size) {
      const first = next
      next += chunk
      await fetchRange(first, Math.min(first + chunk, size) - 1)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
}

/** A connection for one GET after the other, for this origin alone: the head of a reply comes in one piece. */
async function open(port, sockets) {
  const scratch = Buffer.alloc(65536)
  let target
  let at = 0
  let inHead = true
  let done
  const socket = connect({
    port, host: '127.0.0.1', noDelay: true,
    onread: {
      buffer: () => (inHead ? scratch : target.subarray(at)),
      callback(count) {
        if (inHead) {
          const end = scratch.indexOf('\r\n\r\n') + 4
          const body = scratch.subarray(end, count)
          target.set(body, 0)
          at = body.length
          inHead = false
        } else at += count
        if (at === target.length) {
          inHead = true
          done()
        }
        return true
      }
    }
  })
  sockets.push(socket)
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return {
    get: (path, first, into) => new Promise(resolve => {
      target = into
      at = 0
      done = resolve
      socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nrange: bytes=${first}-${first + into.length - 1}\r\n\r\n`)
    })
  }
}
