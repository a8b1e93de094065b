import type { ResolvedOptions } from '../operators/options.js'
import type { Rule } from '../plan/rewrite.js'
import { dropNoOps } from './drop-no-ops.js'
import { fuseDecodeBatch } from './fuse-decode-batch.js'
import { fuseStages } from './fuse-stages.js'
import { injectPrefetch } from './inject-prefetch.js'
import { offloadFilesFirst } from './offload-files.js'
import { offloadRule } from './offload.js'
import { pushSelection } from './push-selection.js'
import { readStacked } from './read-stacked.js'
import { reuseChunks } from './reuse-chunks.js'
import { transformBatches } from './transform-batches.js'

/** Rules that look at the whole plan as it was written and at its options, applied once at the beginning. */
export const FIRST_RULES: readonly ((options: ResolvedOptions) => Rule)[] = Object.freeze([offloadFilesFirst, offloadRule])

/** The rules, in the order in which they are tried. */
export const RULES: readonly Rule[] = Object.freeze([dropNoOps, pushSelection, transformBatches, readStacked, fuseDecodeBatch, fuseStages, reuseChunks])

/** Rules that look at the whole plan, applied once at the end. */
export const FINAL_RULES: readonly Rule[] = Object.freeze([injectPrefetch])
