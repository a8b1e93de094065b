/** The door for people who write operators, sources and stores: the suites that ours pass. */
export type { ConformanceCase } from './testing/case.js'
export { operatorConformance, type OperatorConformance } from './testing/operator.js'
export { storeConformance, type StoreFeature, type StoreFixture } from './testing/store.js'
