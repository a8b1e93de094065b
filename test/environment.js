/**
 * Jest runs tests in a `vm` context with its own Array, Error, Float32Array …, while Node's modules go on using the main
 * ones, so that `instanceof` fails where it would not in a user's program. This environment shares the main ones.
 */
import { TestEnvironment } from 'jest-environment-node'

const SHARED = [
  'Error', 'TypeError', 'RangeError', 'SyntaxError', 'ReferenceError', 'EvalError', 'URIError', 'AggregateError',
  'ArrayBuffer', 'SharedArrayBuffer', 'DataView', 'Uint8Array', 'Uint8ClampedArray', 'Int8Array', 'Uint16Array',
  'Int16Array', 'Uint32Array', 'Int32Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array',
  'Map', 'Set', 'WeakMap', 'WeakSet', 'Date', 'RegExp'
]

export default class SharedRealmEnvironment extends TestEnvironment {
  async setup() {
    await super.setup()
    for (const name of SHARED) this.global[name] = globalThis[name]
  }
}
