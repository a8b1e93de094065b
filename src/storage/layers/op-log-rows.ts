import { isMillraceError, MillraceError } from '../../errors.js'
import type { OperationName, OperationRecord } from './observe.js'
import { failureOf } from './statistics.js'

/** One row of an op-log. Times in milliseconds since 1970, with microseconds behind the point. */
export interface OpLogRow {
  /** Number of the row, from 0. */
  readonly index: number
  /** The thread, 0 for the main one. */
  readonly thread: number
  /** `OPEN`, `GET`, `STAT`, `LIST`, `LIST_DIRECTORY`, `PUT`, `DELETE`, `COPY`, `RENAME`, `…_CONTAINER`, or `DROPPED`; other programs have others. */
  readonly operation: string
  readonly client: string
  readonly objects: number
  readonly bytes: number
  readonly endpoint: string
  /** The URI. */
  readonly file: string
  /** Empty when it succeeded. */
  readonly error: string
  readonly start: number
  readonly firstByte: number | undefined
  readonly end: number
  /** From start to end in milliseconds, with nanoseconds behind the point: times of day are not as exact. */
  readonly duration: number
  /** First byte of a range; nothing for whole objects. */
  readonly offset: number | undefined
  readonly requests: number
  readonly retries: number
}

/** The columns of s3dlio and MinIO's warp, and three more. */
export const COLUMNS = [
  'idx', 'thread', 'op', 'client_id', 'n_objects', 'bytes', 'endpoint', 'file', 'error', 'start', 'first_byte', 'end', 'duration_ns',
  'offset', 'requests', 'retries'
] as const

export const HEADER = `${COLUMNS.join('\t')}\n`

const OPERATIONS: Readonly<Record<OperationName, string>> = {
  open: 'OPEN', read: 'GET', get: 'GET', stat: 'STAT', list: 'LIST', listDirectory: 'LIST_DIRECTORY', put: 'PUT', write: 'PUT',
  delete: 'DELETE', deleteMany: 'DELETE', copy: 'COPY', rename: 'RENAME',
  listContainers: 'LIST_CONTAINERS', createContainer: 'CREATE_CONTAINER', deleteContainer: 'DELETE_CONTAINER'
}

const LONGEST_ERROR = 500

/** The row of an operation. Its monotonic times become times of day by what was the time when the process began. */
export function rowOf(record: OperationRecord, index: number, thread: number, client: string): OpLogRow {
  const { timeOrigin } = performance
  return {
    index,
    thread,
    operation: OPERATIONS[record.operation],
    client,
    objects: record.objects,
    bytes: record.bytes,
    endpoint: record.endpoint ?? '',
    file: record.uri,
    error: record.failed ? errorText(record.error) : '',
    start: timeOrigin + record.start,
    firstByte: record.firstByte === undefined ? undefined : timeOrigin + record.firstByte,
    end: timeOrigin + record.end,
    duration: record.end - record.start,
    offset: record.offset,
    requests: record.requests,
    retries: record.retries
  }
}

/** Our own errors name objects by canonical URIs. What others say may hold secrets: of them only the name is written. */
function errorText(error: unknown): string {
  const text = isMillraceError(error) ? `${error.kind}: ${error.message}` : failureOf(error)
  return text.length <= LONGEST_ERROR ? text : `${text.slice(0, LONGEST_ERROR)}…`
}

/** A row as text, with its line feed. */
export function writeRow(row: OpLogRow): string {
  const { start, firstByte, end } = row
  return `${row.index}\t${row.thread}\t${row.operation}\t${field(row.client)}\t${row.objects}\t${row.bytes}\t${field(row.endpoint)}\t${field(row.file)}\t`
    + `${field(row.error.replace(/[\t\r\n]+/g, ' '))}\t${timeText(start)}\t${firstByte === undefined ? '' : timeText(firstByte)}\t${timeText(end)}\t`
    + `${Math.round(row.duration * 1e6)}\t${row.offset ?? ''}\t${row.requests}\t${row.retries}\n`
}

/** Quoted where RFC 4180 wants it, as warp does. */
function field(text: string): string {
  return /["\t\r\n]|^\s/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

let lastSecond = Number.NaN
let lastSecondText = ''

/** RFC 3339 in UTC with microseconds. The part before the point is made once a second. */
function timeText(milliseconds: number): string {
  const microseconds = Math.round(milliseconds * 1000)
  const second = Math.floor(microseconds / 1e6)
  if (second !== lastSecond) {
    lastSecondText = new Date(second * 1000).toISOString().slice(0, 19)
    lastSecond = second
  }
  return `${lastSecondText}.${String(microseconds - second * 1e6).padStart(6, '0')}Z`
}

/** Milliseconds since 1970; nothing for what is no time. Keeps fractions of a millisecond, which `Date` does not. */
export function timeOf(text: string): number | undefined {
  const [, whole, fraction = '', zone] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text) ?? []
  if (whole === undefined || zone === undefined) return undefined
  const time = Date.parse(whole + zone) + Number(`0.${fraction.padEnd(1, '0')}`) * 1000
  return Number.isNaN(time) ? undefined : time
}

/** Takes rows out of the text of a log, which may come in pieces. */
export interface RowParser {
  /** The rows that are complete now. */
  push(text: string): OpLogRow[]
  /** @throws MillraceError `Truncated` when the text ends in the middle of a row */
  end(): void
}

/** Reads logs of s3dlio and warp too: columns are found by their names, comments are passed over. `uri` is for errors. */
export function rowParser(uri: string): RowParser {
  let rest = ''
  let searched = 0
  let columns: ReadonlyMap<string, number> | undefined
  let line = 0

  function corrupt(why: string): MillraceError {
    return new MillraceError('Corrupt', `op-log ${uri}, line ${line}: ${why}`, { uri, record: line, operation: 'read' })
  }

  function parse(text: string): OpLogRow | undefined {
    if (text === '' || text.startsWith('#')) return undefined
    const fields = split(text)
    if (columns === undefined) {
      columns = new Map(fields.map((name, at) => [name, at]))
      for (const name of ['op', 'file', 'start']) if (!columns.has(name)) throw corrupt(`there is no column ${name}: it is not the header of an op-log`)
      return undefined
    }
    const at = (name: typeof COLUMNS[number]): string => fields[columns?.get(name) ?? -1] ?? ''
    const number = (name: typeof COLUMNS[number]): number => {
      const value = Number(at(name))
      if (!Number.isFinite(value) || value < 0) throw corrupt(`${name} is ${JSON.stringify(at(name))}, which is no count`)
      return value
    }
    const start = timeOf(at('start'))
    if (start === undefined) throw corrupt(`start is ${JSON.stringify(at('start'))}, which is no time`)
    const end = timeOf(at('end')) ?? start
    return {
      index: number('idx'), thread: number('thread'), operation: at('op'), client: at('client_id'), objects: number('n_objects'), bytes: number('bytes'),
      endpoint: at('endpoint'), file: at('file'), error: at('error'), start, firstByte: timeOf(at('first_byte')), end,
      duration: at('duration_ns') === '' ? end - start : number('duration_ns') / 1e6,
      offset: at('offset') === '' ? undefined : number('offset'), requests: number('requests'), retries: number('retries')
    }
  }

  return {
    push(text) {
      rest += text
      const rows: OpLogRow[] = []
      let from = 0
      for (let end = rest.indexOf('\n', searched); end >= 0; end = rest.indexOf('\n', end + 1)) {
        const row = rest.slice(from, end)
        // A line feed between quotes belongs to the field.
        if (row.includes('"') && quotes(row) % 2 === 1) continue
        from = end + 1
        line++
        const parsed = parse(row.endsWith('\r') ? row.slice(0, -1) : row)
        if (parsed !== undefined) rows.push(parsed)
      }
      rest = rest.slice(from)
      searched = rest.includes('"') ? 0 : rest.length
      if (rest.length > LONGEST_ROW) throw corrupt(`a row of more than ${LONGEST_ROW} characters: it is not an op-log`)
      return rows
    },
    end() {
      if (rest !== '') {
        throw new MillraceError('Truncated', `op-log ${uri}: it ends in the middle of line ${line + 1}; what is before is complete`,
          { uri, record: line + 1, operation: 'read' })
      }
      if (columns === undefined) throw corrupt('it is empty: there is no header')
    }
  }
}

const LONGEST_ROW = 1 << 20

function quotes(text: string): number {
  let count = 0
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) count++
  return count
}

function split(line: string): string[] {
  if (!line.includes('"')) return line.split('\t')
  const fields: string[] = []
  for (const [, quoted, plain] of line.matchAll(/(?:^|\t)(?:"((?:[^"]|"")*)"|([^\t]*))/g)) fields.push(quoted?.replaceAll('""', '"') ?? plain ?? '')
  return fields
}
