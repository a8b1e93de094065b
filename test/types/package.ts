/** The declarations of the package, as a user's compiler sees them: emitted anew from the sources, in a folder with nothing else installed. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { DOORS } from '../project/surface.js'
import { ROOT } from '../project/tree.js'

/** Options of a user who asks for everything and has neither types of Node nor TensorFlow.js. */
export const STRICTEST: ts.CompilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  skipLibCheck: false,
  noEmit: true,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
  types: []
}

/** Emits the declarations into `folder/node_modules/millrace`. */
export function emitPackage(folder: string): void {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), path => ts.sys.readFile(path)) as { config: object }
  const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT)
  const target = join(folder, 'node_modules/millrace')
  const program = ts.createProgram(fileNames, { ...options, outDir: join(target, 'dist'), emitDeclarationOnly: true, declarationMap: false, sourceMap: false })
  program.emit()
  cpSync(join(ROOT, 'package.json'), join(target, 'package.json'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
}

/** A program of one file in the folder of a user. */
export function userProgram(folder: string, name: string, text: string, options: ts.CompilerOptions = STRICTEST): { readonly program: ts.Program; readonly file: ts.SourceFile } {
  const path = join(folder, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  const program = ts.createProgram([path], options)
  const file = program.getSourceFile(path)
  if (file === undefined) throw new Error(`${path} is not in its own program`)
  return { program, file }
}

/** What the compiler says, a line for each. */
export function complaints(diagnostics: readonly ts.Diagnostic[]): string[] {
  return diagnostics.map(({ file, start, messageText }) => {
    const text = ts.flattenDiagnosticMessageText(messageText, ' ')
    return file === undefined || start === undefined ? text : `${inPackage(file)}:${file.getLineAndCharacterOfPosition(start).line + 1} ${text}`
  })
}

const inPackage = ({ fileName }: ts.SourceFile): string => fileName.split('/node_modules/millrace/dist/').pop() ?? fileName

/** A place in the public declarations. */
export interface Found {
  /** The module, the declaration and the member. */
  readonly place: string
  /** The type that stands there. */
  readonly what: string
}

/** What can be reached from the doors: every `any`, and every type that no door exports. */
export function inspect(program: ts.Program, doors: ts.SourceFile): { readonly anys: readonly Found[]; readonly notExported: readonly Found[]; readonly seen: number } {
  const checker = program.getTypeChecker()
  const resolved = (symbol: ts.Symbol): ts.Symbol => ((symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol))
  const exported = new Set<ts.Symbol>()
  for (const statement of doors.statements) {
    const module = ts.isImportDeclaration(statement) ? checker.getSymbolAtLocation(statement.moduleSpecifier) : undefined
    if (module !== undefined) for (const symbol of checker.getExportsOfModule(module)) exported.add(resolved(symbol))
  }

  const anys: Found[] = []
  const notExported = new Map<ts.Symbol, Found>()
  const seen = new Set<ts.Symbol>(exported)
  for (const symbol of seen) { // it grows while it is walked
    for (const declaration of symbol.declarations ?? []) {
      if (!declaration.getSourceFile().fileName.includes('/node_modules/millrace/')) continue
      const visit = (node: ts.Node, place: string): void => {
        if (isHidden(node)) return
        const name = (node as { name?: ts.Node }).name
        const inner = node !== declaration && name !== undefined && (ts.isTypeElement(node) || ts.isClassElement(node)) ? `${place}.${name.getText()}` : place
        if (node.kind === ts.SyntaxKind.AnyKeyword) anys.push({ place: inner, what: node.parent.getText().split('\n')[0] ?? '' })
        const referred = nameOfType(node)
        const found = referred === undefined ? undefined : checker.getSymbolAtLocation(referred)
        if (found !== undefined) {
          const type = resolved(found)
          const own = type.declarations?.some(each => each.getSourceFile().fileName.includes('/node_modules/millrace/') && !ts.isTypeParameterDeclaration(each)) === true
          if (own && !exported.has(type) && !notExported.has(type)) notExported.set(type, { place: inner, what: type.name })
          if (own) seen.add(type)
        }
        ts.forEachChild(node, child => visit(child, inner))
      }
      visit(declaration, `${inPackage(declaration.getSourceFile()).replace('.d.ts', '')} ${symbol.name}`)
    }
  }
  return { anys, notExported: [...notExported.values()], seen: seen.size }
}

/** A program that imports all doors. */
export const allDoors = (): string => Object.keys(DOORS).map((door, i) => `import * as door${i} from '${door}'\nvoid door${i}\n`).join('')

function nameOfType(node: ts.Node): ts.Node | undefined {
  if (ts.isTypeReferenceNode(node)) return node.typeName
  if (ts.isExpressionWithTypeArguments(node)) return node.expression
  if (ts.isImportTypeNode(node)) return node.qualifier
  return undefined
}

function isHidden(node: ts.Node): boolean {
  if (!ts.isClassElement(node)) return false
  if (node.name !== undefined && ts.isPrivateIdentifier(node.name)) return true
  return ts.canHaveModifiers(node) && ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword) === true
}
