/** A client that believes nothing and repairs nothing: it shows what came over the wire. */
import { connect } from 'node:net'

export interface RawReply {
  /** 0 when no head came. */
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** All that came behind the head, as it came; everything when there was no head. */
  readonly body: Buffer
  /** How it ended: the peer closed, the connection was reset, or nothing came any more. */
  readonly end: 'closed' | 'reset' | 'silence'
}

export interface RawOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** Milliseconds without any bytes that count as silence. @default 100 */
  readonly patience?: number
}

/** One GET on a connection of its own. */
export function rawGet(port: number, path: string, { headers = {}, patience = 100 }: RawOptions = {}): Promise<RawReply> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = []
    const socket = connect({ host: '127.0.0.1', port })
    let timer: NodeJS.Timeout
    const finish = (end: RawReply['end']): void => {
      clearTimeout(timer)
      socket.destroy()
      const all = Buffer.concat(pieces)
      const at = all.indexOf('\r\n\r\n')
      const [first = '', ...lines] = at < 0 ? [] : all.toString('latin1', 0, at).split('\r\n')
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(first)?.[1] ?? 0)
      resolve({
        status, end, body: status === 0 ? all : all.subarray(at + 4),
        headers: Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
      })
    }
    const wait = (): void => {
      clearTimeout(timer)
      timer = setTimeout(() => finish('silence'), patience)
    }
    wait()
    socket.on('data', (piece) => {
      pieces.push(piece)
      wait()
    })
    socket.on('error', () => finish('reset'))
    socket.on('end', () => finish('closed'))
    const lines = Object.entries({ host: `127.0.0.1:${port}`, connection: 'close', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
  })
}
