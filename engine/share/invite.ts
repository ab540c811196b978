// The inviting half of joining: makes one-use links, and admits whoever proves to have one. The folder's keys go out only inside the
// encrypted channel, to the very node that gave the proof, after the use was written down.

import type { Clock, Random } from '../base/clock.ts'
import { toHex } from '../base/bytes.ts'
import { EngineError, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { publicKeyOf } from '../crypto/identity.ts'
import type { Signer } from '../crypto/sign.ts'
import type { LinkRecord } from '../index/folder-table.ts'
import type { Index } from '../index/index-store.ts'
import type { FolderRecord, FolderSecrets, Role } from '../model/folder.ts'
import { roleNumbers } from '../model/folder.ts'
import type { PeerId } from '../model/ids.ts'
import { CardSchema, type AcceptedSchema, type JoinRequest } from '../model/wire/exchange_pb.ts'
import { fromBinary, type MessageInitShape } from '@bufbuild/protobuf'
import type { Channel, Network } from '../net/network.ts'
import { receiveJoinRequest, sendJoinAnswer } from './join-frames.ts'
import type { FolderLog } from './folder-log.ts'
import { formatLink, isLinkProof, linkIdBytes, linkSecretBytes } from './link.ts'

export interface SharedFolder {
  readonly record: FolderRecord
  readonly log: FolderLog
}

export interface InviteParts {
  readonly index: Index
  readonly network: Network
  readonly signer: Signer
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Encoded cards of a folder's members, this node's own first: how a new member reaches the others. */
  readonly cards: (folderRow: number) => readonly Uint8Array[]
  readonly folderOf: (row: number) => SharedFolder | undefined
}

const joinTimeoutMs = 30_000
const nodeNameUnitsMax = 128
/** So that the answer fits in its frame; the exchange tells the others. */
const cardsMax = 128

export class Inviter {
  readonly #parts: InviteParts

  constructor(parts: InviteParts) {
    this.#parts = parts
  }

  /** Throws `NOT_ALLOWED` for a node that is not an owner, and for roles that cannot be given yet. */
  makeLink(folder: SharedFolder, role: Role): { readonly link: string; readonly id: string } {
    const { index, network, random, clock } = this.#parts
    if (folder.log.roleOf(network.self) !== 'owner') {
      throw new EngineError('NOT_ALLOWED', `only an owner can share ${folder.record.name}: ask an owner for a link`)
    }
    if (role === 'read') {
      throw new EngineError('NOT_ALLOWED', `the role ${role} cannot be given by a link yet: use --role write, owner or host`)
    }
    const linkId = random.bytes(linkIdBytes)
    const secret = random.bytes(linkSecretBytes)
    index.transactDurably(() =>
      index.folders.insertLink({ linkId, folderRow: folder.record.row, secret, role, usesLeft: 1 }, clock.nowMs()),
    )
    const link = formatLink({
      linkId,
      secret,
      inviter: network.self,
      addresses: dialable(network.addresses()),
      folderName: folder.record.name,
      role,
    })
    return { link, id: toHex(linkId) }
  }

  /** Answers one joiner. Never throws: what goes wrong is for the log. */
  async admit(channel: Channel, signal: AbortSignal): Promise<void> {
    const ending = new AbortController()
    const both = AbortSignal.any([signal, ending.signal])
    const timeout = this.#parts.clock.sleep(joinTimeoutMs, both).then(
      () => channel.abort(),
      () => undefined, // answered in time
    )
    try {
      const request = await receiveJoinRequest(channel, both)
      const accepted = this.#judge(channel.peer, request)
      if ('code' in accepted) await sendJoinAnswer(channel, { kind: { case: 'refused', value: { code: accepted.code } } }, both)
      else await sendJoinAnswer(channel, { kind: { case: 'accepted', value: this.#acceptance(accepted.folder, accepted.role) } }, both)
      await channel.close()
    } catch (error) {
      this.#parts.log.info('a join came to nothing', { peer: channel.peer, error: messageOf(error) })
      channel.abort()
    } finally {
      ending.abort()
      await timeout
    }
  }

  /** Checks the proof, and writes the use and the new member in one transaction. One answer for all that is wrong with a link. */
  #judge(joiner: PeerId, request: JoinRequest): { readonly folder: SharedFolder; readonly role: Role } | { readonly code: string } {
    const { index, network, signer, clock, log } = this.#parts
    if (request.version !== 1) return { code: 'VERSION_UNSUPPORTED' }
    const link = index.folders.link(request.linkId)
    const folder = link === undefined ? undefined : this.#parts.folderOf(link.folderRow)
    if (link === undefined || folder === undefined) return { code: 'BAD_LINK' }
    if (!isLinkProof(link.secret, link.linkId, joiner, network.self, request.proof)) return { code: 'BAD_LINK' }
    // Who may do as much already needs no link: it stays good for somebody else, and nobody loses a right by opening one.
    const known = folder.log.members.find(({ peer }) => peer === joiner)
    const isEnough = known !== undefined && !known.isRetired && roleNumbers[known.role] <= roleNumbers[link.role]
    if (isEnough) return { folder, role: known.role }
    // A joiner that crashed before it wrote down the answer may ask again; nobody else may.
    if (link.usesLeft < 1)
      return link.usedBy === joiner && folder.log.isMember(joiner) ? { folder, role: link.role } : { code: 'LINK_USED' }
    const nodeKey = publicKeyOf(joiner)
    if (nodeKey === undefined) return { code: 'BAD_LINK' }
    const nodeName = request.nodeName.slice(0, nodeNameUnitsMax)
    const next = folder.log.prepare(signer, { kind: 'memberAdded', nodeKey, role: link.role, nodeName, linkId: link.linkId }, clock.nowMs())
    index.transactDurably(() => {
      this.#use(link, joiner)
      next.write()
      index.peers.ensure(joiner, nodeName)
    })
    next.take()
    log.info('a member joined', { folder: folder.record.name, peer: joiner, role: link.role })
    return { folder, role: link.role }
  }

  #use(link: LinkRecord, joiner: PeerId): void {
    if (!this.#parts.index.folders.useLink(link.linkId, joiner)) {
      throw new EngineError('LINK_USED', 'the link was used in the same moment')
    }
  }

  #acceptance({ record, log }: SharedFolder, role: Role): MessageInitShape<typeof AcceptedSchema> {
    const { secrets } = record
    return {
      folderId: record.id,
      folderName: record.name,
      role: roleNumbers[role],
      log: log.entriesFrom(0).map(({ body, signature }) => ({ body, signature })),
      accessSecret: secrets.accessSecret,
      ...(role === 'host' ? {} : readingSecrets(secrets)),
      cards: this.#parts
        .cards(record.row)
        .slice(0, cardsMax)
        .map((card) => fromBinary(CardSchema, card)),
    }
  }
}

function readingSecrets({ folderSecret, epochs }: FolderSecrets): Pick<MessageInitShape<typeof AcceptedSchema>, 'folderSecret' | 'epochs'> {
  return { folderSecret, epochs: epochs.map(({ epoch, secret }) => ({ epoch, secret })) }
}

/** Loopback last: it helps only on the same machine. */
function dialable(addresses: readonly string[]): readonly string[] {
  const isLoopback = (address: string): boolean => address.includes('/127.') || address.includes('/::1/')
  return [...addresses.filter((address) => !isLoopback(address)), ...addresses.filter((address) => isLoopback(address))]
}
