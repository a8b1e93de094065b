type NodeFs = typeof import('node:fs/promises')
type Handle = Awaited<ReturnType<NodeFs['open']>>

/** Bytes that are written before it is known where they will go. */
export interface Spool {
  /** Bytes so far. */
  readonly length: number
  /** Takes the bytes, which must not change any more. */
  write(bytes: Uint8Array): Promise<void>
  /** Hands on all bytes, in pieces. */
  drain(write: (bytes: Uint8Array) => Promise<void>): Promise<void>
  close(): Promise<void>
}

const PIECE_BYTES = 2 ** 20

/** Keeps up to `memoryBytes` in memory, and all that comes after them in a temporary file, if this is Node. */
export function spool(memoryBytes: number): Spool {
  const kept: Uint8Array[] = []
  let keptBytes = 0
  let file: { readonly handle: Handle; bytes: number } | undefined
  let length = 0

  return {
    get length() {
      return length
    },
    async write(bytes) {
      if (bytes.length === 0) return
      length += bytes.length
      if (file === undefined && keptBytes + bytes.length > memoryBytes) {
        const handle = await temporaryFile()
        if (handle !== undefined) file = { handle, bytes: 0 }
      }
      if (file === undefined) {
        kept.push(bytes)
        keptBytes += bytes.length
        return
      }
      await writeAll(file.handle, bytes, file.bytes)
      file.bytes += bytes.length
    },
    async drain(write) {
      for (const bytes of kept) await write(bytes)
      if (file === undefined) return
      const piece = new Uint8Array(PIECE_BYTES)
      for (let at = 0; at < file.bytes;) {
        const { bytesRead } = await file.handle.read(piece, 0, Math.min(PIECE_BYTES, file.bytes - at), at)
        if (bytesRead === 0) throw new Error('the temporary file is shorter than what was written to it')
        await write(piece.subarray(0, bytesRead))
        at += bytesRead
      }
    },
    async close() {
      kept.length = 0
      const { handle } = file ?? {}
      file = undefined
      await handle?.close()
    }
  }
}

async function writeAll(handle: Handle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

/** A file without a name: it is gone when it is closed, or when the process ends. */
async function temporaryFile(): Promise<Handle | undefined> {
  const process = (globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }).process
  const get = process?.getBuiltinModule
  if (get === undefined) return undefined
  const fs = get('node:fs/promises') as NodeFs
  const { tmpdir } = get('node:os') as typeof import('node:os')
  const { join } = get('node:path') as typeof import('node:path')
  const folder = await fs.mkdtemp(join(tmpdir(), 'millrace-hdf5-'))
  try {
    return await fs.open(join(folder, 'spool'), 'wx+')
  } finally {
    // Windows keeps the name of an opened file until it is closed; there the folder for temporary files has to be tidied up.
    await fs.rm(folder, { recursive: true, force: true }).catch(() => undefined)
  }
}
