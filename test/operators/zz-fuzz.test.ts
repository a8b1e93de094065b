import { test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { operatorConformance } from '../../src/testing/operator.js'
import { Rng } from '../../src/util/rng.js'
const num = (x: any): number => typeof x === 'number' ? x : Array.isArray(x) ? x.reduce((s: number, y: any) => s + num(y), x.length) : ArrayBuffer.isView(x?.data) ? Array.from(x.data as any).reduce((s: number, y: any) => s + Number(y), 0) as number : 0
const slow = async (x: any) => { for (let i = 0; i < num(x) % 3; i++) await null; return x }
async function read(value: any): Promise<any> {
  if (value instanceof Dataset) return value.toArray()
  if (Array.isArray(value)) return Promise.all(value.map(read))
  return value
}
const OPS: ((r: Rng) => (p: number) => (d: Dataset<any>) => Dataset<any>)[] = [
  r => { const k = 3 + r.integer(5); return () => d => d.map((x: any) => { if (num(x) % k === 2) throw new Error('no'); return x }) },
  () => p => d => d.map(slow, { parallel: p }),
  () => () => d => d.map(slow),
  r => { const k = 2 + r.integer(3); return () => d => d.filter((x: any) => num(x) % k !== 1) },
  r => { const k = 1 + r.integer(6); return () => d => d.shuffle(k) },
  r => { const k = 1 + r.integer(2); return () => d => d.repeat(k + 1).take(40) },
  () => () => d => d.cache(), () => () => d => d.cache(), () => () => d => d.cache(),
  r => { const k = 8 * (1 + r.integer(8)); return () => d => d.cache({ memoryBytes: k }) },
  r => { const [a, b, c, e] = [1 + r.integer(3), 1 + r.integer(4), 1 + r.integer(2), r.integer(2) === 1]; return () => d => d.map(num).window(a, { shift: b, stride: c, dropRemainder: e }).map(read).map(num) },
  r => { const [a, e] = [1 + r.integer(3), r.integer(2) === 1]; return () => d => d.map((x: any) => new Float32Array(num(x) % 4)).paddedBatch(a, { dropRemainder: e }).map(num) },
  r => { const k = 1 + r.integer(9); return () => d => d.take(k) },
  r => { const k = r.integer(4); return () => d => d.skip(k) },
  () => p => d => d.prefetch(p),
  () => () => d => d.map((x: any, { rng }: any) => num(x) + rng.integer(10)),
  () => () => d => d.concatenate(d).take(40)
]
const from = Number(process.env.FROM ?? 0), count = Number(process.env.COUNT ?? 150)
for (let seed = from; seed < from + count; seed++) {
  const r = new Rng([seed, 77])
  const n = 4 + r.integer(14)
  const chain = Array.from({ length: 2 + r.integer(4) }, () => (OPS[r.integer(OPS.length)] as any)(r))
  const make = (p: number) => () => chain.reduce((d: any, op: any) => op(p)(d), Dataset.range(n) as any)
  const text = make(1)().explain().split('optimized')[0].replace(/\s+/g, ' ').replace(/\[[^\]]*\]/g, '')
  if (!text.includes('cache')) continue
  const events = async (it: any) => { const out: any[] = []; for (;;) { try { const st = await it.next(); if (st.done) break; out.push(JSON.stringify(st.value)) } catch (e: any) { out.push('E' + e.message.slice(0, 40)) } } return out }
  test(`${seed} ${text}`, async () => {
    const ds = make(1)()
    await events(ds.iterator({ seed: 1, epoch: 0 }))
    const whole = await events(ds.iterator({ seed: 2, epoch: 3 }))
    const it = ds.iterator({ seed: 2, epoch: 3 })
    for (let i = 0; i <= whole.length; i++) {
      const c = JSON.parse(JSON.stringify(it.checkpoint()))
      for (const target of [make(4)(), ds, await (async () => { const d = make(1)(); await events(d.iterator({ seed: 9, epoch: 1 })); return d })()]) {
        const tail = await events(target.iterator({ from: c }))
        if (JSON.stringify(tail) !== JSON.stringify(whole.slice(i))) throw new Error(`at ${i} ${target === ds}: ${tail} instead of ${whole.slice(i)} ${JSON.stringify(c.state)}`)
      }
      await it.next().catch(() => undefined)
    }
    await it.close()
  })
}
