import { byteLengthOf } from '../array/byte-length.js'
import type { Input, State, TrackedInput } from '../plan/operator.js'

/**
 * One inner dataset of `interleave` or `flatMap`, from the outer element that it comes from to its end. It holds what was
 * read from it and not delivered yet, and knows its state right behind what was delivered.
 */
export class InnerDataset {
  /** Ordinal of the outer element. */
  readonly ordinal: number
  /** State of the outer input right before that element. */
  readonly before: State
  /** Place in the cycle; -1 until its turn comes. */
  slot = -1
  /** The outer element has arrived. */
  taken = false
  /** Something is under way: the outer element, the function, or a read. */
  pending = false
  /** It has no more elements than those it holds. */
  ended = false
  /** Thrown once all elements held are delivered. */
  failure: { readonly error: unknown } | undefined
  source: TrackedInput | undefined
  #input: Input | undefined
  #values: unknown[] = []
  #sizes: number[] = []
  #at = 0 // of `#values`
  #consumed = 0 // position in `source` behind what was delivered
  #saved: { readonly at: number; readonly state: State } | undefined

  constructor(ordinal: number, before: State) {
    this.ordinal = ordinal
    this.before = before
  }

  open(input: Input, source: TrackedInput): void {
    this.#input = input
    this.source = source
  }

  /** Number of elements read and not delivered. */
  get held(): number {
    return this.#values.length - this.#at
  }

  /** A turn would not have to wait for it. */
  get ready(): boolean {
    return this.held > 0 || this.ended || this.failure !== undefined
  }

  /** Whether it may be read until it holds that many. */
  wants(count: number): boolean {
    return this.source !== undefined && !this.pending && !this.ended && this.failure === undefined && this.held < count
  }

  /** Holds what was read. Returns its bytes if elements are measured, else 0. */
  hold(chunk: unknown[], measured: boolean): number {
    if (this.held === 0) {
      this.#values = chunk
      this.#sizes = []
      this.#at = 0
    } else {
      if (this.#at * 2 > this.#values.length) {
        this.#values = this.#values.slice(this.#at)
        this.#sizes = this.#sizes.slice(this.#at)
        this.#at = 0
      }
      for (const value of chunk) this.#values.push(value)
    }
    if (!measured) return 0
    let sum = 0
    for (const value of chunk) {
      const size = byteLengthOf(value)
      this.#sizes.push(size)
      sum += size
    }
    return sum
  }

  /** Delivers `count` of the elements held, behind those of `out`. Returns `out`, or a new array in its place. */
  take(count: number, out: unknown[]): unknown[] {
    const from = this.#at
    this.#at += count
    this.#consumed += count
    this.source?.release(this.#consumed)
    if (out.length === 0 && from === 0 && count === this.#values.length) {
      const all = this.#values
      this.#values = []
      this.#at = 0
      return all
    }
    for (let i = from; i < this.#at; i++) out.push(this.#values[i])
    return out
  }

  /** Bytes of the next `count` elements held, where they are measured. */
  bytesOf(count: number): number {
    let sum = 0
    for (let i = this.#at; i < this.#at + count; i++) sum += this.#sizes[i] ?? 0
    return sum
  }

  /** Takes the failure out, to be thrown. Behind it, an open inner dataset goes on. */
  raise(): unknown {
    const error = this.failure?.error
    this.failure = undefined
    if (this.source !== undefined) this.source.release(++this.#consumed)
    return error
  }

  /** The state right behind what was delivered. */
  save(): State {
    if (this.source === undefined) return {}
    if (this.#saved?.at !== this.#consumed) this.#saved = { at: this.#consumed, state: this.source.stateAt(this.#consumed) }
    return this.#saved.state
  }

  async close(): Promise<void> {
    await this.#input?.close()
  }
}
