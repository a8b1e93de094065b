/** Checks of arguments: they throw at the call, with the caller's stack. */

/** An integer of at least `least`. */
export function checkInteger(where: string, name: string, value: number, least = Number.MIN_SAFE_INTEGER): number {
  if (typeof value !== 'number') throw new TypeError(`${where}: ${name} must be a number, got ${typeof value}`)
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${where}: ${name} must be an integer${least > Number.MIN_SAFE_INTEGER ? ` of at least ${least}` : ''}, got ${value}`)
  }
  return value
}

export function checkFunction(where: string, name: string, value: unknown): void {
  if (typeof value !== 'function') throw new TypeError(`${where}: ${name} must be a function, got ${value === null ? 'null' : typeof value}`)
}

/** An optional seed: any integer that a double holds exactly. */
export function checkSeed(where: string, seed: number | undefined): number | undefined {
  return seed === undefined ? undefined : checkInteger(where, 'seed', seed)
}

/** `'auto'` or an integer of at least 1. */
export function checkKnob(where: string, name: string, value: number | 'auto'): number | 'auto' {
  return value === 'auto' ? value : checkInteger(where, name, value, 1)
}

/** An object of options, all of whose keys are known. */
export function checkOptions(where: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) throw new TypeError(`${where}: options must be an object, got ${String(options)}`)
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw new TypeError(`${where}: unknown option '${key}'; known are ${known.join(', ')}`)
  }
}
