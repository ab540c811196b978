// Frames of the blocks protocol. Payloads are large, so parts are sent without copying them together: the payload is the
// message's last field, and its bytes follow the encoded head as they are.

import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf'
import { EngineError } from '../base/errors.ts'
import { hashIdBytes } from '../model/ids.ts'
import type { Channel, Protocol } from '../net/network.ts'
import { BlocksFrameSchema, BlocksPartSchema, type BlocksFrame } from '../model/wire/exchange_pb.ts'

export const blocksProtocol: Protocol = { name: '/holdfast/blocks/1', frameBytesMax: 8 * 1024 * 1024 }

/** Ids in one request. */
export const requestIdsMax = 2048
/** What asks for them: ids, a nonce, numbers and tags. */
export const requestFrameBytesMax: number = requestIdsMax * hashIdBytes + 256
/** Of a request for proof, and of each proof. */
export const proofBytes = 32
/** Payload after which a part is sent; one block may exceed it. */
export const partBytesTarget: number = 1024 * 1024

export async function sendBlocksFrame(
  channel: Channel,
  kind: MessageInitShape<typeof BlocksFrameSchema>['kind'] & {},
  signal: AbortSignal,
): Promise<void> {
  await channel.send([toBinary(BlocksFrameSchema, create(BlocksFrameSchema, { kind }))], signal)
}

const partFieldTag = (4 << 3) | 2
const payloadFieldTag = (3 << 3) | 2

/** As `sendBlocksFrame` with a part, its payload uncopied. */
export async function sendBlocksPart(
  channel: Channel,
  part: { readonly request: number; readonly lengths: readonly number[]; readonly payload: Uint8Array },
  signal: AbortSignal,
): Promise<void> {
  const head = toBinary(BlocksPartSchema, create(BlocksPartSchema, { request: part.request, lengths: [...part.lengths] }))
  const payloadHead = varintField(payloadFieldTag, part.payload.length)
  const partBytes = head.length + payloadHead.length + part.payload.length
  await channel.send([varintField(partFieldTag, partBytes), head, payloadHead, part.payload], signal)
}

/** A protobuf field's tag and the length of what follows. */
function varintField(tag: number, lengthBytes: number): Uint8Array {
  const bytes = [tag]
  let rest = lengthBytes
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

/** The next frame; undefined when the peer closed in good order. Throws `PEER_MISBEHAVED` for bytes that are no frame. */
export async function receiveBlocksFrame(channel: Channel, signal: AbortSignal): Promise<BlocksFrame['kind'] | undefined> {
  const bytes = await channel.receive(signal)
  if (bytes === undefined) return undefined
  try {
    return fromBinary(BlocksFrameSchema, bytes).kind
  } catch (error) {
    throw new EngineError('PEER_MISBEHAVED', `${channel.peer} sent a frame that cannot be read; the connection for its blocks was closed`, {
      cause: error,
    })
  }
}
