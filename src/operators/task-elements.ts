import type { Operator } from '../plan/operator.js'
import { savedPosition } from '../plan/saved.js'

/**
 * The elements of a task, in a worker thread: the source of a chain that is fed from elsewhere. They are put into `slot` before the chain
 * is opened. Made by what runs pieces of plans. State: the ordinal in the task.
 */
export interface TaskElementsParams {
  /** One object for all tasks of a piece, so that what was compiled for one serves the next. */
  readonly slot: { elements: readonly unknown[] }
}

export const taskElements: Operator<TaskElementsParams> = {
  name: 'input',
  describe: () => '',
  identity: () => null,
  free: true,
  open({ params: { slot }, saved }) {
    const { elements } = slot
    let at = savedPosition('input', saved, elements.length)
    return {
      pull(max) {
        if (at >= elements.length) return null
        const chunk = elements.slice(at, at + max)
        at += chunk.length
        return chunk
      },
      save: () => ({ self: at })
    }
  }
}
