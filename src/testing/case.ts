/** One check of a conformance suite: run it under any test runner; it throws when the check fails. */
export interface ConformanceCase {
  readonly name: string
  run(): Promise<void>
}
