import type { ResolvedOptions } from '../operators/options.js'
import type { Rule } from '../plan/rewrite.js'
import { injectPrefetch } from './inject-prefetch.js'
import { offloadFilesFirst } from './offload-files.js'
import { offloadRule } from './offload.js'

/** Rules that look at the whole plan as it was written and at its options, applied once at the beginning. */
export const FIRST_RULES: readonly ((options: ResolvedOptions) => Rule)[] = Object.freeze([offloadFilesFirst, offloadRule])

/** Rules that look at the whole plan, applied once at the end. */
export const FINAL_RULES: readonly Rule[] = Object.freeze([injectPrefetch])
