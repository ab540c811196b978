// Node cards: what a node says of itself to the members of its folders, signed so that anyone may pass it on.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { peerIdOf } from '../crypto/identity.ts'
import type { Signer } from '../crypto/sign.ts'
import { verify } from '../crypto/sign.ts'
import type { NodeClass } from '../model/folder.ts'
import type { PeerId } from '../model/ids.ts'
import { CardBodySchema, CardSchema } from '../model/wire/exchange_pb.ts'

export interface NodeCard {
  readonly peer: PeerId
  /** A higher one replaces a lower one. */
  readonly edition: number
  readonly name: string
  readonly zone: string
  readonly class: NodeClass
  readonly capacityBytes: number
  readonly addresses: readonly string[]
  readonly software: string
  /** The node has gone to sleep in good order: for so long, 0 when it does not know. Absent while it is there. */
  readonly asleepForMs?: number | undefined
}

const cardContext = 'node-card'
const cardVersion = 1
const cardBytesMax = 16 * 1024
const textUnitsMax = 256
const addressesMax = 32
const classNumbers: Readonly<Record<NodeClass, number>> = { 'always-on': 1, daily: 2, occasional: 3 }
const classNames: readonly (NodeClass | undefined)[] = [undefined, 'always-on', 'daily', 'occasional']

/** The encoded signed card. */
export function signCard(signer: Signer, card: Omit<NodeCard, 'peer'>): Uint8Array {
  const body = toBinary(
    CardBodySchema,
    create(CardBodySchema, {
      version: cardVersion,
      nodeKey: signer.publicKey,
      edition: BigInt(card.edition),
      name: card.name,
      zone: card.zone,
      class: classNumbers[card.class],
      capacityBytes: BigInt(card.capacityBytes),
      addresses: [...card.addresses],
      software: card.software,
      ...(card.asleepForMs === undefined ? {} : { asleepForMs: BigInt(card.asleepForMs) }),
    }),
  )
  return toBinary(CardSchema, create(CardSchema, { body, signature: signer.sign(cardContext, body) }))
}

/** undefined when it is malformed, over its bounds, of a newer format or not signed by the node it names. */
export function parseCard(bytes: Uint8Array): NodeCard | undefined {
  const read = readCard(bytes)
  return read?.isSigned() === true ? read.card : undefined
}

/** As `parseCard`, before the signature is looked at, which costs more than the rest. */
export function readCard(bytes: Uint8Array): { readonly card: NodeCard; readonly isSigned: () => boolean } | undefined {
  if (bytes.length > cardBytesMax) return undefined
  try {
    const { body: encoded, signature } = fromBinary(CardSchema, bytes)
    const body = fromBinary(CardBodySchema, encoded)
    const nodeClass = classNames[body.class]
    const edition = Number(body.edition)
    const capacityBytes = Number(body.capacityBytes)
    const texts = [body.name, body.zone, body.software, ...body.addresses]
    if (body.version !== cardVersion || nodeClass === undefined || body.addresses.length > addressesMax) return undefined
    if (!Number.isSafeInteger(edition) || !Number.isSafeInteger(capacityBytes)) return undefined
    const asleepForMs = body.asleepForMs === undefined ? undefined : Number(body.asleepForMs)
    if (asleepForMs !== undefined && !Number.isSafeInteger(asleepForMs)) return undefined
    if (texts.some((text) => text.length > textUnitsMax)) return undefined
    const { name, zone, addresses, software } = body
    const sleep = asleepForMs === undefined ? {} : { asleepForMs }
    const card = { peer: peerIdOf(body.nodeKey), edition, name, zone, class: nodeClass, capacityBytes, addresses, software, ...sleep }
    return { card, isSigned: () => verify(body.nodeKey, cardContext, encoded, signature) }
  } catch {
    return undefined // malformed protobuf
  }
}
