// Two nodes of one sync tool on loopback, as the benchmark drives them. Node `a` has the data, `b` gets it.

import type { ToolName } from './options.ts'
import type { Patience } from './waiting.ts'

export const sides = ['a', 'b'] as const
export type Side = (typeof sides)[number]

export interface PairPaths {
  /** The trees; both exist when the pair starts, b's is empty. */
  readonly roots: Readonly<Record<Side, string>>
  /** Where each node keeps what is its own; not there yet. */
  readonly homes: Readonly<Record<Side, string>>
}

export interface NodeState {
  readonly files: number
  /** Paths known and not applied here. */
  readonly needed: number
  /** Neither scanning nor syncing, as the node itself says. */
  readonly isIdle: boolean
  /** For the message when a wait is given up. */
  readonly text: string
}

export interface Usage {
  readonly cpuSeconds: number | undefined
  readonly peakMemoryBytes: number | undefined
}

export interface Pair {
  readonly tool: ToolName
  readonly version: string
  /** Top-level names of the trees that are the tool's own. */
  readonly ownNames: readonly string[]
  /** Starts both nodes, neither with a folder. */
  start(): Promise<void>
  /** Gives `a` its tree as a folder; resolves when the request was taken. */
  addFolder(): Promise<void>
  /** Makes the folder ready to be joined: what a person does before the clock of the first sync starts. */
  invite(): Promise<void>
  /** Brings `b` into the folder; resolves when the request was taken. */
  join(): Promise<void>
  /** Throws while the node has no folder. */
  state(side: Side): Promise<NodeState>
  /** Throws DaemonEnded when a node that was started is gone. */
  assertRunning(): void
  usage(side: Side): Usage
  /** Bytes sent and received by `b` since it started. */
  wireBytes(): Promise<number>
  /** Bytes of the index database in both homes; the nodes have been stopped. */
  databaseBytes(): number
  stop(): Promise<void>
}

export type OpenPair = (paths: PairPaths, patience: Patience) => Promise<Pair>
