/**
 * Why an operator that would have to read elements again, and count on their order, cannot be resumed here. Wrong elements would
 * come after a restore, and nobody would know.
 */
export function unorderedReason(operator: string, what: string): string {
  return `${operator}: a checkpoint ${what} needs the same order again, and an operator below it has deterministic: false; take it elsewhere, put that operator above this one, or keep the order`
}
