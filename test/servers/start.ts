import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A server in a process of its own. It ends with this process, whatever happens to it. */
export interface RunningServer {
  /** `http://127.0.0.1:port` */
  readonly url: string
  stop(): Promise<void>
}

const START_MS = 60_000

/**
 * Starts `test/servers/<name>.mjs`, which prints one line of JSON, `{ "url": "http://…" }`, when it can be asked, and exits when its
 * standard input ends: so none outlives the tests.
 */
export async function startServer(name: 'fauxqs' | 'azurite'): Promise<RunningServer> {
  const script = fileURLToPath(new URL(`./${name}.mjs`, import.meta.url))
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'pipe'] })
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { said = (said + text).slice(-4000) })
  const stop = async (): Promise<void> => {
    child.stdin.end()
    const late = setTimeout(() => child.kill('SIGKILL'), 5000)
    await exited
    clearTimeout(late)
  }
  const late = setTimeout(() => child.kill('SIGKILL'), START_MS)
  try {
    return await new Promise<RunningServer>((resolve, reject) => {
      let printed = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        printed += text
        const [, url] = /^\{ *"url": *"([^"]+)".*\}$/m.exec(printed) ?? []
        if (url === undefined) return
        printed = ''
        resolve({ url, stop })
      })
      child.once('error', reject)
      child.once('exit', code => reject(new Error(`${name} ended with ${code} before it could be asked: ${said}`)))
    })
  } finally {
    clearTimeout(late)
  }
}
