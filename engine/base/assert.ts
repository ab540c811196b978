// Assertions for promises the program makes to itself. Never for input: input is parsed and refused.

import { EngineError } from './errors.ts'

/** Throws `INTERNAL` when `claim` does not hold; `message` names the broken promise. */
export function assert(claim: boolean, message: string): asserts claim {
  if (!claim) throw new EngineError('INTERNAL', `broken promise: ${message}`)
}

/** Closes a switch over a union: a case that the compiler says cannot happen. */
export function unreachable(value: never): never {
  throw new EngineError('INTERNAL', `unreachable case: ${JSON.stringify(value)}`)
}

/** The value, or `INTERNAL` when it is absent. */
export function present<T>(value: T | undefined, message: string): T {
  assert(value !== undefined, message)
  return value
}
