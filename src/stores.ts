/** The door to the stores: making and configuring them, layers around them, and what can be done with objects. Node only. */
export {
  copy, copyPrefix, createContainer, createWriter, download, exists, get, getRange, getRanges, list, listContainers, listDirectory, put, readStream, remove,
  removeContainer, removeMany, removePrefix, rename, stat, upload
} from './objects.js'
export type {
  BetweenStores, CopyOptions, CopyResult, GetRangesOptions, InStore, ObjectRange, Progress, ProgressOption, ReadStreamOptions, TransferOptions
} from './storage/operations.js'
export { directStore, type DirectStore, type DirectStoreOptions } from './storage/direct.js'
export { fileStore, type FileStoreOptions } from './storage/file.js'
export { defaultMemoryStore, memoryStore, type MemoryStore } from './storage/memory.js'
export { azureStore, type AzureAccessToken, type AzureStoreOptions, type AzureTokenCredential } from './storage/azure/store.js'
export { gcsStore, type GcsAccessToken, type GcsStoreOptions } from './storage/gcs/store.js'
export { httpStore, type HttpStoreOptions } from './storage/http/store.js'
export { s3Store, type S3Keys, type S3StoreOptions } from './storage/s3/store.js'
export type { RemoteStore } from './storage/remote/remote-store.js'
export type { ConfigLine, ConnectionPoolConfig, RangeEngineConfig, StoreTuning } from './storage/config.js'
export { cached, type CachedStore, type CacheOptions, type CacheStats } from './storage/layers/cache.js'
export type { DiskStats } from './storage/layers/cache-disk.js'
export { histogram, type Histogram, type HistogramData, type HistogramSummary } from './storage/layers/histogram.js'
export type { EndpointPolicy, EndpointState } from './storage/layers/endpoints.js'
export { multiEndpoint, type MultiEndpointOptions, type MultiEndpointStore } from './storage/layers/multi-endpoint.js'
export type { OperationName, OperationObserver, OperationRecord } from './storage/layers/observe.js'
export { logged, opLog, type OpLog, type OpLogOptions, type OpLogStats } from './storage/layers/op-log.js'
export { readOpLog, type ReadOpLogOptions } from './storage/layers/op-log-read.js'
export { replayOpLog, type ReplayedOperation, type ReplayOptions, type ReplaySummary } from './storage/layers/op-log-replay.js'
export type { OpLogRow } from './storage/layers/op-log-rows.js'
export {
  rangeEngine, type RangeEngine, type RangeEngineContext, type RangeEngineOptions, type RangeEngineRead, type RangeEngineReadOptions, type RangeEngineStats, type RangeRead,
  type RangeReadOptions
} from './storage/layers/range-engine.js'
export type { ByteRange } from './storage/layers/split.js'
export { measured, type EndpointRequests, type OperationStats, type RequestStats, type StoreStats, type Throughput } from './storage/layers/statistics.js'
