import type { ElementContext } from '../plan/operator.js'
import type { MaybePromise } from '../types.js'

/** A dataset whose elements have ordinals, as PyTorch's map-style ones have: `length`, and the element of each ordinal. */
export interface MapDataset<T> {
  readonly length: number
  /** The element of an ordinal from 0 to `length - 1`. A portable function runs on worker threads. */
  get(index: number, context: ElementContext): MaybePromise<T>
}

/** One pass over the data, for samplers: they draw from nothing else. */
export interface SamplerPass {
  readonly epoch: number
  readonly seed: number
}

/** Says which elements there are to be, and in which order. The same pass gives the same indices: a place in them is all that a checkpoint keeps. */
export interface Sampler {
  /** How many indices a pass has; undefined when that is not known before. */
  readonly length: number | undefined
  indices(pass: SamplerPass): Iterable<number>
}

/** Says which elements make up each batch. */
export interface BatchSampler {
  /** How many batches a pass has. */
  readonly length: number | undefined
  batches(pass: SamplerPass): Iterable<readonly number[]>
}
