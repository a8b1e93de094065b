/** In children: what the suite uses of the package under test. */
import { millrace } from '../package.mjs'

export const { Dataset, fixedLen, portable, release } = await millrace()

const WORK = new URL('./work.mjs', import.meta.url)

/** A function that work.mjs makes, loaded in this thread. */
export async function working(name, argument) {
  const fn = portable(WORK, name, { args: [argument] })
  await fn.load()
  return fn
}

/** More elements than anything here will ask for. */
export const endless = () => Dataset.range(1e12)
