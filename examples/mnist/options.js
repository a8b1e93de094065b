/** The command line. */
import { parseArgs } from 'node:util'

const HELP = `npm start -- [options]
  --epochs <n>     passes over the training images (3)
  --seed <n>       of the first weights and of the order of the images (42)
  --images <n>     train on the first n images only (60000)
  --folder <path>  of the TFRecord files and the checkpoint; written if there is none (data/mnist)
  --fresh          forget the checkpoint and begin anew`

/** Exits with the help text when it is asked for, or when an option is not what it should be. */
export function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        epochs: { type: 'string', default: '3' },
        seed: { type: 'string', default: '42' },
        images: { type: 'string', default: '60000' },
        folder: { type: 'string', default: 'data/mnist' },
        fresh: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false }
      }
    })
    if (values.help) return exit(0, HELP)
    return {
      epochs: integer('epochs', values.epochs, 1, 1000),
      seed: integer('seed', values.seed, 0, 2 ** 31),
      images: integer('images', values.images, 1, 60_000),
      folder: values.folder,
      fresh: values.fresh
    }
  } catch (error) {
    return exit(2, `${error.message}\n\n${HELP}`)
  }
}

function integer(name, text, least, most) {
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new RangeError(`--${name} must be an integer from ${least} to ${most}, not ${text}`)
}

function exit(code, text) {
  console[code === 0 ? 'log' : 'error'](text)
  process.exit(code)
}
