// The option `--limit` of commands that list what may be very long.

import { InvalidArgumentError } from 'commander'

const limitMax = 10_000

export function parseLimit(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError(`give a whole number from 1 to ${limitMax}.`)
  return Math.min(Number(text), limitMax)
}
