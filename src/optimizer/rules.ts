import type { Rule } from '../plan/rewrite.js'
import { dropNoOps } from './drop-no-ops.js'
import { fuseDecodeBatch } from './fuse-decode-batch.js'
import { fuseStages } from './fuse-stages.js'
import { pushSelection } from './push-selection.js'
import { readStacked } from './read-stacked.js'
import { reuseChunks } from './reuse-chunks.js'
import { transformBatches } from './transform-batches.js'

/** The rules for every plan, also in worker threads, in the order in which they are tried. Those for whole plans stand in plan-rules.ts. */
export const RULES: readonly Rule[] = Object.freeze([dropNoOps, pushSelection, transformBatches, readStacked, fuseDecodeBatch, fuseStages, reuseChunks])
