/** The door for people who write operators, sources and stores: the suites that ours pass. */
export { operatorConformance, type ConformanceCase, type OperatorConformance } from './testing/operator.js'
export { storeConformance } from './testing/store.js'
