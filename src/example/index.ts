/** `tf.train.Example` and `tf.train.SequenceExample`: pure functions from bytes to elements, to batches, and back. */
export { fixedLen, ragged, varLen, type ExampleSpec, type Feature, type FeatureDType, type FixedLen, type ParsedExample } from './spec.js'
export { compileExampleParser, parseExample } from './decode.js'
export { exampleBatch } from './columnar.js'
export { compileSequenceExampleParser, parseSequenceExample, type ParsedSequenceExample, type SequenceSpec } from './sequence.js'
export { bytesList, encodeExample, encodeSequenceExample, floatList, int64List, type FeatureValue } from './encode.js'
