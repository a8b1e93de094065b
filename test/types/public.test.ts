import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type ts from 'typescript'
import { exists, read, ROOT } from '../project/tree.js'
import { allDoors, complaints, emitPackage, inspect, STRICTEST, userProgram, type Found } from './package.js'

const SLOW_MS = 180_000
const BUDGET = 'test/types/budget/budget.json'
const PIPELINE = 'test/types/budget/pipeline.ts'

let folder = ''
let doors: { readonly program: ts.Program; readonly file: ts.SourceFile }
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'millrace-types-')))
  emitPackage(folder)
  doors = userProgram(folder, 'doors.ts', allDoors())
}, SLOW_MS)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the published declarations', () => {
  test('compile under the strictest options, without types of Node and without TensorFlow.js', () => {
    expect(complaints(doors.program.getSemanticDiagnostics())).toEqual([])
    expect(complaints(doors.program.getGlobalDiagnostics())).toEqual([])
  }, SLOW_MS)

  test('take nothing from other packages', () => {
    const foreign = doors.program.getSourceFiles().map(({ fileName }) => fileName).filter(path => !path.startsWith(folder) && !/\/typescript\/lib\/lib\.[\w.]+\.d\.ts$/.test(path))
    expect(foreign).toEqual([])
  })

  test('say any only where an open set of operators needs it', () => {
    const { anys, seen } = inspect(doors.program, doors.file)
    expect(seen).toBeGreaterThan(60)
    expect(anys.map(({ place }) => place).sort()).toEqual(Object.keys(ANY_ALLOWED).sort())
  })

  test('name no type that cannot be imported from a door', () => {
    const { notExported } = inspect(doors.program, doors.file)
    expect(notExported.filter(({ what }) => !HELPERS.includes(what)).map(text)).toEqual([])
    expect(HELPERS.filter(name => !notExported.some(({ what }) => what === name))).toEqual([])
  })
})

/** Where a public declaration says `any`, and why. */
const ANY_ALLOWED: Readonly<Record<string, string>> = {
  'src/plan/node PlanNode.op': 'a plan holds operators of any params',
  'src/plan/operator OpenArguments.inputs': 'an operator knows what its inputs yield, the engine does not',
  'src/plan/operator Operator': 'a list of operators of any params is a list of Operator',
  'src/plan/operator Stage.fn': 'a user function of any element type',
  'src/portable AnyFunction': 'a function of any type'
}

/** Types that public types are made of and that nobody has to name: steps of a recursion, and what a name stands for. */
const HELPERS = [
  'AnyLengths', 'BatchedAt', 'DefaultValue', 'DTypeOf', 'DTypeOfArray', 'FeatureSource', 'FixedLenSteps', 'IntegerDType', 'NdArrayLike', 'Nested', 'NestedDType',
  'AnyFunction', 'AnySampler', 'Made', 'NestedShape', 'PaddedAt', 'Portable', 'RandomKey', 'Row', 'ScalarIn', 'ScalarOf', 'ScalarRow', 'SlicedAt', 'TooDeep', 'UnbatchedAt', 'Unstackable',
  'CastLeaf', 'CroppedLeaf', 'ImageShape', 'NormalizedLeaf', 'OneHotLeaf', 'OptionOf', 'PaddedLeaf', 'ReshapedLeaf', 'TensorOf',
  'Attributes', 'ElementOption', 'Specified', 'SpecifiedLeaf', 'ValueOf', 'RecordKernel', 'RecordScan', 'RecordStop', 'IndexTfrecordOptions', 'NpyWriteOptions', 'NpzWriteOptions', 'WriteDatasetsOptions', 'WriteOptions'
]

const text = ({ place, what }: Found): string => `${what}, at ${place}`

describe('what the compiler spends', () => {
  const HOW = `
If that is what you want: UPDATE_BUDGET=1 npm run test:only -- test/types/public, and commit ${BUDGET} with the change.
If not: \`tsc --extendedDiagnostics\` on ${PIPELINE} tells more; a conditional type that recurses or an overload that is tried in vain are the usual causes.`

  test('on a long program stays inside the budget', () => {
    const { program, file } = userProgram(folder, 'pipeline.ts', read(PIPELINE), { ...STRICTEST, skipLibCheck: true })
    expect(complaints(program.getSemanticDiagnostics(file))).toEqual([])
    const spent: Spent = { instantiations: program.getInstantiationCount(), types: program.getTypeCount() }
    if (process.env['UPDATE_BUDGET'] === '1') writeFileSync(join(ROOT, BUDGET), `${JSON.stringify(spent, null, 2)}\n`)
    const recorded = JSON.parse(exists(BUDGET) ? read(BUDGET) : '{}') as Partial<Spent>
    for (const what of ['instantiations', 'types'] as const) {
      const limit = Math.round((recorded[what] ?? 0) * HEAD_ROOM)
      if (spent[what] > limit) throw new Error(`${PIPELINE} costs ${spent[what]} ${what}; ${recorded[what]} were recorded, and ${limit} are allowed.${HOW}`)
    }
  }, SLOW_MS)
})

/** As `tsc --extendedDiagnostics` counts. The same on every machine, not with every version of TypeScript. */
interface Spent {
  readonly instantiations: number
  readonly types: number
}

/** What may be spent, times what was recorded. */
const HEAD_ROOM = 1.25
