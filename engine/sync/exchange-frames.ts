// Frames of the index protocol: encoding, decoding with bounds, and the protocol's own description.

import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf'
import { EngineError } from '../base/errors.ts'
import type { Channel, Protocol } from '../net/network.ts'
import { IndexFrameSchema, type IndexFrame } from '../model/wire/exchange_pb.ts'

export const indexProtocol: Protocol = { name: '/holdfast/index/1', frameBytesMax: 16 * 1024 * 1024 }

export type IndexFrameKind = IndexFrame['kind']

export async function sendIndexFrame(
  channel: Channel,
  kind: MessageInitShape<typeof IndexFrameSchema>['kind'] & {},
  signal: AbortSignal,
): Promise<void> {
  await channel.send([toBinary(IndexFrameSchema, create(IndexFrameSchema, { kind }))], signal)
}

/** The next frame; undefined when the peer closed in good order. Throws `PEER_MISBEHAVED` for bytes that are no frame. */
export async function receiveIndexFrame(channel: Channel, signal: AbortSignal): Promise<IndexFrameKind | undefined> {
  const bytes = await channel.receive(signal)
  if (bytes === undefined) return undefined
  try {
    return fromBinary(IndexFrameSchema, bytes).kind
  } catch (error) {
    throw new EngineError(
      'PEER_MISBEHAVED',
      `${channel.peer} sent a frame that cannot be read; the connection for this folder was closed`,
      {
        cause: error,
      },
    )
  }
}
