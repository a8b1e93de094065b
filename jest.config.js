/** Tests are TypeScript ESM, compiled by swc; `test/environment.js` makes the test realm share Node's own built-ins. */
export default {
  testEnvironment: './test/environment.js',
  // Each file leaves a realm behind that is never collected: in one process the last files spend their time in garbage collection.
  maxWorkers: 2,
  workerIdleMemoryLimit: '1GB',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  // Real servers are started by `npm run test:servers`.
  testPathIgnorePatterns: ['/node_modules/', '/dist/', ...(process.env.MILLRACE_SERVERS === '1' ? [] : ['/test/real-servers/'])],
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json', 'node', 'wasm'],
  transform: {
    '^.+\\.ts$': ['@swc/jest', { jsc: { target: 'es2022', parser: { syntax: 'typescript', decorators: false } }, module: { type: 'es6' }, sourceMaps: 'inline' }]
  }
}
