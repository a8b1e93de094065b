/** The package under test: the build in `dist/`, or the one that `--dist` names. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const dist = process.env.MILLRACE_DIST ?? resolve(import.meta.dirname, '../../dist')

/** The address of a built module, by its path in the source tree without the ending: `src/index`. */
export const builtUrl = path => pathToFileURL(resolve(dist, `${path}.js`)).href

/** A public door: the main one, or the one of that name. */
export const millrace = (door = 'index') => import(builtUrl(`src/${door}`))
