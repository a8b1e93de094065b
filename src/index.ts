/** millrace: a data loader for machine learning. This door re-exports and holds no code. */
export { Dataset, type Windowed } from './dataset.js'
export type { BatchOptions, FilesOptions, FunctionOptions, MapOptions, PrefetchOptions, ShuffleOptions, SourceOptions, StoreOptions } from './dataset-options.js'
export type { Batched, PaddedBatched, Sliced, Unbatched } from './array/batched.js'
export type { NumberDType } from './array/dtype.js'
export { isNdArray, isRaggedArray, ndarray, ragged as raggedArray, scalar } from './array/ndarray.js'
export { equal } from './array/equal.js'
export { release } from './array/pool.js'
export type { Checkpoint } from './engine/checkpoint.js'
export type { DatasetIterator, IterateOptions } from './engine/iterate.js'
export type { Bottleneck, IteratorStats, KnobStats, StageStats } from './engine/stats.js'
export { isMillraceError, MillraceError, type ErrorContext, type ErrorKind } from './errors.js'
export {
  bytesList, encodeExample, encodeSequenceExample, fixedLen, floatList, int64List, parseExample, parseSequenceExample, ragged, varLen,
  type ExampleSpec, type Feature, type FeatureDType, type FeatureListValue, type FeatureOptions, type FeatureValue, type FixedLen, type FixedLenOptions, type ListValue,
  type ParsedExample, type ParsedFeature, type ParsedFeatureList, type ParsedSequenceExample, type Ragged, type SequenceSpec, type VarLen
} from './example/index.js'
export { collateToList, defaultCollate, paddedCollate, type Collate } from './loader/collate.js'
export { concatDataset, mapDataset, randomSplit, stackDataset, subset, tensorDataset, type ElementOf, type Parts, type Stacked, type Subset } from './loader/map-dataset.js'
export type { BatchSampler, MapDataset, Sampler, SamplerPass } from './loader/sampler.js'
export { batchSampler, type BatchSamplerOptions } from './loader/samplers/batch.js'
export type { OrderedSampler } from './loader/samplers/common.js'
export { distributedSampler, type DistributedSampler, type DistributedSamplerOptions } from './loader/samplers/distributed.js'
export { randomSampler, type RandomSamplerOptions } from './loader/samplers/random.js'
export { sequentialSampler } from './loader/samplers/sequential.js'
export { subsetRandomSampler, subsetSampler } from './loader/samplers/subset.js'
export { weightedRandomSampler, type WeightedRandomSamplerOptions } from './loader/samplers/weighted.js'
export type { CacheOptions } from './operators/cache.js'
export type { GeneratorContext } from './operators/from.js'
export type { InterleaveOptions } from './operators/interleave.js'
export type { PaddedShape, PaddedShapes, PadValue, PadValues } from './array/pad.js'
export type { PaddedBatchOptions } from './operators/padded-batch.js'
export type { WindowOptions } from './operators/window.js'
export type { Zipped, ZipNest } from './operators/zip.js'
export type { RowValue } from './files.js'
export { portable, type FunctionsOf, type PortableFunction, type PortableOptions } from './portable.js'
export type { ExplainFormat } from './plan/explain.js'
export type { Planned } from './plan/node.js'
export type { ElementContext } from './plan/operator.js'
export type { AutotuneOptions, DatasetOptions, ThreadingOptions, TuningProfile, TuningStep, WorkerOptions } from './plan/tuning.js'
export type { FunctionReference } from './plan/workers.js'
export { inspect, type InspectOptions } from './inspect.js'
export type {
  FileInfo, Hdf5Attributes, Hdf5DatasetFacts, Hdf5Filter, Hdf5Group, Hdf5Node, Hdf5Value, NpyColumn, NpyInfo, NpzArray, NpzInfo
} from './resolve.js'
export type { FixedLengthOptions, Hdf5Options, IdxOptions, NpyOptions, NpzOptions, RawOptions, TfrecordOptions } from './resolve.js'
export type {
  Cardinality, DataOf, DType, ElementSpec, Json, Leaf, LeafSpec, MaybePromise, NdArray, Nest, NumericArray, RaggedArray, Shape
} from './types.js'
export { defaultMemoryStore, memoryStore, type MemoryStore } from './storage/memory.js'
export { Rng } from './util/rng.js'
export { writeTfrecord, type WriteTfrecordOptions, type WriteTfrecordResult } from './write.js'
export {
  writeHdf5, writeNpy, writeNpz, writeTfrecordIndex, type AttributeValue, type Hdf5DatasetOptions, type Hdf5DatasetSource, type WritableArray, type WritableRows, type WriteHdf5Options,
  type WriteHdf5Result, type WriteNpyOptions, type WriteNpyResult, type WriteNpzOptions, type WriteTfrecordIndexOptions
} from './write-arrays.js'
