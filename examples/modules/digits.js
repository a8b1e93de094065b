/** Functions that worker threads load: an ordinary module, which may import whatever it needs. */

/** The sum of the digits of all numbers up to `n`, the slow way. */
export function digitSum(n) {
  let sum = 0
  for (let i = 0; i <= n; i++) for (let rest = i; rest > 0; rest = Math.floor(rest / 10)) sum += rest % 10
  return sum
}

/** Random numbers come with the element: they do not depend on which thread draws them. */
export function jitter(x, { rng }) {
  return x + Math.round(rng.uniform(-5, 5))
}
