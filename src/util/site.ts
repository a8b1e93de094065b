/** Files whose frames are ours: the first frame behind them is the user's. */
const OURS = /[/\\](?:src|dist[/\\]src)[/\\](?:dataset|util[/\\]site)\.[jt]s/

/** The place in user code that called a method of `Dataset`: `at file:line:column`, or undefined where stacks have none. */
export function callSite(): string | undefined {
  const frames = new Error().stack?.split('\n').slice(1) ?? []
  const frame = frames.find(frame => !OURS.test(frame))
  const place = frame?.trim().replace(/^at /, '').replace(/^.*\((.*)\)$/, '$1')
  return place === undefined || place === '' ? undefined : `at ${place.replace(/^async /, '')}`
}
