/**
 * Puts saved results into docs/benchmarks.md: `node test/bench/docs.mjs engine.json formats.json`, files that `--json` wrote.
 * Each suite has a place there, between `<!-- results: NAME -->` and `<!-- end -->`.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { number } from './harness/table.mjs'

const PAGE = resolve(import.meta.dirname, '../../docs/benchmarks.md')

let page = await readFile(PAGE, 'utf8')
for (const path of process.argv.slice(2)) {
  const text = await readFile(path, 'utf8')
  const { machine, quick, repeats, suites } = JSON.parse(text.slice(text.indexOf('{'))) // npm run prints a banner before it
  if (quick) throw new Error(`${path} was measured with --quick, which shows nothing`)
  for (const { suite, rows, notes } of suites) {
    const place = new RegExp(`(<!-- results: ${suite} -->\n)[^]*?(<!-- end -->)`)
    if (!place.test(page)) throw new Error(`docs/benchmarks.md has no place for ${suite}`)
    page = page.replace(place, (_, start, end) => `${start}${section(machine, repeats, rows, notes)}${end}`)
  }
}
await writeFile(PAGE, page)

function section(machine, repeats, rows, notes) {
  const goals = rows.filter(({ met }) => met !== null)
  return `
${machine.cpu}, ${machine.cores} cores, ${Math.round(machine.memoryBytes / 2 ** 30)} GiB, Node ${machine.node}, ${machine.date.slice(0, 10)};
load average ${number(machine.loadAverage)} at the end; ${repeats} interleaved repeats, medians (least–greatest).
**${goals.filter(({ met }) => met).length} of ${goals.length} goals met.**

| | ours | unit | against | theirs | ratio | goal | |
|---|---|---|---|---|---|---|---|
${rows.map(line).join('\n')}

${notes.map(note => `- ${note}`).join('\n')}

`
}

function line({ name, value, spread, unit, against, other, otherSpread, ratio, ratioSpread, goal, met }) {
  const cells = [
    name,
    figure(value, spread),
    unit,
    against ?? '',
    other === undefined ? '' : figure(other, otherSpread),
    ratio === null ? '' : `${figure(ratio, ratioSpread)} ×`,
    goal ?? '',
    met === null ? '' : met ? 'met' : '**missed**'
  ]
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function figure(value, { min, max }) {
  return min === max ? number(value) : `${number(value)} (${number(min)}–${number(max)})`
}
