import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the project. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Folders that are made, not written. */
const MADE = new Set(['.git', 'node_modules', 'dist', 'coverage', 'data', '.peers', '__pycache__'])

/** Every written file, by its path from the root with forward slashes, sorted; of one folder or of all. */
export function files(folder = '.'): string[] {
  const found: string[] = []
  const walk = (path: string): void => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (MADE.has(entry.name)) continue
      const inner = join(path, entry.name)
      if (entry.isDirectory()) walk(inner)
      else if (entry.isFile()) found.push(relative(ROOT, inner).split(sep).join('/'))
    }
  }
  walk(join(ROOT, folder))
  return found.sort()
}

/** The text of a file of the project. */
export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

/** True when there is such a file or folder in the project. */
export const exists = (path: string): boolean => statSync(join(ROOT, path), { throwIfNoEntry: false }) !== undefined

/** The library: what is compiled and published. */
export const librarySources = (): string[] =>
  [...files('src'), ...files('formats')].filter(path => path.endsWith('.ts') && !path.startsWith('src/kernels/assembly/'))
