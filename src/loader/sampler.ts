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

/** What samplers of indices and of batches have in common. Only `length` is needed. */
interface AnySampler {
  /** How many indices, or batches, a pass has; undefined when that is not known before. */
  readonly length: number | undefined
  /** What errors and `explain()` call it. @default the name of its class, or 'sampler' */
  readonly name?: string | undefined
  /** All that decides what it draws beside the pass, as JSON and typed arrays: a checkpoint of another one is refused. @default the text of its method */
  readonly identity?: unknown
  /** The epoch to draw for, in place of that of the pass. */
  readonly epoch?: number | undefined
}

/** Says which elements there are to be, and in which order. The same pass gives the same indices: a place in them is all that a checkpoint keeps. */
export interface Sampler extends AnySampler {
  indices(pass: SamplerPass): Iterable<number>
  /** The same by place, from 0 to `length - 1`, for samplers that need not draw those before: a checkpoint is then restored at once. */
  order?: ((pass: SamplerPass) => (place: number) => number) | undefined
}

/** Says which elements make up each batch. */
export interface BatchSampler extends AnySampler {
  batches(pass: SamplerPass): Iterable<readonly number[]>
  /** The same by place, as {@link Sampler.order}. */
  order?: ((pass: SamplerPass) => (place: number) => readonly number[]) | undefined
}
