// Entries of a folder's admin log as bytes: what an owner signed, read and checked for all that can be seen of it alone.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { present } from '../base/assert.ts'
import { compareBytes, concatBytes } from '../base/bytes.ts'
import { EngineError } from '../base/errors.ts'
import { blake3, hashBytes } from '../crypto/hash.ts'
import { verify, type Signer } from '../crypto/sign.ts'
import { parseVector, vectorMessage } from '../model/entry.ts'
import { parseRoleNumber, roleNumbers, type Role } from '../model/folder.ts'
import { hashIdBytes, idVersion, parseFolderId, type FolderId } from '../model/ids.ts'
import { targetCopiesMax } from '../model/limits.ts'
import type { VersionVector } from '../model/vector.ts'
import { LogBodySchema, type LogBody } from '../model/wire/entry_pb.ts'

export interface SignedEntry {
  /** The bytes that were signed. */
  readonly body: Uint8Array
  readonly signature: Uint8Array
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
  | { readonly kind: 'settingsChanged'; readonly targetCopies: number | undefined }
  | { readonly kind: 'memberRetired'; readonly nodeKey: Uint8Array }
  | {
      readonly kind: 'memberRemoved'
      readonly nodeKey: Uint8Array
      /** Of its authors, the last number that counts; of others nothing does. */
      readonly counted: VersionVector
    }

/** An entry whose signature holds and whose fields are within bounds. */
export interface LogEntry {
  readonly signed: SignedEntry
  /** BLAKE3 of body and signature: what entries after it name. */
  readonly hash: Uint8Array
  /** Hashes, ascending; none in the first. */
  readonly parents: readonly Uint8Array[]
  readonly position: number
  /** Wall clock of its author, milliseconds since 1970. */
  readonly timeMs: number
  readonly authorKey: Uint8Array
  readonly fact: LogFact
}

const logContext = 'admin-log'
const logVersion = 1
const entryBytesMax = 64 * 1024
/** The newest entries that one may continue: owners who act at the same time are few. */
export const parentsMax = 16
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

/** Signs an entry that continues `parents`; the first of a log has none. */
export function signEntry(
  signer: Signer,
  parents: readonly Pick<LogEntry, 'hash' | 'position'>[],
  fact: LogFact,
  timeMs: number,
): SignedEntry {
  const body = toBinary(
    LogBodySchema,
    create(LogBodySchema, {
      version: logVersion,
      parents: parents.map(({ hash }) => hash).toSorted(compareBytes),
      position: BigInt(placeAfter(parents)),
      timeMs: BigInt(timeMs),
      authorKey: signer.publicKey,
      fact: factMessage(fact),
    }),
  )
  return { body, signature: signer.sign(logContext, body) }
}

/** The position of an entry with these parents. */
export function placeAfter(parents: readonly Pick<LogEntry, 'position'>[]): number {
  return parents.length === 0 ? 0 : 1 + Math.max(...parents.map(({ position }) => position))
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
      const { targetCopies } = fact
      const value = { $typeName: 'holdfast.v1.SettingsChanged' as const, ...(targetCopies === undefined ? {} : { targetCopies }) }
      return { case: 'settingsChanged', value }
    }
    case 'memberRetired':
      return { case: 'memberRetired', value: { $typeName: 'holdfast.v1.MemberRetired' as const, nodeKey: fact.nodeKey } }
    case 'memberRemoved': {
      const counted = vectorMessage(fact.counted).map((element) => ({ $typeName: 'holdfast.v1.VectorElement' as const, ...element }))
      return { case: 'memberRemoved', value: { $typeName: 'holdfast.v1.MemberRemoved' as const, nodeKey: fact.nodeKey, counted } }
    }
  }
}

/**
 * Throws `BAD_SIGNATURE` when it is malformed, out of bounds or not signed by the node that it names, `VERSION_UNSUPPORTED` when it is of a
 * newer format.
 */
export function openEntry(signed: SignedEntry): LogEntry {
  const body = decodeBody(signed)
  if (!verify(body.authorKey, logContext, signed.body, signed.signature)) throw refused('an entry is not signed by the node that it names')
  const { parents, authorKey } = body
  const isAscending = parents.every((parent, at) => at === 0 || compareBytes(present(parents[at - 1], 'one before'), parent) < 0)
  if (!isAscending || parents.length > parentsMax || parents.some((parent) => parent.length !== hashBytes)) {
    throw refused('what an entry continues is malformed')
  }
  const position = Number(body.position)
  return { signed, hash: hashOf(signed), parents, position, timeMs: Number(body.timeMs), authorKey, fact: factOf(body) }
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

function factOf({ fact }: LogBody): LogFact {
  switch (fact.case) {
    case 'created': {
      const { folderName, nonce, nodeName, targetCopies } = fact.value
      if (nonce.length > tagBytesMax) throw refused('its creation is malformed')
      return {
        kind: 'created',
        folderName: checkName(folderName),
        nonce,
        nodeName: checkName(nodeName),
        targetCopies: checkCopies(targetCopies),
      }
    }
    case 'memberAdded': {
      const { nodeKey, nodeName, linkId } = fact.value
      const role = parseRoleNumber(fact.value.role)
      if (role === undefined || linkId.length > tagBytesMax) throw refused('a member is malformed')
      return { kind: 'memberAdded', nodeKey: checkKey(nodeKey), role, nodeName: checkName(nodeName), linkId }
    }
    case 'settingsChanged': {
      const { targetCopies } = fact.value
      return { kind: 'settingsChanged', targetCopies: targetCopies === undefined ? undefined : checkCopies(targetCopies) }
    }
    case 'memberRetired':
      return { kind: 'memberRetired', nodeKey: checkKey(fact.value.nodeKey) }
    case 'memberRemoved': {
      const counted = fact.value.counted.length === 0 ? [] : parseVector(fact.value.counted)
      if (counted === undefined) throw refused('what counts of a removed member is malformed')
      return { kind: 'memberRemoved', nodeKey: checkKey(fact.value.nodeKey), counted }
    }
    case undefined:
      // Skipping what an owner decided could let in whom a newer version has put out.
      throw new EngineError('VERSION_UNSUPPORTED', "the folder's admin log has an entry of a newer version of Holdfast: update this node")
  }
}

function checkKey(key: Uint8Array): Uint8Array {
  if (key.length !== nodeKeyBytes) throw refused('a member is malformed')
  return key
}

function checkCopies(copies: number): number {
  if (copies < 1 || copies > targetCopiesMax) throw refused('a number of copies is out of bounds')
  return copies
}

function checkName(name: string): string {
  if (name.length > nameUnitsMax) throw refused('a name is over the limit')
  return name
}

function hashOf(entry: SignedEntry): Uint8Array {
  return blake3(concatBytes([entry.body, entry.signature]))
}

export function refused(what: string, cause?: unknown): EngineError {
  return new EngineError('BAD_SIGNATURE', `an admin log was refused: ${what}; nothing of it was taken over`, { cause })
}
