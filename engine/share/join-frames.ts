// Frames of the join protocol: one request, one answer.

import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf'
import { EngineError } from '../base/errors.ts'
import type { Channel, Protocol } from '../net/network.ts'
import { JoinAnswerSchema, JoinRequestSchema, type JoinAnswer, type JoinRequest } from '../model/wire/exchange_pb.ts'

/** The answer holds the whole admin log, about 1 KiB an entry at the very most. */
export const joinProtocol: Protocol = { name: '/holdfast/join/1', frameBytesMax: 16 * 1024 * 1024 }

/** A request comes from a stranger: no more of it is buffered or decoded than an honest one has. */
const requestBytesMax = 4096

export async function sendJoinRequest(
  channel: Channel,
  request: MessageInitShape<typeof JoinRequestSchema>,
  signal: AbortSignal,
): Promise<void> {
  await channel.send([toBinary(JoinRequestSchema, create(JoinRequestSchema, request))], signal)
}

export async function sendJoinAnswer(
  channel: Channel,
  answer: MessageInitShape<typeof JoinAnswerSchema>,
  signal: AbortSignal,
): Promise<void> {
  await channel.send([toBinary(JoinAnswerSchema, create(JoinAnswerSchema, answer))], signal)
}

/** Throws `PEER_MISBEHAVED` for bytes that are none, `CLOSED` when the peer hung up. */
export async function receiveJoinRequest(channel: Channel, signal: AbortSignal): Promise<JoinRequest> {
  channel.limitFrames(requestBytesMax)
  return decode(channel, await channel.receive(signal), (request) => fromBinary(JoinRequestSchema, request))
}

export async function receiveJoinAnswer(channel: Channel, signal: AbortSignal): Promise<JoinAnswer> {
  return decode(channel, await channel.receive(signal), (bytes) => fromBinary(JoinAnswerSchema, bytes))
}

function decode<T>(channel: Channel, bytes: Uint8Array | undefined, parse: (bytes: Uint8Array) => T): T {
  if (bytes === undefined) throw new EngineError('CLOSED', `${channel.peer} closed the connection without an answer`)
  try {
    return parse(bytes)
  } catch (error) {
    throw new EngineError('PEER_MISBEHAVED', `${channel.peer} sent a frame that cannot be read`, { cause: error })
  }
}
