/**
 * Runs one measurement in a process of its own: `node child.mjs <module> <function> <JSON argument>`. The result is written
 * as JSON to file descriptor 3, because libraries print to standard output.
 */
import { writeSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const [, , module, name, argument] = process.argv
const { [name]: measure } = await import(pathToFileURL(module).href)
const result = await measure(JSON.parse(argument))
writeSync(3, JSON.stringify(result))
process.exit(0)
