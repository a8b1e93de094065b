/**
 * Shows how training goes: one line that is redrawn on a terminal, elsewhere a line for every tenth of an epoch.
 * `waitedMs` tells how long the model has waited for data so far.
 */
export function progressBar({ epochs, images, waitedMs, out = process.stdout }) {
  let epoch = 0
  let seen = 0
  let sums = { size: 0, loss: 0, accuracy: 0 } // over the images of this epoch in this run
  let [trained, trainingMs] = [0, 0] // in all epochs of this run
  let [mark, drawnAt] = [0, 0]

  const line = () => {
    const { imagesPerSecond, waited } = bar.totals()
    return [
      `epoch ${epoch + 1}/${epochs}`,
      '━'.repeat(Math.round((24 * seen) / images)).padEnd(24, '─'),
      `${seen}/${images}`,
      `${imagesPerSecond} images/s`,
      `loss ${(sums.loss / sums.size).toFixed(4)}`,
      `accuracy ${(sums.accuracy / sums.size).toFixed(4)}`,
      `waited ${waited}`
    ].join('  ')
  }
  const draw = atTenth => {
    if (!out.isTTY) {
      if (atTenth) out.write(`${line()}\n`)
    } else if (atTenth || performance.now() - drawnAt > 100) {
      drawnAt = performance.now()
      out.write(`\r\x1b[K${line().slice(0, (out.columns || 120) - 1)}`)
    }
  }

  const bar = {
    /** Images of this epoch so far, those before an interruption included. */
    get seen() {
      return seen
    },
    epochBegin(number, alreadySeen) {
      epoch = number
      seen = alreadySeen
      sums = { size: 0, loss: 0, accuracy: 0 }
      mark = performance.now()
    },
    batchEnd({ size, loss, accuracy }) {
      const now = performance.now()
      trainingMs += now - mark
      mark = now
      const tenths = Math.floor((10 * seen) / images)
      seen += size
      trained += size
      sums = { size: sums.size + size, loss: sums.loss + size * loss, accuracy: sums.accuracy + size * accuracy }
      draw(Math.floor((10 * seen) / images) > tenths)
    },
    epochEnd() {
      if (out.isTTY && sums.size > 0) out.write('\n')
    },
    /** The speed, and the share of the time that the model has waited. */
    totals() {
      const ms = Math.max(trainingMs, 1)
      return { imagesPerSecond: Math.round((1000 * trained) / ms), waited: `${((100 * waitedMs()) / ms).toFixed(1)}%` }
    }
  }
  return bar
}
