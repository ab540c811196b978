// A run of the simulator as data: the world it begins with and what happens in it, step by step. A run is a function of its script alone, so
// that a script can be made shorter (shrink.ts) and kept (found/).

import { utf8 } from '../../engine/base/bytes.ts'
import type { FilesFault } from '../../engine/base/files.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import type { Keep, NodeClass } from '../../engine/model/folder.ts'
import type { BucketMood } from './bucket.ts'
import type { CallName } from './disk-gate.ts'

/** Bytes by recipe: equal recipes, equal bytes. */
export type Content = { readonly sizeBytes: number; readonly fill: string } | { readonly text: string }

type FileDeed =
  | { readonly do: 'write' | 'replace' | 'append'; readonly path: string; readonly content: Content }
  | { readonly do: 'edit'; readonly path: string; readonly offset: number; readonly content: Content }
  | { readonly do: 'truncate'; readonly path: string; readonly sizeBytes: number }
  | { readonly do: 'touch'; readonly path: string; readonly mtimeUs: number }
  | { readonly do: 'chmod'; readonly path: string; readonly mode: number }
  | { readonly do: 'remove' | 'mkdir'; readonly path: string }
  | { readonly do: 'rename'; readonly path: string; readonly to: string }
  | { readonly do: 'symlink'; readonly path: string; readonly target: string }
  /** One byte changes on the device, and nothing that a stat shows. */
  | { readonly do: 'rot'; readonly path: string; readonly offset: number }

type NodeDeed =
  /** `stop`: in good order, so that it has said that it goes. */
  | { readonly do: 'start' | 'stop' | 'restart' | 'kill' | 'crash' | 'pause' | 'resume' | 'join' }
  /** The index is removed; the home with the index is copied aside; that copy comes back. The node is killed before. */
  | { readonly do: 'loseDatabase' | 'backUp' | 'restore' }
  /** An accident before the call after so many that change the drive. */
  | { readonly do: 'killInCall' | 'crashInCall'; readonly calls: number }
  /** In the folder, or with `where` in the node's home. */
  | {
      readonly do: 'trouble'
      readonly operation: CallName
      readonly fault: FilesFault
      readonly times: number
      readonly where?: 'home'
    }
  /** How much more fits on the drive from now on; absent: as much as one likes. */
  | { readonly do: 'room'; readonly bytes?: number; readonly inodes?: number }
  | { readonly do: 'clock'; readonly byMs: number }
  /** A file is to leave this drive; to come again. All of them come again at rest. */
  | { readonly do: 'free'; readonly path: string; readonly minCopies?: number }
  | { readonly do: 'fetch'; readonly path: string }
  /** Which files of the folder the node keeps from now on; `patterns` of those that are selected. All keep all again at rest. */
  | { readonly do: 'keep'; readonly keep: Exclude<Keep, 'share'>; readonly patterns?: readonly string[] }

/** What happens to hosts, and to copies. */
type CopiesDeed =
  /** The host's block store is gone, with its directory; its process is killed before. */
  | { readonly do: 'wipe' }
  /** For so long the host's object storage cannot be reached, loses its answers, or is busy. */
  | { readonly do: 'storage'; readonly mood: BucketMood; readonly forMs: number }
  /** One byte of what the host has stored changes; `at`, from 0 to 1, says which. */
  | { readonly do: 'rotStore'; readonly at: number }
  /** The host is killed and never comes back. */
  | { readonly do: 'lose' }
  /** An owner says that a member is switched off for good. */
  | { readonly do: 'retire'; readonly peer: string }
  /** The folder is taken off the host, unless it may have the last copy of something. By `join` it comes back. */
  | { readonly do: 'leave' }
  /** An owner says how many copies there are to be. */
  | { readonly do: 'copies'; readonly copies: number }

type WorldDeed =
  | { readonly do: 'partition'; readonly groups: readonly (readonly string[])[] }
  | { readonly do: 'heal' }
  /** The connection to `peer` breaks. */
  | { readonly do: 'cut'; readonly peer: string }
  /** `peer` can no longer be dialled from here; the other way it goes. */
  | { readonly do: 'block'; readonly peer: string }
  /** Who is down starts, no accident is armed any more, and all wait until all members agree. */
  | { readonly do: 'rest' }

export type Deed = FileDeed | NodeDeed | CopiesDeed | WorldDeed
/** `afterMs` of virtual time after the step before has ended. `on` names the node. */
export type Step = Deed & { readonly afterMs: number; readonly on: string }

/** How a drive treats names: as Linux does, Windows, today's macOS or the macOS of old. */
export type NamesKind = 'linux' | 'windows' | 'apple' | 'hfs'
export type NetworkKind = 'calm' | 'slow' | 'breaking'

/** A node that stores the folder without reading it. */
export interface HostSetup {
  readonly keep: Keep
  readonly zone: string
  readonly class: NodeClass
  readonly capacityBytes: number
  /** Its blocks are in object storage. */
  readonly isInBucket?: boolean
}

export interface NodeSetup {
  readonly name: string
  readonly host?: HostSetup
  /** Joins as an owner; who reads and is none may write. The first node is one anyway. */
  readonly isOwner?: boolean
  readonly wallOffsetMs: number
  readonly jobWidth: number
  readonly isWatcherShaky?: boolean
  readonly names?: NamesKind
  /** Joins by a step of its own, if at all. */
  readonly isLate?: boolean
}

export interface Script {
  /** Decides all that no step says: delays, order, what a power cut leaves. */
  readonly seed: number | string
  readonly nodes: readonly NodeSetup[]
  readonly network: NetworkKind
  /** How many copies there are to be from the beginning. */
  readonly copies?: number
  /** What takes days, absence above all, takes minutes. */
  readonly hasDays?: boolean
  /** What is in the folders before any node starts. */
  readonly before: readonly Step[]
  readonly steps: readonly Step[]
}

export function bytesOf(content: Content): Uint8Array {
  return 'text' in content ? utf8(content.text) : new SeededRandom(`content ${content.fill}`).bytes(content.sizeBytes)
}

/** A script as it was written by `formatScript`; throws for what is none. */
export function parseScript(text: string): Script {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || !('steps' in value) || !Array.isArray(value.steps))
    throw new Error('this is no script')
  return value as Script
}

/** One step a line. */
export function formatScript({ seed, nodes, network, copies, hasDays, before, steps }: Script): string {
  const list = (items: readonly unknown[]): string => items.map((item) => `\n    ${JSON.stringify(item)}`).join(',')
  const parts = [
    `"seed": ${JSON.stringify(seed)}`,
    `"network": ${JSON.stringify(network)}`,
    ...(copies === undefined ? [] : [`"copies": ${copies}`]),
    ...(hasDays === true ? ['"hasDays": true'] : []),
    `"nodes": [${list(nodes)}\n  ]`,
    `"before": [${list(before)}\n  ]`,
    `"steps": [${list(steps)}\n  ]`,
  ]
  return `{\n  ${parts.join(',\n  ')}\n}\n`
}

/** For the trace and for people. */
export function describeStep({ on, do: what, ...rest }: Step): string {
  const entries = Object.entries(rest).filter(([key]) => key !== 'afterMs')
  const details = entries.map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return `${on}: ${[what, ...details].join(' ')}`
}
