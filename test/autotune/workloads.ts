/** The workloads that the tuner is measured on. */
import { around, type PipelineSpec } from './simulator.js'

export interface Workload {
  readonly name: string
  /** From this moment on the workload is another one. */
  readonly changesAt?: number
  readonly spec: (values?: { readonly [knob: string]: number }) => PipelineSpec
  /** Values for the grid search. */
  readonly grid: { readonly [knob: string]: readonly number[] }
}

type Values = { readonly [knob: string]: number } | undefined
const MANY = [2, 4, 8, 16, 24, 32, 48, 64, 96]
const DEPTHS = [2, 8, 16, 32, 64]
const at = (values: Values, name: string, value: number): { readonly value: number } => ({ value: values?.[name] ?? value })

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'CPU-bound map',
    grid: { 'map.parallel': [1, 2, 4, 6, 7, 8], 'prefetch.size': [1, 2] },
    spec: values => ({
      cores: 8,
      stages: [
        { kind: 'source', cost: () => ({ delay: 0.05 }) },
        { kind: 'parallel', name: 'map', knob: { ...at(values, 'map.parallel', 1), resource: 'thread', most: 64 }, cost: r => ({ work: around(r, 6, 0.3) }) },
        { kind: 'prefetch', knob: at(values, 'prefetch.size', 2) }
      ],
      gap: r => around(r, 0.1, 0.5)
    })
  },
  {
    name: 'I/O-bound map, 5–50 ms',
    grid: { 'map.parallel': MANY, 'prefetch.size': [2, 8] },
    spec: values => ({
      stages: [
        { kind: 'source', cost: () => ({ delay: 0.02 }) },
        { kind: 'parallel', name: 'map', knob: at(values, 'map.parallel', 4), cost: r => ({ delay: 5 + 45 * r() }) },
        { kind: 'prefetch', knob: at(values, 'prefetch.size', 2) }
      ],
      gap: r => around(r, 1, 0.2)
    })
  },
  {
    name: 'mixed: I/O and CPU',
    grid: { 'map.parallel': [2, 4, 8, 16, 32, 64], 'map.parallel#2': [1, 2, 3, 4], 'prefetch.size': [2] },
    spec: values => ({
      cores: 4,
      stages: [
        { kind: 'source', cost: () => ({ delay: 0.02 }) },
        { kind: 'parallel', name: 'map', knob: at(values, 'map.parallel', 2), cost: r => ({ delay: around(r, 20, 0.4) }) },
        { kind: 'parallel', name: 'map', knob: { ...at(values, 'map.parallel#2', 1), resource: 'thread', most: 64 }, cost: r => ({ work: around(r, 4, 0.2) }) },
        { kind: 'batch', size: 4 },
        { kind: 'prefetch', knob: at(values, 'prefetch.size', 2) }
      ],
      gap: r => around(r, 0.2, 0.5)
    })
  },
  {
    name: 'slow consumer',
    grid: { 'map.parallel': [1, 2, 3, 4, 6, 8, 16], 'prefetch.size': [1, 2, 4, 8] },
    spec: values => ({
      stages: [
        { kind: 'source', cost: () => ({ delay: 0.02 }) },
        { kind: 'parallel', name: 'map', knob: at(values, 'map.parallel', 1), cost: r => ({ delay: around(r, 25, 0.5) }) },
        { kind: 'prefetch', knob: at(values, 'prefetch.size', 2) }
      ],
      gap: r => around(r, 10, 0.2)
    })
  },
  {
    name: 'bursty source',
    grid: { 'map.parallel': [1, 2, 4, 8], 'prefetch.size': DEPTHS },
    spec: values => ({
      stages: [
        { kind: 'source', cost: (_, __, index) => ({ delay: index % 40 === 39 ? 80 : 0.5 }) },
        { kind: 'parallel', name: 'map', knob: at(values, 'map.parallel', 2), cost: r => ({ delay: around(r, 1, 0.3) }) },
        { kind: 'prefetch', knob: at(values, 'prefetch.size', 2) }
      ],
      gap: r => around(r, 3, 0.1)
    })
  },
  {
    name: 'phase change',
    changesAt: 5000,
    grid: { 'map.parallel': MANY, 'prefetch.size': [2, 8] },
    spec: values => ({
      stages: [
        { kind: 'source', cost: () => ({ delay: 0.02 }) },
        { kind: 'parallel', name: 'map', knob: at(values, 'map.parallel', 4), cost: (r, t) => ({ delay: around(r, t < 5000 ? 5 : 40, 0.3) }) },
        { kind: 'prefetch', knob: at(values, 'prefetch.size', 2) }
      ],
      gap: r => around(r, 1, 0.2)
    })
  },
  {
    name: 'many small files',
    grid: { 'files.parallel': MANY, 'prefetch.size': [2, 8] },
    spec: values => ({
      servers: { store: { units: 48, crowding: 0.02 } },
      stages: [
        { kind: 'parallel', name: 'files', knob: { ...at(values, 'files.parallel', 4), most: 128 }, items: 4, server: 'store', bytes: 4096, cost: r => ({ work: around(r, 25, 0.6) }) },
        { kind: 'inline', name: 'map', cost: () => 0.05 },
        { kind: 'batch', size: 8 },
        { kind: 'prefetch', knob: at(values, 'prefetch.size', 2) }
      ],
      gap: r => around(r, 0.5, 0.3)
    })
  },
  {
    name: 'one huge file',
    grid: { 'file.parallel': [1, 2, 4, 8, 16], 'file.rangeSize': [1, 2, 4, 8, 16], 'prefetch.size': [2] },
    spec: values => ({
      servers: { link: { units: 1 } },
      stages: [
        {
          kind: 'parallel', name: 'file', knob: { ...at(values, 'file.parallel', 2), most: 16 }, size: { name: 'rangeSize', ...at(values, 'file.rangeSize', 4), most: 16 },
          server: 'link', bytes: 65536, cost: (r, _, items) => ({ delay: around(r, 20, 0.2), work: items })
        },
        { kind: 'prefetch', knob: at(values, 'prefetch.size', 2) }
      ],
      gap: r => around(r, 0.05, 0.5)
    })
  }
]
