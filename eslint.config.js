/**
 * The rules guard what a reader cannot see at a glance: promises that nobody waits for, unchecked values, switches with a
 * case missing. How code looks is a matter of reviews, not of rules. A rule that is off says why.
 */
import tseslint from 'typescript-eslint'

const TYPESCRIPT = ['**/*.ts']
const SCRIPTS = ['**/*.js', '**/*.mjs']
const LIBRARY = ['src/**/*.ts', 'formats/**/*.ts']

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', 'src/kernels/assembly/', 'src/kernels/*.wasm.ts', 'test/bench/.peers/', 'data/'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { project: './tsconfig.lint.json', tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' }
  },
  {
    name: 'everything',
    rules: {
      eqeqeq: ['error', 'always'],
      'no-async-promise-executor': 'error',
      'no-cond-assign': 'error',
      'no-constant-binary-expression': 'error',
      'no-duplicate-imports': ['error', { allowSeparateTypeImports: true }],
      'no-empty': ['error', { allowEmptyCatch: true }],
      'no-loss-of-precision': 'error',
      'no-self-compare': 'error',
      'no-template-curly-in-string': 'error',
      'no-unreachable-loop': ['error', { ignore: ['ForOfStatement'] }],
      'no-unsafe-finally': 'error',
      'no-unused-labels': 'error',
      'no-useless-escape': 'error',
      'no-var': 'error',
      'prefer-const': ['error', { destructuring: 'all' }],
      'use-isnan': 'error',
      'valid-typeof': 'error',

      '@typescript-eslint/no-floating-promises': ['error', { checkThenables: true, ignoreVoid: false }],
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-this-alias': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true }],
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingAny: true, allowThrowingUnknown: true }],
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingAny: true, allowThrowingUnknown: true }],

      '@typescript-eslint/restrict-template-expressions': ['error', { allowBoolean: true, allowNever: true, allowNumber: true }],

      // An async function without await turns what it throws into a rejection, which contracts ask for.
      '@typescript-eslint/require-await': 'off',
      // Contracts here are plain objects of closures in method syntax, which the rule takes for classes.
      '@typescript-eslint/unbound-method': 'off',
      // It takes assertions for unnecessary without which this compiler fails, in generators and where `at()` is involved.
      '@typescript-eslint/no-unnecessary-type-assertion': 'off'
    }
  },
  {
    name: 'TypeScript',
    files: TYPESCRIPT,
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false }],
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'off'
    }
  },
  {
    name: 'the library',
    files: LIBRARY,
    rules: {
      'no-console': 'error',
      'no-debugger': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      'no-restricted-syntax': ['error', {
        selector: 'BinaryExpression[operator="instanceof"][right.name=/(Error|Array|ArrayBuffer|Buffer|Blob|View|Map|Set|Signal|^Date|^RegExp|^Promise|^Object|^Function|^Dataset)$/]',
        message: 'Values may come from another realm (workers, vm contexts, iframes): use ArrayBuffer.isView, Array.isArray, isMillraceError or a look at the members.'
      }]
    }
  },
  {
    name: 'the generated loop',
    files: ['src/operators/stage-loop.ts'],
    rules: { '@typescript-eslint/no-implied-eval': 'off', '@typescript-eslint/no-unsafe-call': 'off' }
  },
  {
    name: 'tests',
    files: ['test/**/*.ts'],
    rules: {
      // Tests hand in what the types forbid, and look at JSON.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-base-to-string': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off',
      // Awaiting what may be a promise or not is what some tests are about.
      '@typescript-eslint/await-thenable': 'off'
    }
  },
  {
    name: 'scripts: untyped code, of which only the promises are checked',
    files: SCRIPTS,
    rules: {
      ...Object.fromEntries(Object.keys(tseslint.plugin.rules).filter(name => name.startsWith('no-unsafe-')).map(name => [`@typescript-eslint/${name}`, 'off'])),
      '@typescript-eslint/await-thenable': 'off',
      '@typescript-eslint/no-base-to-string': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': 'off'
    }
  }
)
