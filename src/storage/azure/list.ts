/**
 * Listings, in the order of the bytes of the names.
 *
 * Accounts with a hierarchical namespace (Data Lake Storage) list a directory with all that is in it before its siblings: `a`, `a/x`,
 * `a-b`, where bytes say `a`, `a-b`, `a/x`; and they list directories as if they were empty blobs. So as soon as one is met, the listing goes
 * on directory by directory.
 */
import { MillraceError } from '../../errors.js'
import { compareBytes } from '../uri.js'
import { byteOrdered } from './list-order.js'

/** A blob of a listing. */
export interface ListedBlob {
  readonly name: string
  readonly size: number
  readonly version: string
  readonly modified: number | undefined
  /** It stands for a directory, and is no object. */
  readonly directory: boolean
}

export interface ListedPage {
  readonly blobs: readonly ListedBlob[]
  /** What goes on behind the next `/`, with it; empty when nothing was asked to be taken together. */
  readonly prefixes: readonly string[]
  /** The account says that it has directories. */
  readonly hierarchical: boolean
  readonly next: string | undefined
}

/** Asks for one page. `level`: only what is before the next `/`. */
export type ListPage = (prefix: string, level: boolean, token: string | undefined) => Promise<ListedPage>

/** All blobs whose names begin with `prefix`, ordered, in pages that may be empty. `where` is for errors. */
export async function* listFlat(listPage: ListPage, prefix: string, where: string, enter: (prefix: string) => boolean): AsyncGenerator<readonly ListedBlob[]> {
  const order = byteOrdered<ListedBlob>(prefix.length)
  const inOrder = ascending(where)
  let last: string | undefined
  for await (const { blobs, hierarchical } of pages(listPage, prefix, false, where)) {
    if (hierarchical || blobs.some(blob => blob.directory)) {
      yield* afterwards(walk(listPage, prefix, where, enter), last, inOrder)
      return
    }
    const ready = order.push(blobs)
    last = ready.at(-1)?.name ?? last
    yield inOrder(ready)
  }
  yield inOrder(order.end())
}

/** What of one level comes in one page, in order. */
export async function* listLevel(listPage: ListPage, prefix: string, where: string): AsyncGenerator<readonly LevelItem[]> {
  const order = byteOrdered<LevelItem>(prefix.length)
  /** Prefixes that have to wait for names that come later and are smaller; the smallest last. */
  const held: LevelItem[] = []
  let last: string | undefined

  function* settle(items: readonly LevelItem[]): Generator<LevelItem> {
    for (const item of items) {
      while (held.length > 0 && compareBytes((held.at(-1) as LevelItem).name, item.name) < 0) yield held.pop() as LevelItem
      if (item.blob === undefined) held.push(item)
      else yield item
    }
  }
  /** A directory may be told in several pages. */
  function fresh({ name }: LevelItem): boolean {
    const isNew = name !== last
    last = name
    return isNew
  }

  for await (const { blobs, prefixes } of pages(listPage, prefix, true, where)) {
    const items: LevelItem[] = [...blobs.filter(blob => !blob.directory).map(blob => ({ name: blob.name, blob })), ...prefixes.map(name => ({ name, blob: undefined }))]
    items.sort((a, b) => (siblingName(a) < siblingName(b) ? -1 : 1))
    yield [...settle(order.push(items))].filter(fresh)
  }
  yield [...settle(order.end()), ...held.reverse()].filter(fresh)
}

/** A blob, or a prefix that ends in `/`. */
export interface LevelItem {
  readonly name: string
  readonly blob: ListedBlob | undefined
}

function siblingName({ name, blob }: LevelItem): string {
  return blob === undefined ? name.slice(0, -1) : name
}

async function* walk(listPage: ListPage, prefix: string, where: string, enter: (prefix: string) => boolean): AsyncGenerator<readonly ListedBlob[]> {
  for await (const items of listLevel(listPage, prefix, where)) {
    let run: ListedBlob[] = []
    for (const { name, blob } of items) {
      if (blob !== undefined) {
        run.push(blob)
        continue
      }
      yield run
      run = []
      if (enter(name)) yield* walk(listPage, name, where, enter)
    }
    yield run
  }
}

async function* afterwards(
  found: AsyncIterable<readonly ListedBlob[]>, last: string | undefined, inOrder: (blobs: readonly ListedBlob[]) => readonly ListedBlob[]
): AsyncGenerator<readonly ListedBlob[]> {
  for await (const blobs of found) yield inOrder(last === undefined ? blobs : blobs.filter(({ name }) => compareBytes(name, last) > 0))
}

async function* pages(listPage: ListPage, prefix: string, level: boolean, where: string): AsyncGenerator<ListedPage> {
  let token: string | undefined
  for (;;) {
    const page = await listPage(prefix, level, token)
    yield page
    if (page.next === undefined || page.next === '') return
    if (page.next === token) {
      throw new MillraceError('Unavailable', `list ${where}: the service sends the same page again and again (its marker does not change)`, { uri: where, operation: 'list' })
    }
    token = page.next
  }
}

/** Lets names through that are in order; what is twice in a row comes once. */
function ascending(where: string): (blobs: readonly ListedBlob[]) => readonly ListedBlob[] {
  let last: string | undefined
  return blobs => blobs.filter(({ name }) => {
    const way = last === undefined ? 1 : compareBytes(name, last)
    if (way < 0) {
      throw new MillraceError('Unsupported', `list ${where}: the service lists ${JSON.stringify(name)} behind ${JSON.stringify(last)}, which is not the order of their bytes; list the directories one by one`,
        { uri: where, operation: 'list' })
    }
    last = name
    return way > 0
  })
}
