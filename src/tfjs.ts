/** The door for TensorFlow.js. This file re-exports and holds no code. */
export {
  toTfDataset, toTfGenerator, type TensorFlow, type TensorOptions, type TfBatch, type TfDataset, type TfElement, type TfGenerator, type TfIterator,
  type TfOptions, type TfReading, type TfSelectOptions, type TfSource, type TfStats, type TfTensor, type TfTensors
} from './adapters/tfjs.js'
