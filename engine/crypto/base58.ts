// Base58 with the Bitcoin alphabet: the text form of peer ids. Quadratic, so for ids only; the input is bounded.

import { assert } from '../base/assert.ts'

const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const inputLengthMax = 128

/** At most 128 bytes. */
export function toBase58(bytes: Uint8Array): string {
  assert(bytes.length <= inputLengthMax, 'base58 is for short ids')
  const zeros = leadingCount(bytes, 0)
  return (
    '1'.repeat(zeros) +
    convert(bytes.subarray(zeros), 256, 58)
      .map((digit) => alphabet[digit] ?? '')
      .join('')
  )
}

/** The bytes of a base58 text; undefined when it is not one or longer than 128 letters. */
export function fromBase58(text: string): Uint8Array | undefined {
  if (text.length > inputLengthMax) return undefined
  const digits = Array.from(text, (letter) => alphabet.indexOf(letter))
  if (digits.includes(-1)) return undefined
  const zeros = leadingCount(digits, 0)
  return Uint8Array.from([...new Uint8Array(zeros), ...convert(digits.slice(zeros), 58, 256)])
}

function leadingCount(values: ArrayLike<number>, value: number): number {
  let count = 0
  while (count < values.length && values[count] === value) count++
  return count
}

/** Digits of a number in one base, most significant first, as its digits in another, without leading zeros. */
function convert(digits: Iterable<number>, from: number, to: number): number[] {
  const result: number[] = [] // least significant first
  for (const digit of digits) {
    let carry = digit
    for (let index = 0; index < result.length; index++) {
      carry += (result[index] ?? 0) * from
      result[index] = carry % to
      carry = Math.floor(carry / to)
    }
    for (; carry > 0; carry = Math.floor(carry / to)) result.push(carry % to)
  }
  return result.reverse()
}
