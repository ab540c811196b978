// The members of a folder for people, and taking one out of the count that is switched off for good.

import type { MemberStatus } from '../api/controls.ts'
import { EngineError } from '../base/errors.ts'
import type { Member } from '../model/folder.ts'
import type { LogFact } from '../share/log-entry.ts'
import type { BirthParts } from './folder-birth.ts'
import type { MemberRuntime } from './member-runtime.ts'

const idLettersMin = 8

export function listMembers({ network, cards, index, world }: BirthParts, runtime: MemberRuntime): readonly MemberStatus[] {
  const connected = network.connectedPeers()
  const full = new Set(runtime.work.full.map(({ peer }) => peer))
  return runtime.log.members.map(({ peer, name, role, isRetired }): MemberStatus => {
    const isSelf = peer === network.self
    const card = cards.cardOf(peer)
    const needs = runtime.work.exchange.subscribers.get(peer)?.needs
    const lastSeenMs = isSelf || connected.includes(peer) ? world.clock.nowMs() : index.peers.get(peer)?.lastSeenMs
    return {
      id: peer,
      name: isSelf ? world.name : (card?.name ?? name),
      role,
      zone: isSelf ? world.zone : (card?.zone ?? ''),
      class: isSelf ? world.class : (card?.class ?? 'daily'),
      connected: isSelf || connected.includes(peer),
      retired: isRetired,
      full: full.has(peer),
      left: runtime.work.copies.receipts.hasLeft(peer),
      absence: isSelf ? 'here' : runtime.work.copies.absence.degreeOf(peer),
      ...(needs === undefined ? {} : { needs }),
      ...(lastSeenMs === undefined ? {} : { lastSeenMs }),
    }
  })
}

/** Takes a member out of the count, or with `isUndone` into it again. Throws `NOT_ALLOWED`, `UNKNOWN_MEMBER`. */
export function retireMember(parts: BirthParts, runtime: MemberRuntime, text: string, isUndone: boolean): void {
  const { index, identity, world, network } = parts
  const { log, record } = runtime
  if (log.roleOf(network.self) !== 'owner') {
    throw new EngineError('NOT_ALLOWED', `only an owner can retire a member of ${record.name}: ask an owner`)
  }
  const member = findMember(parts, runtime, text)
  if (member.isRetired === !isUndone) return
  const { nodeKey, role, name: nodeName } = member
  // Who is added again is what it was, and not retired: as if it had come back by a link.
  const fact: LogFact = isUndone
    ? { kind: 'memberAdded', nodeKey, role, nodeName, linkId: new Uint8Array(0) }
    : { kind: 'memberRetired', nodeKey }
  const next = log.prepare(identity, fact, world.clock.nowMs())
  index.transactDurably(() => next.write())
  next.take()
}

/** By name, or the start or end of a peer id. */
function findMember(parts: BirthParts, runtime: MemberRuntime, text: string): Member {
  const names = new Map(listMembers(parts, runtime).map(({ id, name }) => [id, name]))
  const isPart = text.length >= idLettersMin
  const found = runtime.log.members.filter(
    ({ peer, name }) =>
      name === text || names.get(peer) === text || peer === text || (isPart && (peer.startsWith(text) || peer.endsWith(text))),
  )
  if (found.length === 1 && found[0] !== undefined) return found[0]
  const what =
    found.length === 0
      ? `there is no member ${text} in ${runtime.record.name}`
      : `${text} fits ${found.length} members of ${runtime.record.name}`
  throw new EngineError('UNKNOWN_MEMBER', `${what}: give a name or a peer id as 'holdfast members' shows them`)
}
