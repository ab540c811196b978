// Incoming channels find their folder here: by a proof that only members can make, so that a stranger learns not even which
// folders there are.

import type { Clock } from '../base/clock.ts'
import { EngineError, errorCodeOf, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Hello } from '../model/wire/exchange_pb.ts'
import type { Channel, Network } from '../net/network.ts'
import type { Inviter } from '../share/invite.ts'
import { joinProtocol } from '../share/join-frames.ts'
import { indexProtocol, receiveIndexFrame } from '../sync/exchange-frames.ts'
import { blocksProtocol, receiveBlocksFrame, requestFrameBytesMax, sendBlocksFrame } from '../transfer/blocks-frames.ts'
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

/** A hello has under a hundred bytes. Of a stranger's first frame no more is buffered or decoded. */
const helloBytesMax = 1024
/** A new one may come before the one that broke is known to be gone. */
const channelsEachMax = 4
const helloTimeoutMs = 15_000
const protocolVersion = 1

/** Serves all protocols until `signal` aborts. */
export function routeChannels(parts: RouterParts, signal: AbortSignal): void {
  const { network, inviter } = parts
  const served = new ServedChannels()
  network.serve(joinProtocol, (channel) => void inviter.admit(channel, signal))
  network.serve(indexProtocol, (channel) => void guard(parts, channel, signal, () => serveIndex(parts, served, channel, signal)))
  network.serve(blocksProtocol, (channel) => void guard(parts, channel, signal, () => serveBlocks(parts, served, channel, signal)))
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

/** How many channels each member has open here: whatever one of them costs, a member can make it cost so many times as much only. */
class ServedChannels {
  readonly #counts = new Map<string, number>()

  /** Throws `PEER_MISBEHAVED` when there are too many already. */
  async hold(runtime: MemberRuntime, { peer, protocol }: Channel, serve: () => Promise<void>): Promise<void> {
    const name = `${peer} ${protocol} ${runtime.handle.row}`
    const count = this.#counts.get(name) ?? 0
    if (count >= channelsEachMax)
      throw new EngineError('PEER_MISBEHAVED', `${peer} has ${count} channels open for this folder; one more was closed`)
    this.#counts.set(name, count + 1)
    try {
      await serve()
    } finally {
      const left = (this.#counts.get(name) ?? 1) - 1
      if (left > 0) this.#counts.set(name, left)
      else this.#counts.delete(name)
    }
  }
}

async function serveIndex(parts: RouterParts, served: ServedChannels, channel: Channel, signal: AbortSignal): Promise<void> {
  channel.limitFrames(helloBytesMax)
  const frame = await inTime(parts.clock, channel, signal, (both) => receiveIndexFrame(channel, both))
  if (frame?.case !== 'hello') return
  const runtime = recognise(parts, channel, frame.value)
  if (runtime === undefined) return
  channel.limitFrames(indexProtocol.frameBytesMax)
  await served.hold(runtime, channel, () => runtime.work.serveIndex(channel, frame.value, signal))
}

async function serveBlocks(parts: RouterParts, served: ServedChannels, channel: Channel, signal: AbortSignal): Promise<void> {
  const { network, clock } = parts
  channel.limitFrames(helloBytesMax)
  const frame = await inTime(clock, channel, signal, (both) => receiveBlocksFrame(channel, both))
  if (frame?.case !== 'hello') return
  const hello = frame.value
  const runtime = recognise(parts, channel, hello)
  if (runtime === undefined || runtime.isPaused || !runtime.log.isMember(channel.peer)) return
  const context = { protocol: blocksProtocol.name, prover: network.self, verifier: channel.peer, nonce: hello.nonce }
  const proof = proveMembership(runtime.handle.accessKey, context)
  channel.limitFrames(requestFrameBytesMax)
  await served.hold(runtime, channel, async () => {
    await sendBlocksFrame(channel, { case: 'welcome', value: { proof } }, signal)
    await runtime.work.serveBlocks(channel, signal)
  })
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
