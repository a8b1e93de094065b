/** The rows of a suite as text for a terminal. */
export function table(title, rows, notes) {
  const head = ['', 'ours', 'spread', 'unit', 'against', 'theirs', 'ratio', 'goal', '']
  const lines = rows.map(row => [
    row.name,
    number(row.value),
    `${number(row.spread.min)}–${number(row.spread.max)}`,
    row.unit,
    row.against ?? '',
    row.other === undefined ? '' : number(row.other),
    row.ratio === null ? '' : `${number(row.ratio)} ×`,
    row.goal ?? '',
    row.met === null ? '' : row.met ? 'met' : 'MISSED'
  ])
  const widths = head.map((_, column) => Math.max(...[head, ...lines].map(line => line[column].length)))
  const right = new Set([1, 2, 5, 6])
  const text = cells => cells.map((cell, i) => (right.has(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join('  ').trimEnd()
  const missed = rows.filter(row => row.met === false).length
  const goals = rows.filter(row => row.met !== null).length
  const summary = `${goals - missed} of ${goals} goals met`
  return ['', title, '', text(head), text(widths.map(width => '─'.repeat(width))), ...lines.map(text), '', summary, ...notes.map(note => `· ${note}`), ''].join('\n')
}

/** Three significant digits. */
export function number(value) {
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size >= 100) return Math.round(value).toString()
  if (size >= 10) return value.toFixed(1)
  if (size >= 0.1) return value.toFixed(2)
  return value.toPrecision(2)
}
