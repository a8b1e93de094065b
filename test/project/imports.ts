import { posix } from 'node:path'
import ts from 'typescript'
import { read } from './tree.js'

/** One import of a module by another. */
export interface Import {
  /** The module that is imported: a path from the root, or a bare name. */
  readonly target: string
  /** True when it is gone after compilation. */
  readonly typeOnly: boolean
  /** True for `import(…)`: loaded when it is needed. */
  readonly lazy: boolean
  readonly line: number
}

/** What a file of the project imports: static, re-exported, lazy, and in types. */
export function importsOf(path: string): Import[] {
  const source = ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true)
  const found: Import[] = []
  const add = (specifier: ts.Node | undefined, typeOnly: boolean, lazy: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return
    const { text } = specifier
    const target = text.startsWith('.') ? posix.join(posix.dirname(path), text).replace(/\.js$/, '.ts') : text
    found.push({ target, typeOnly, lazy, line: source.getLineAndCharacterOfPosition(specifier.getStart()).line + 1 })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeImport(node.importClause), false)
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly || isTypeList(node.exportClause), false)
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true, false)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0], false, true)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function isTypeImport(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true
  return clause.name === undefined && isTypeList(clause.namedBindings)
}

function isTypeList(list: ts.NamedImportBindings | ts.NamedExportBindings | undefined): boolean {
  return list !== undefined && (ts.isNamedImports(list) || ts.isNamedExports(list)) && list.elements.length > 0 && list.elements.every(element => element.isTypeOnly)
}
