/** Files whose frames are ours: the first frame behind them is the user's. */
const OURS = /[/\\](?:src|dist[/\\]src)[/\\](?:dataset|loader[/\\][a-z-]+|util[/\\]site)\.[jt]s/

/**
 * Remembers the place in user code that called a method of `Dataset`, or made a `DataLoader`; what it returns tells it: `at file:line:column`, or
 * undefined where stacks have none. Turning a stack into text is dear, and most plans never fail.
 */
export function callSite(): () => string | undefined {
  const here = new Error()
  return () => {
    const frames = here.stack?.split('\n').slice(1) ?? []
    const place = frames.find(frame => !OURS.test(frame))?.trim().replace(/^at /, '').replace(/^.*\((.*)\)$/, '$1')
    return place === undefined || place === '' ? undefined : `at ${place.replace(/^async /, '')}`
  }
}
