/** `tf.train.Example` and `tf.train.SequenceExample`: pure functions from bytes to elements, to batches, and back. */
export { fixedLen, ragged, varLen, type ExampleSpec, type Feature, type FeatureDType, type FeatureOptions, type FixedLen, type FixedLenOptions, type ParsedExample, type ParsedFeature, type Ragged, type VarLen } from './spec.js'
export { compileExampleParser, parseExample } from './decode.js'
export { exampleBatch } from './columnar.js'
export { compileSequenceExampleParser, parseSequenceExample, type ParsedFeatureList, type ParsedSequenceExample, type SequenceSpec } from './sequence.js'
export { bytesList, encodeExample, encodeSequenceExample, floatList, int64List, type FeatureListValue, type FeatureValue, type ListValue } from './encode.js'
