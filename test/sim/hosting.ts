// What a world has beside its people when there are hosts.

import type { CopiesOracle } from './copies-oracle.ts'
import type { Fleet } from './fleet.ts'

export interface Hosting {
  readonly fleet: Fleet
  readonly copies: CopiesOracle
  /** How many copies there are to be from the beginning. */
  readonly target: number | undefined
  /** What takes days takes minutes. */
  readonly hasDays: boolean
  /** Names of nodes that join as owners. */
  readonly owners: ReadonlySet<string>
}
