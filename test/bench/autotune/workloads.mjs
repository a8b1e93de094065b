import { setTimeout as sleep } from 'node:timers/promises'

/**
 * What is tuned. Each has the knobs of its grid, in the order of `point`, the points, and `build(lib, point, work)` that makes the dataset,
 * where a knob is a number, or `'auto'`. `rows` is how many elements come with each delivery, `consume` what the consumer then does.
 * `work` has what the parent has prepared. `ceilingMiB` is 256 unless it is named.
 */
export const WORKLOADS = {
  /** Integer arithmetic in a portable function. `parallel` 0 is inline. */
  'CPU-bound map': {
    knobs: ['map.parallel'],
    grid: [[0], [1], [2], [4]],
    rows: 16,
    async build({ Dataset, working }, [parallel], { rounds }) {
      return Dataset.range(1e12).map(await working('burner', Math.round(200 * rounds)), parallel === 0 ? {} : { parallel }).batch(16)
    }
  },
  /** A service that takes 5 to 50 ms and serves 64 at once; results come in order, so more than 64 in flight pays. */
  'I/O-bound map, 5–50 ms': {
    knobs: ['map.parallel'],
    grid: [[16], [64], [128], [256]],
    rows: 16,
    build({ Dataset }, [parallel]) {
      const call = service(64)
      return Dataset.range(1e12).map(x => call(5 + scatter(x) % 46).then(() => bytes(1 << 16, x)), { parallel }).batch(16)
    }
  },
  /** A service of 10 ms that serves 16 at once, then arithmetic. */
  'mixed: I/O, then CPU': {
    knobs: ['map.parallel', 'map.parallel#2'],
    grid: [[4, 2], [16, 0], [16, 2], [32, 2]],
    rows: 16,
    async build({ Dataset, working }, [fetches, parallel], { rounds }) {
      const call = service(16)
      return Dataset.range(1e12).map(x => call(10).then(() => x), { parallel: fetches })
        .map(await working('burner', Math.round(600 * rounds)), parallel === 0 ? {} : { parallel }).batch(16)
    }
  },
  /** 16 elements of 20 ms in the 10 ms that the consumer takes: no setting is faster than it, and many are slower. */
  'slow consumer': {
    knobs: ['map.parallel', 'prefetch.size'],
    grid: [[8, 2], [32, 2], [64, 2], [64, 8]],
    rows: 16,
    build({ Dataset }, [parallel, prefetch]) {
      const call = service(256)
      return Dataset.range(1e12).map(x => call(20).then(() => bytes(1 << 14, x)), { parallel }).batch(16).prefetch(prefetch)
    },
    consume: () => sleep(10)
  },
  /** 32 elements of 1 MiB, then nothing for 200 ms; the consumer takes 7 ms for each. */
  'bursty source': {
    knobs: ['prefetch.size'],
    grid: [[4], [16], [32], [64]],
    rows: 1,
    ceilingMiB: 128,
    build: ({ Dataset }, [prefetch]) => Dataset.from(bursts).prefetch(prefetch),
    consume: () => sleep(7)
  },
  /** A service of 4 ms that serves 8 at once, and from one moment on takes 40 ms and serves 64. */
  'phase change': {
    knobs: ['map.parallel'],
    grid: [[8], [32], [64], [128]],
    rows: 8,
    phases: true,
    build({ Dataset }, [parallel], { changed }) {
      const [before, after] = [service(8), service(64)]
      return Dataset.range(1e12).map(x => (changed() ? after(40) : before(4)).then(() => bytes(1 << 12, x)), { parallel }).batch(8)
    }
  },
  /** Files of 16 KB in a store whose every request takes 5 ms, 64 of them at once. */
  'many small files': {
    knobs: ['interleave.parallel'],
    grid: [[1], [4], [16], [64]],
    rows: 1,
    async build({ Dataset, memoryStore }, [parallel]) {
      const { store, uris } = await slowStore(memoryStore, { files: 500, bytes: 1 << 14, latencyMs: 5, atOnce: 64 })
      return Dataset.from(uris).repeat().interleave(uri => Dataset.raw(uri, { store }), { cycleLength: 64, parallel })
    }
  },
  /** One TFRecord file of records of 100 KB: read, checked, parsed, stacked. */
  'one huge file': {
    knobs: ['readFiles.workers', 'prefetch.size'],
    grid: [[0, 2], [1, 2], [2, 2], [2, 4]],
    rows: 32,
    ceilingMiB: 128,
    file: true,
    build({ Dataset, fixedLen }, [workers, prefetch], { file: { pattern, bytes: length } }) {
      return Dataset.tfrecord(pattern)
        .parseExample({ image: fixedLen([length], 'uint8', { from: 'bytes' }), label: fixedLen([], 'int64') })
        .batch(32).repeat().prefetch(prefetch).options({ workers })
    }
  }
}

/** Calls that take so many milliseconds and no processor time, at most so many at once: the others wait their turn. */
function service(atOnce) {
  const waiting = []
  let active = 0
  return async ms => {
    if (active >= atOnce) await new Promise(resolve => waiting.push(resolve))
    else active++
    await sleep(ms)
    const next = waiting.shift()
    if (next === undefined) active--
    else next()
  }
}

async function* bursts() {
  for (let x = 0; ; x++) {
    if (x % 32 === 0) await sleep(200)
    yield bytes(1 << 20, x)
  }
}

const bytes = (length, x) => ({ dtype: 'uint8', shape: [length], data: new Uint8Array(length).fill(x) })

/** Numbers without a pattern, alike in every run. */
const scatter = x => Math.imul(x ^ x >>> 7, 2654435761) >>> 9

async function slowStore(memoryStore, { files, bytes: length, latencyMs, atOnce }) {
  const store = memoryStore()
  const uris = Array.from({ length: files }, (_, i) => `mem://files/${String(i).padStart(5, '0')}.bin`)
  for (const uri of uris) await store.put(uri, new Uint8Array(length))
  const call = service(atOnce)
  const late = fn => async (...args) => {
    await call(latencyMs)
    return fn(...args)
  }
  return { uris, store: { ...store, open: late(store.open), stat: late(store.stat), ...(store.get !== undefined && { get: late(store.get) }) } }
}
