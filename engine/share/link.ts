// Links: an invitation to a folder as text. `holdfast:1` then base32 of a body and a checksum: letters and digits only, so that mail
// clients break nothing and any case will do. A link is a secret: never logged, never in an error message.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { concatBytes, equalBytes, fromBase32, fromUtf8, toBase32, utf8 } from '../base/bytes.ts'
import { EngineError } from '../base/errors.ts'
import { blake3, blake3Keyed } from '../crypto/hash.ts'
import { publicKeyOf, peerIdOf } from '../crypto/identity.ts'
import { parseRoleNumber, roleNumbers, type Role } from '../model/folder.ts'
import type { PeerId } from '../model/ids.ts'
import { LinkBodySchema } from '../model/wire/exchange_pb.ts'

export interface Link {
  /** 8 bytes: which invitation this is. */
  readonly linkId: Uint8Array
  /** 16 bytes: what proves that it was received. */
  readonly secret: Uint8Array
  readonly inviter: PeerId
  readonly addresses: readonly string[]
  readonly folderName: string
  /** What the joiner becomes; undefined in links of before this was said. */
  readonly role: Role | undefined
}

export const linkIdBytes = 8
export const linkSecretBytes = 16
const prefix = 'holdfast:1'
const linkVersion = 1
const checksumBytes = 4
const linkUnitsMax = 4096
const addressesMax = 16

export function formatLink(link: Link): string {
  const body = toBinary(
    LinkBodySchema,
    create(LinkBodySchema, {
      version: linkVersion,
      linkId: link.linkId,
      secret: link.secret,
      nodeKey: publicKeyOf(link.inviter) ?? new Uint8Array(0),
      addresses: link.addresses.slice(0, addressesMax).map((address) => utf8(address)),
      folderName: link.folderName,
      role: link.role === undefined ? 0 : roleNumbers[link.role],
    }),
  )
  return prefix + toBase32(concatBytes([body, checksumOf(body)]))
}

/** Throws `BAD_LINK` with what is wrong with the text: not a link, cut off or mistyped, or of a newer version. */
export function parseLink(text: string): Link {
  // What copying tends to add around a link.
  const trimmed = text
    .trim()
    .replace(/^[<"'(]+/, '')
    .replace(/[>"').,;:!?]+$/, '')
  if (!trimmed.toLowerCase().startsWith('holdfast:') || trimmed.length > linkUnitsMax) {
    throw new EngineError('BAD_LINK', "this is not a Holdfast link: a link starts with 'holdfast:1' and is printed by 'holdfast share'")
  }
  if (!trimmed.toLowerCase().startsWith(prefix)) {
    throw new EngineError('BAD_LINK', 'the link is of a newer version of Holdfast: update this node')
  }
  const bytes = fromBase32(trimmed.slice(prefix.length))
  const body = bytes?.subarray(0, Math.max(0, bytes.length - checksumBytes))
  if (bytes === undefined || body === undefined || !equalBytes(bytes.subarray(body.length), checksumOf(body))) {
    throw new EngineError('BAD_LINK', 'the link is cut off or mistyped: copy it again, whole')
  }
  return parseBody(body)
}

function parseBody(bytes: Uint8Array): Link {
  try {
    const body = fromBinary(LinkBodySchema, bytes)
    const addresses = body.addresses.map((address) => fromUtf8(address)).filter((address) => address !== undefined)
    if (
      body.version === linkVersion &&
      body.linkId.length === linkIdBytes &&
      body.secret.length === linkSecretBytes &&
      body.nodeKey.length === 32
    ) {
      const { linkId, secret, nodeKey, folderName } = body
      return { linkId, secret, inviter: peerIdOf(nodeKey), addresses, folderName, role: parseRoleNumber(body.role) }
    }
  } catch (error) {
    throw new EngineError('BAD_LINK', 'the link cannot be read: ask for a new one', { cause: error })
  }
  throw new EngineError('BAD_LINK', 'the link is of a newer version of Holdfast or damaged: update this node, or ask for a new link')
}

function checksumOf(body: Uint8Array): Uint8Array {
  return blake3(body).subarray(0, checksumBytes)
}

/** What the joiner sends: shows that it has the link, to this inviter only, from this joiner only. */
export function proveLink(secret: Uint8Array, linkId: Uint8Array, joiner: PeerId, inviter: PeerId): Uint8Array {
  const key = blake3(concatBytes([utf8('holdfast link proof 1\0'), secret]))
  return blake3Keyed(key, concatBytes([utf8(`${joiner}\0${inviter}\0`), linkId]))
}

/** Compares without stopping at the first difference. */
export function isLinkProof(secret: Uint8Array, linkId: Uint8Array, joiner: PeerId, inviter: PeerId, proof: Uint8Array): boolean {
  const expected = proveLink(secret, linkId, joiner, inviter)
  let difference = expected.length ^ proof.length
  for (let at = 0; at < expected.length; at++) difference |= (expected[at] ?? 0) ^ (proof[at] ?? 0)
  return difference === 0
}
