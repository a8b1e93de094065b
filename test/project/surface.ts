import ts from 'typescript'
import { read } from './tree.js'

/** The doors, by the name under which they are imported, with their sources. */
export const DOORS: Readonly<Record<string, string>> = {
  millrace: 'src/index.ts',
  'millrace/format': 'src/format.ts',
  'millrace/operator': 'src/operator.ts',
  'millrace/store': 'src/store.ts',
  'millrace/stores': 'src/stores.ts',
  'millrace/testing': 'src/testing.ts',
  'millrace/tfjs': 'src/tfjs.ts',
  'millrace/transforms': 'src/transforms.ts'
}

/** One exported name. */
export interface Exported {
  readonly name: string
  /** True for types and interfaces, which are gone after compilation. */
  readonly type: boolean
}

/** The names that a door exports, sorted. */
export function exportsOf(path: string): Exported[] {
  const found: Exported[] = []
  for (const statement of ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true).statements) {
    if (ts.isExportDeclaration(statement)) {
      const { exportClause } = statement
      if (exportClause === undefined || !ts.isNamedExports(exportClause)) throw new Error(`${path}: a door names what it exports, one by one`)
      for (const element of exportClause.elements) found.push({ name: element.name.text, type: statement.isTypeOnly || element.isTypeOnly })
    } else if (ts.canHaveModifiers(statement) && ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true) {
      if (ts.isVariableStatement(statement)) for (const { name } of statement.declarationList.declarations) found.push({ name: name.getText(), type: false })
      else if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) found.push({ name: statement.name.text, type: true })
      else if ((ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) && statement.name !== undefined) found.push({ name: statement.name.text, type: false })
    }
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** The public members of a class, sorted: `Dataset.range` for a static one, `dataset.map` for the others. */
export function membersOf(path: string, className: string): string[] {
  const members = new Set<string>()
  for (const statement of ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true).statements) {
    if (!ts.isClassDeclaration(statement) || statement.name?.text !== className) continue
    for (const member of statement.members) {
      if (member.name === undefined || ts.isPrivateIdentifier(member.name)) continue
      const isStatic = ts.canHaveModifiers(member) && ts.getModifiers(member)?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword) === true
      const name = member.name.getText()
      members.add(`${isStatic ? className : className.toLowerCase()}${name.startsWith('[') ? '' : '.'}${name}`)
    }
  }
  return [...members].sort()
}

/** All of it, to be read and to be compared. */
export function surfaceText(): string {
  const doors = Object.entries(DOORS).map(([door, path]) => [door, ...exportsOf(path).map(({ name, type }) => `  ${type ? 'type ' : ''}${name}`)])
  return [...doors, ['members of Dataset', ...membersOf('src/dataset.ts', 'Dataset').map(name => `  ${name}`)]].map(lines => `${lines.join('\n')}\n`).join('\n')
}
