// The folder's admin log: a hash chain of facts signed by owners, from the folder's creation on. Pure: anyone, also a host,
// can check it from its first entry, whose hash is the folder's id.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { EngineError } from '../base/errors.ts'
import { concatBytes, equalBytes } from '../base/bytes.ts'
import { blake3 } from '../crypto/hash.ts'
import { peerIdOf } from '../crypto/identity.ts'
import { verify, type Signer } from '../crypto/sign.ts'
import { parseRoleNumber, roleNumbers, type Member, type Role } from '../model/folder.ts'
import { targetCopiesMax } from '../model/limits.ts'
import { hashIdBytes, idVersion, parseFolderId, type FolderId } from '../model/ids.ts'
import { LogBodySchema, type LogBody } from '../model/wire/entry_pb.ts'
import { present } from '../base/assert.ts'

export interface SignedEntry {
  /** The bytes that were signed. */
  readonly body: Uint8Array
  readonly signature: Uint8Array
}

/** What a log that holds says. */
export interface LogState {
  readonly folder: FolderId
  readonly folderName: string
  readonly targetCopies: number
  /** Wall clock of the node that made the folder, milliseconds since 1970. */
  readonly createdMs: number
  /** In the order in which they joined. */
  readonly members: readonly Member[]
  readonly length: number
  /** Hash of the last entry: what the next one names. */
  readonly head: Uint8Array
}

export type LogFact =
  | {
      readonly kind: 'created'
      readonly folderName: string
      readonly nonce: Uint8Array
      readonly nodeName: string
      readonly targetCopies: number
    }
  | {
      readonly kind: 'memberAdded'
      readonly nodeKey: Uint8Array
      readonly role: Role
      readonly nodeName: string
      readonly linkId: Uint8Array
    }
  | { readonly kind: 'settingsChanged'; readonly targetCopies: number }
  | { readonly kind: 'memberRetired'; readonly nodeKey: Uint8Array }

const logContext = 'admin-log'
const logVersion = 1
const entryBytesMax = 64 * 1024
/** Below it a whole log fits in the answer to a join. */
const logEntriesMax = 10_000
/** Of the nonce and the id of a link. */
const tagBytesMax = 64
const nameUnitsMax = 256
const nodeKeyBytes = 32

export function folderIdOf(first: SignedEntry): FolderId {
  const id = new Uint8Array(hashIdBytes)
  id[0] = idVersion
  id.set(hashOf(first), 1)
  return present(parseFolderId(id), 'a folder id made here is well-formed')
}

/** Signs the next entry; `state` is undefined for the first. */
export function signEntry(signer: Signer, state: LogState | undefined, fact: LogFact, timeMs: number): SignedEntry {
  const body = toBinary(
    LogBodySchema,
    create(LogBodySchema, {
      version: logVersion,
      previous: state?.head ?? new Uint8Array(0),
      position: BigInt(state?.length ?? 0),
      timeMs: BigInt(timeMs),
      authorKey: signer.publicKey,
      fact: factMessage(fact),
    }),
  )
  return { body, signature: signer.sign(logContext, body) }
}

function factMessage(fact: LogFact): LogBody['fact'] {
  switch (fact.kind) {
    case 'created': {
      const { folderName, nonce, nodeName, targetCopies } = fact
      const value = { $typeName: 'holdfast.v1.Created' as const, folderName, nonce, nodeName, targetCopies }
      return { case: 'created', value }
    }
    case 'memberAdded': {
      const { nodeKey, nodeName, linkId } = fact
      const value = { $typeName: 'holdfast.v1.MemberAdded' as const, nodeKey, role: roleNumbers[fact.role], nodeName, linkId }
      return { case: 'memberAdded', value }
    }
    case 'settingsChanged': {
      const value = { $typeName: 'holdfast.v1.SettingsChanged' as const, targetCopies: fact.targetCopies }
      return { case: 'settingsChanged', value }
    }
    case 'memberRetired':
      return { case: 'memberRetired', value: { $typeName: 'holdfast.v1.MemberRetired' as const, nodeKey: fact.nodeKey } }
  }
}

/**
 * The state after `entry`. Throws `BAD_SIGNATURE` when it is not what an owner of the folder signed as the next entry,
 * `VERSION_UNSUPPORTED` when it is of a newer format.
 */
export function applyEntry(state: LogState | undefined, entry: SignedEntry): LogState {
  const body = decodeBody(entry)
  if (!verify(body.authorKey, logContext, entry.body, entry.signature)) throw refused('an entry is not signed by the node that it names')
  if (Number(body.position) !== (state?.length ?? 0)) throw refused('an entry is out of its place')
  if (!equalBytes(body.previous, state?.head ?? new Uint8Array(0))) throw refused('an entry does not continue the chain')
  if (state === undefined) return startState(entry, body)
  const author = state.members.find((member) => equalBytes(member.nodeKey, body.authorKey))
  if (author?.role !== 'owner') throw refused('an entry was not written by an owner')
  return extendState(state, entry, body)
}

/** The state of a whole log. Throws as `applyEntry`. */
export function replayLog(entries: readonly SignedEntry[]): LogState {
  let state: LogState | undefined
  for (const entry of entries) state = applyEntry(state, entry)
  if (state === undefined) throw refused('it is empty')
  return state
}

function startState(entry: SignedEntry, body: LogBody): LogState {
  if (body.fact.case !== 'created') throw refused("it does not begin with the folder's creation")
  const { folderName, nodeName, targetCopies, nonce } = body.fact.value
  if (nonce.length > tagBytesMax) throw refused('its creation is malformed')
  checkName(folderName)
  checkName(nodeName)
  checkCopies(targetCopies)
  const owner: Member = { peer: peerIdOf(body.authorKey), nodeKey: body.authorKey, role: 'owner', name: nodeName, isRetired: false }
  const createdMs = Number(body.timeMs)
  return { folder: folderIdOf(entry), folderName, targetCopies, createdMs, members: [owner], length: 1, head: hashOf(entry) }
}

function extendState(state: LogState, entry: SignedEntry, body: LogBody): LogState {
  if (state.length >= logEntriesMax) throw refused('it is longer than the limit')
  const next = { ...state, length: state.length + 1, head: hashOf(entry) }
  switch (body.fact.case) {
    case 'memberAdded': {
      const { nodeKey, role: roleNumber, nodeName: name, linkId } = body.fact.value
      const role = parseRoleNumber(roleNumber)
      checkName(name)
      if (role === undefined || nodeKey.length !== nodeKeyBytes || linkId.length > tagBytesMax) throw refused('a member is malformed')
      const others = state.members.filter((member) => !equalBytes(member.nodeKey, nodeKey))
      return { ...next, members: [...others, { peer: peerIdOf(nodeKey), nodeKey, role, name, isRetired: false }] }
    }
    case 'memberRetired': {
      const { nodeKey } = body.fact.value
      const retired = state.members.map((member) => (equalBytes(member.nodeKey, nodeKey) ? { ...member, isRetired: true } : member))
      return { ...next, members: retired }
    }
    case 'settingsChanged':
      return { ...next, targetCopies: checkCopies(body.fact.value.targetCopies ?? state.targetCopies) }
    case 'created':
      throw refused('the folder is created twice')
    default:
      // Skipping what an owner decided could let in whom a newer version has put out.
      throw new EngineError('VERSION_UNSUPPORTED', "the folder's admin log has an entry of a newer version of Holdfast: update this node")
  }
}

function decodeBody(entry: SignedEntry): LogBody {
  if (entry.body.length > entryBytesMax) throw refused('an entry is over the limit')
  let body: LogBody
  try {
    body = fromBinary(LogBodySchema, entry.body)
  } catch (error) {
    throw refused('an entry is malformed', error)
  }
  if (body.version !== logVersion) {
    throw new EngineError(
      'VERSION_UNSUPPORTED',
      `the folder's admin log is of format ${body.version}, this program knows ${logVersion}: update Holdfast`,
    )
  }
  if (body.authorKey.length !== nodeKeyBytes) throw refused('an entry is malformed')
  return body
}

function checkCopies(copies: number): number {
  if (copies < 1 || copies > targetCopiesMax) throw refused('a number of copies is out of bounds')
  return copies
}

function checkName(name: string): void {
  if (name.length > nameUnitsMax) throw refused('a name is over the limit')
}

function hashOf(entry: SignedEntry): Uint8Array {
  return blake3(concatBytes([entry.body, entry.signature]))
}

function refused(what: string, cause?: unknown): EngineError {
  return new EngineError('BAD_SIGNATURE', `an admin log was refused: ${what}; nothing of it was taken over`, { cause })
}
