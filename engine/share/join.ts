// The joining half: reads a link, asks the node that made it, and checks all it says before anything is written down.

import type { Clock } from '../base/clock.ts'
import { EngineError, errorCodeOf, type ErrorCode } from '../base/errors.ts'
import { equalBytes } from '../base/bytes.ts'
import type { FolderSecrets, Role } from '../model/folder.ts'
import { parseRoleNumber } from '../model/folder.ts'
import { parseFolderId, type FolderId } from '../model/ids.ts'
import type { Accepted } from '../model/wire/exchange_pb.ts'
import { CardSchema } from '../model/wire/exchange_pb.ts'
import type { Network } from '../net/network.ts'
import { toBinary } from '@bufbuild/protobuf'
import type { SignedEntry } from './log-entry.ts'
import { LogGraph } from './log-graph.ts'
import { joinProtocol, receiveJoinAnswer, sendJoinRequest } from './join-frames.ts'
import { proveLink, type Link } from './link.ts'

/** All that a host gets to know. */
export interface HostSecrets {
  readonly accessSecret: Uint8Array
}

/** What a node has to write down when it has joined. */
export type Joined = JoinedReader | JoinedHost

export interface JoinedReader extends JoinedFolder {
  readonly role: Exclude<Role, 'host'>
  readonly secrets: FolderSecrets
}

export interface JoinedHost extends JoinedFolder {
  readonly role: 'host'
  readonly secrets: HostSecrets
}

interface JoinedFolder {
  readonly folder: FolderId
  readonly folderName: string
  readonly log: readonly SignedEntry[]
  readonly targetCopies: number
  /** When the folder was made, milliseconds since 1970. */
  readonly createdMs: number
  /** Encoded cards of the other members. */
  readonly cards: readonly Uint8Array[]
}

const secretBytes = 32

/** Throws `PEER_UNREACHABLE`, `BAD_LINK`, `LINK_USED`, `BAD_SIGNATURE`, `TIMED_OUT`, `ABORTED`. */
export async function askToJoin(network: Network, link: Link, nodeName: string, signal: AbortSignal): Promise<Joined> {
  if (link.inviter === network.self) throw new EngineError('BAD_LINK', 'this link was made by this very node: open it on the other machine')
  await network.connect(link.inviter, link.addresses, signal)
  const channel = await network.open(link.inviter, joinProtocol, signal)
  try {
    const proof = proveLink(link.secret, link.linkId, network.self, link.inviter)
    await sendJoinRequest(channel, { version: 1, linkId: link.linkId, proof, nodeName }, signal)
    const answer = await receiveJoinAnswer(channel, signal)
    switch (answer.kind.case) {
      case 'accepted':
        return checkAcceptance(network, answer.kind.value)
      case 'refused':
        throw refusal(answer.kind.value.code)
      default:
        throw new EngineError(
          'VERSION_UNSUPPORTED',
          'the inviting node answered in a way this version does not know: update Holdfast on both',
        )
    }
  } finally {
    channel.abort()
  }
}

const refusals: Partial<Readonly<Record<ErrorCode, string>>> = {
  LINK_USED: 'the link was used already: a link is good for one node, ask for a new one',
  LINK_EXPIRED: 'the link has expired: ask for a new one',
  VERSION_UNSUPPORTED: 'the inviting node runs another version of Holdfast: update both',
}

function refusal(code: string): EngineError {
  for (const known of ['LINK_USED', 'LINK_EXPIRED', 'VERSION_UNSUPPORTED'] as const) {
    if (code === known) return new EngineError(known, refusals[known] ?? known)
  }
  return new EngineError('BAD_LINK', 'the inviting node does not know this link any more: ask for a new one')
}

function checkAcceptance(network: Network, accepted: Accepted): Joined {
  const folder = parseFolderId(accepted.folderId)
  const role = parseRoleNumber(accepted.role)
  const log = accepted.log.map(({ body, signature }) => ({ body, signature }))
  if (folder === undefined || role === undefined) throw bad('it is malformed')
  const { state } = LogGraph.of(log)
  if (!equalBytes(state.folder, folder)) throw bad('its admin log is of another folder')
  const self = state.members.find((member) => member.peer === network.self)
  if (self?.role !== role) throw bad('its admin log does not name this node as a member')
  const cards = accepted.cards.map((card) => toBinary(CardSchema, card))
  const { folderName, targetCopies, createdMs } = state
  const joined = { folder, folderName, log, targetCopies, createdMs, cards }
  if (role !== 'host') return { ...joined, role, secrets: checkSecrets(accepted) }
  if (accepted.accessSecret.length !== secretBytes) throw bad('its keys are malformed')
  return { ...joined, role, secrets: { accessSecret: accepted.accessSecret } } // what it was given beside is not taken
}

function checkSecrets(accepted: Accepted): FolderSecrets {
  const { accessSecret, folderSecret } = accepted
  const epochs = accepted.epochs.map(({ epoch, secret }) => ({ epoch, secret }))
  const isShort = accessSecret.length !== secretBytes || folderSecret.length !== secretBytes
  if (isShort || epochs.length === 0 || epochs.some(({ secret }) => secret.length !== secretBytes)) {
    throw bad('its keys are malformed')
  }
  return { accessSecret, folderSecret, epochs }
}

function bad(what: string): EngineError {
  return new EngineError('PEER_MISBEHAVED', `the inviting node's answer was refused: ${what}. Nothing was joined; ask for a new link`)
}

/** Joins within a time limit. */
export async function askToJoinInTime(
  clock: Clock,
  timeoutMs: number,
  network: Network,
  link: Link,
  nodeName: string,
  signal: AbortSignal,
): Promise<Joined> {
  const deadline = new AbortController()
  const both = AbortSignal.any([signal, deadline.signal])
  const timer = clock.sleep(timeoutMs, both).then(
    () => deadline.abort(),
    () => undefined, // joined in time
  )
  try {
    return await askToJoin(network, link, nodeName, both)
  } catch (error) {
    if (!signal.aborted && errorCodeOf(error) === 'ABORTED') {
      throw new EngineError('TIMED_OUT', 'the inviting node did not answer in time: see that it runs and can be reached, then try again', {
        cause: error,
      })
    }
    throw error
  } finally {
    deadline.abort()
    await timer
  }
}
