// What a folder's admin log says, entry after entry, in the order that log-graph.ts gives them. Pure.

import { present } from '../base/assert.ts'
import { bytesKey, equalBytes } from '../base/bytes.ts'
import { peerIdOf } from '../crypto/identity.ts'
import type { Member } from '../model/folder.ts'
import type { FolderId } from '../model/ids.ts'
import type { VersionVector } from '../model/vector.ts'
import { folderIdOf, refused, type LogEntry } from './log-entry.ts'

export interface LogState {
  readonly folder: FolderId
  readonly folderName: string
  readonly targetCopies: number
  /** Wall clock of the node that made the folder, milliseconds since 1970. */
  readonly createdMs: number
  /** In the order in which they joined. */
  readonly members: readonly Member[]
  /** Those that were put out and not added again, by `bytesKey` of the node's key: what of their entries counts. */
  readonly removed: ReadonlyMap<string, VersionVector>
  /** When each owner became one, by `bytesKey` of its key. */
  readonly ownerSince: ReadonlyMap<string, Place>
}

/** Where an entry stands in the order of all. */
export interface Place {
  readonly position: number
  readonly hash: Uint8Array
}

/** Throws `BAD_SIGNATURE` when the entry is no folder's creation. */
export function startState(entry: LogEntry): LogState {
  const { fact, authorKey: nodeKey } = entry
  if (fact.kind !== 'created') throw refused("it does not begin with the folder's creation")
  const { folderName, targetCopies, nodeName: name } = fact
  return {
    folder: folderIdOf(entry.signed),
    folderName,
    targetCopies,
    createdMs: entry.timeMs,
    members: [{ peer: peerIdOf(nodeKey), nodeKey, role: 'owner', name, isRetired: false }],
    removed: new Map(),
    ownerSince: new Map([[bytesKey(nodeKey), entry]]),
  }
}

export function memberOf(state: LogState, nodeKey: Uint8Array): Member | undefined {
  return state.members.find((member) => equalBytes(member.nodeKey, nodeKey))
}

export function isOwner(state: LogState, nodeKey: Uint8Array): boolean {
  return memberOf(state, nodeKey)?.role === 'owner'
}

/** When an owner became one. */
export function rankOf(state: LogState, ownerKey: Uint8Array): Place {
  return present(state.ownerSince.get(bytesKey(ownerKey)), 'an owner has become one')
}

/** The state after an owner's entry. */
export function applyFact(state: LogState, entry: LogEntry): LogState {
  const { fact } = entry
  switch (fact.kind) {
    case 'created':
      return state
    case 'memberAdded':
      return addMember(state, entry, fact)
    case 'memberRetired': {
      const members = state.members.map((member) => (equalBytes(member.nodeKey, fact.nodeKey) ? { ...member, isRetired: true } : member))
      return { ...state, members }
    }
    case 'memberRemoved': {
      if (memberOf(state, fact.nodeKey) === undefined) return state
      const members = state.members.filter((member) => !equalBytes(member.nodeKey, fact.nodeKey))
      const removed = new Map(state.removed).set(bytesKey(fact.nodeKey), fact.counted)
      return { ...state, members, removed, ownerSince: without(state.ownerSince, fact.nodeKey) }
    }
    case 'settingsChanged':
      return { ...state, targetCopies: fact.targetCopies ?? state.targetCopies }
  }
}

function addMember(state: LogState, entry: LogEntry, fact: Extract<LogEntry['fact'], { kind: 'memberAdded' }>): LogState {
  const { nodeKey, role, nodeName: name } = fact
  const others = state.members.filter((member) => !equalBytes(member.nodeKey, nodeKey))
  const members = [...others, { peer: peerIdOf(nodeKey), nodeKey, role, name, isRetired: false }]
  const since = state.ownerSince.get(bytesKey(nodeKey)) ?? entry
  const ownerSince = role === 'owner' ? new Map(state.ownerSince).set(bytesKey(nodeKey), since) : without(state.ownerSince, nodeKey)
  return { ...state, members, removed: without(state.removed, nodeKey), ownerSince }
}

function without<Value>(map: ReadonlyMap<string, Value>, nodeKey: Uint8Array): ReadonlyMap<string, Value> {
  const name = bytesKey(nodeKey)
  if (!map.has(name)) return map
  return new Map([...map].filter(([key]) => key !== name))
}
