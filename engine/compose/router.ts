// Incoming channels find their folder here: by a proof that only members can make, so that a stranger learns not even which
// folders there are.

import type { Clock } from '../base/clock.ts'
import { errorCodeOf, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Hello } from '../model/wire/exchange_pb.ts'
import type { Channel, Network } from '../net/network.ts'
import type { Inviter } from '../share/invite.ts'
import { joinProtocol } from '../share/join-frames.ts'
import { indexProtocol, receiveIndexFrame } from '../sync/exchange-frames.ts'
import { blocksProtocol, receiveBlocksFrame, sendBlocksFrame } from '../transfer/blocks-frames.ts'
import { isProof, proofNonceBytes, proveMembership } from '../transfer/membership-proof.ts'
import type { FolderRegistry } from './folder-registry.ts'
import type { MemberRuntime } from './member-runtime.ts'

export interface RouterParts {
  readonly network: Network
  readonly folders: FolderRegistry
  readonly inviter: Inviter
  readonly clock: Clock
  readonly log: Log
}

/** A hello has under a hundred bytes. A stranger's first frame is not decoded beyond that: parsing costs far more than sending. */
const helloBytesMax = 1024
const helloTimeoutMs = 15_000
const protocolVersion = 1

/** Serves all protocols until `signal` aborts. */
export function routeChannels(parts: RouterParts, signal: AbortSignal): void {
  const { network, inviter } = parts
  network.serve(joinProtocol, (channel) => void inviter.admit(channel, signal))
  network.serve(indexProtocol, (channel) => void guard(parts, channel, signal, () => serveIndex(parts, channel, signal)))
  network.serve(blocksProtocol, (channel) => void guard(parts, channel, signal, () => serveBlocks(parts, channel, signal)))
}

/** Whatever ends a channel is for the log: the peer sees it closed. */
async function guard(parts: RouterParts, channel: Channel, signal: AbortSignal, serve: () => Promise<void>): Promise<void> {
  try {
    await serve()
  } catch (error) {
    if (!signal.aborted) {
      parts.log.debug('a channel ended', {
        peer: channel.peer,
        protocol: channel.protocol,
        code: errorCodeOf(error),
        error: messageOf(error),
      })
    }
  } finally {
    channel.abort()
  }
}

async function serveIndex(parts: RouterParts, channel: Channel, signal: AbortSignal): Promise<void> {
  const frame = await inTime(parts.clock, channel, signal, (both) => receiveIndexFrame(channel, both, helloBytesMax))
  if (frame?.case !== 'hello') return
  const runtime = recognise(parts, channel, frame.value)
  if (runtime !== undefined) await runtime.work.serveIndex(channel, frame.value, signal)
}

async function serveBlocks(parts: RouterParts, channel: Channel, signal: AbortSignal): Promise<void> {
  const { network, clock } = parts
  const frame = await inTime(clock, channel, signal, (both) => receiveBlocksFrame(channel, both, helloBytesMax))
  if (frame?.case !== 'hello') return
  const hello = frame.value
  const runtime = recognise(parts, channel, hello)
  if (runtime === undefined || runtime.isPaused || !runtime.log.isMember(channel.peer)) return
  const context = { protocol: blocksProtocol.name, prover: network.self, verifier: channel.peer, nonce: hello.nonce }
  const proof = proveMembership(runtime.handle.accessKey, context)
  await sendBlocksFrame(channel, { case: 'welcome', value: { proof } }, signal)
  await runtime.work.serveBlocks(channel, signal)
}

function recognise(parts: RouterParts, channel: Channel, hello: Hello): MemberRuntime | undefined {
  if (hello.version !== protocolVersion || hello.nonce.length !== proofNonceBytes) return undefined
  const context = { protocol: channel.protocol, prover: channel.peer, verifier: parts.network.self, nonce: hello.nonce }
  return parts.folders.members().find((runtime) => isProof(runtime.handle.accessKey, context, hello.proof))
}

/** The first frame has to come soon: a channel that says nothing costs a place. */
async function inTime<T>(clock: Clock, channel: Channel, signal: AbortSignal, receive: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const ending = new AbortController()
  const both = AbortSignal.any([signal, ending.signal])
  const timer = clock.sleep(helloTimeoutMs, both).then(
    () => channel.abort(),
    () => undefined, // it came in time
  )
  try {
    return await receive(signal)
  } finally {
    ending.abort()
    await timer
  }
}
