import { FAILED, PENDING, type Message, type WorkerSetup } from './protocol.js'

/** The file as the thread with h5wasm sees it. */
export interface FileBlocks {
  /** Says that what is asked for from now on belongs to another request. */
  begin(): void
  /**
   * Puts `length` bytes from `position` on into `target`, waiting for those that are not here yet.
   * @throws an error named `SourceFailed` when the store could not read them
   */
  read(position: number, length: number, target: Int8Array | Uint8Array, at: number): void
}

/** Blocks that are asked for ahead of a sequential read, at most. */
const MOST_AHEAD = 4

/**
 * A cache of blocks in shared memory, the least recently used one going first. Whole runs are asked for at once, and further
 * blocks ahead as long as reads go on where the last one ended. Waiting blocks the thread.
 */
export function fileBlocks(setup: WorkerSetup, send: (message: Message) => void): FileBlocks {
  const { blockBytes, byteLength } = setup
  const states = new Int32Array(setup.states)
  const bytes = new Uint8Array(setup.bytes)
  const blocks = Math.ceil(byteLength / blockBytes)
  const free = Array.from(states, (_, slot) => slot)
  /** Slot of each block, the least recently used first. */
  const slots = new Map<number, number>()
  /** The request for which a block was asked for. */
  const askedIn = new Map<number, number>()
  let request = 0
  let lastBlock = -1
  let ahead = 0

  function claim(): number | undefined {
    const slot = free.pop()
    if (slot !== undefined) return slot
    for (const [block, used] of slots) {
      if (Atomics.load(states, used) === PENDING) continue
      slots.delete(block)
      return used
    }
    return undefined
  }

  function ask(first: number, last: number): void {
    const want: [number, number][] = []
    for (let block = first; block <= last && block < blocks && want.length < states.length; block++) {
      if (slots.has(block)) continue
      const slot = claim()
      if (slot === undefined) break
      Atomics.store(states, slot, PENDING)
      slots.set(block, slot)
      askedIn.set(slot, request)
      want.push([block, slot])
    }
    if (want.length > 0) send({ want })
  }

  /** Where the block begins in the shared memory, once it is there. */
  function startOf(block: number): number {
    for (;;) {
      const slot = slots.get(block)
      if (slot === undefined) {
        ask(block, block)
        if (!slots.has(block)) waitForAny()
        continue
      }
      Atomics.wait(states, slot, PENDING)
      slots.delete(block)
      if (Atomics.load(states, slot) !== FAILED) {
        slots.set(block, slot)
        return slot * blockBytes
      }
      free.push(slot)
      // A block that an earlier request asked for may have failed because that request was given up.
      if (askedIn.get(slot) === request) throw Object.assign(new Error('the store could not read a block'), { name: 'SourceFailed' })
    }
  }

  function waitForAny(): void {
    for (const slot of slots.values()) {
      if (Atomics.load(states, slot) !== PENDING) continue
      Atomics.wait(states, slot, PENDING)
      return
    }
  }

  return {
    begin() {
      request++
    },
    read(position, length, target, at) {
      if (length === 0) return
      const first = Math.floor(position / blockBytes)
      const last = Math.floor((position + length - 1) / blockBytes)
      if (first < lastBlock || first > lastBlock + 1) ahead = 0
      else if (last > lastBlock) ahead = Math.min(MOST_AHEAD, states.length >> 1, 2 * ahead + 1)
      lastBlock = last
      let done = 0
      for (let block = first; block <= last; block++) {
        if (block === first || !slots.has(block)) ask(block, last + ahead)
        const from = startOf(block) + position + done - block * blockBytes
        const size = Math.min(length - done, (block + 1) * blockBytes - position - done)
        target.set(bytes.subarray(from, from + size), at + done)
        done += size
      }
    }
  }
}
