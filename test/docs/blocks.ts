import { exists, files, librarySources, read } from '../project/tree.js'

/** A fenced block of a page, or an example of a doc comment. */
export interface Block {
  readonly file: string
  /** Of its first line of code, from 1. */
  readonly line: number
  /** What stands behind the fence: `ts`, `js`, `sh` … */
  readonly language: string
  readonly code: string
  /** What it says that it prints: the text of its `// → …` lines. */
  readonly printed: readonly string[]
  /** Why it is not run, when the page says so. */
  readonly notRun: string | undefined
}

/** Languages of blocks that are programs. */
export const RUN = ['ts', 'js']
/** Languages of blocks that are not. A block without a language is none of these, and so an error. */
export const SHOWN = ['sh', 'json', 'text', 'mermaid', 'python', 'html']

/** The pages, README first. */
export const pages = (): string[] => ['README.md', ...files('docs').filter(path => path.endsWith('.md'))].filter(exists)

/** The fenced blocks of a page. `<!-- not run: why -->` above a fence keeps it from being run. */
export function blocksOfPage(file: string): Block[] {
  const blocks: Block[] = []
  const lines = read(file).split('\n')
  for (let i = 0; i < lines.length; i++) {
    const [, indent, fence, language] = /^( *)(```+)(\S*)/.exec(lines[i] ?? '') ?? []
    if (indent === undefined || fence === undefined || language === undefined) continue
    const end = lines.findIndex((line, at) => at > i && line.trim() === fence)
    if (end < 0) throw new Error(`${file}:${i + 1}: this fence is not closed`)
    const notRun = /^<!-- not run: (\S.*) -->$/.exec(lines.slice(0, i).findLast(line => line.trim() !== '')?.trim() ?? '')?.[1]
    blocks.push(block(file, i + 2, language, lines.slice(i + 1, end).map(line => line.slice(indent.length)), notRun))
    i = end
  }
  return blocks
}

/** The examples of the doc comments: ` ```ts ` blocks, and `@example` with code on the same line. */
export function blocksOfComments(): Block[] {
  return librarySources().flatMap(file => {
    const blocks: Block[] = []
    const lines = read(file).split('\n')
    for (let i = 0; i < lines.length; i++) {
      const text = lines[i] ?? ''
      const example = /^\s*\/?\*.*@example (.*?)(?: \*\/)?$/.exec(text)?.[1]
      if (example !== undefined && example.trim() !== '') blocks.push(block(file, i + 1, 'ts', [example], undefined))
      if (!/^\s*\* ```ts$/.test(text)) continue
      const end = lines.findIndex((line, at) => at > i && /^\s*\* ```$/.test(line))
      blocks.push(block(file, i + 2, 'ts', lines.slice(i + 1, end).map(line => line.replace(/^\s*\* ?/, '')), undefined))
      i = end
    }
    return blocks
  })
}

function block(file: string, line: number, language: string, lines: readonly string[], notRun: string | undefined): Block {
  const printed = lines.flatMap(line => /(?:^|\s)\/\/ → ?(.*)$/.exec(line)?.[1] ?? [])
  return { file, line, language, code: lines.join('\n'), printed, notRun }
}
