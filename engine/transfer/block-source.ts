// One member as a source of blocks: a channel with requests under way, answered in the order in which they were sent.

import type { Clock, Random } from '../base/clock.ts'
import { present } from '../base/assert.ts'
import { concatBytes } from '../base/bytes.ts'
import { EngineError, messageOf } from '../base/errors.ts'
import { abortable, throwIfAborted } from '../base/queue.ts'
import type { BlockRef } from '../model/entry.ts'
import type { BlockId, PeerId } from '../model/ids.ts'
import type { BlocksPart } from '../model/wire/exchange_pb.ts'
import type { Channel, Network } from '../net/network.ts'
import { blocksProtocol, proofBytes, receiveBlocksFrame, sendBlocksFrame } from './blocks-frames.ts'
import { LaneSource } from './lane-source.ts'
import type { Lanes } from './lanes.ts'
import type { LaneName } from '../net/lanes.ts'
import type { Pace } from './pace.ts'
import { isProof, proofNonceBytes, proveMembership } from './membership-proof.ts'

interface Request {
  readonly blocks: readonly BlockRef[]
  readonly answers: (Uint8Array | undefined)[]
  /** Of its blocks, not here yet. */
  leftBytes: number
  /** Nobody waits for the answers any more: they come all the same, and are dropped. */
  isGivenUp: boolean
  readonly resolve: (answers: readonly (Uint8Array | undefined)[]) => void
  readonly reject: (error: unknown) => void
}

export interface BlockSourceParts {
  readonly network: Network
  readonly accessKey: Uint8Array
  readonly clock: Clock
  readonly random: Random
  /** Absent where there are none: everything comes over the channel. */
  readonly lanes?: { readonly lanes: Lanes; readonly sealKey: Uint8Array } | undefined
}

/** Of a part: its numbers, and the tags of its fields; an offer of a lane is as short. */
const frameHeadBytesMax = 1024
const lengthBytesMax = 5

export class BlockSource {
  readonly #parts: BlockSourceParts
  readonly #peer: PeerId
  readonly #pace: Pace
  readonly #lane: LaneSource | undefined
  readonly #ending = new AbortController()
  readonly #requests = new Map<number, Request>()
  #channel: Promise<Channel> | undefined
  /** Once it is open. */
  #opened: Channel | undefined
  #nextRequest = 1
  /** Why it is of no more use. */
  #broken: Error | undefined
  /** By lane. */
  #laneBytes = 0
  /** When something came last, or was asked for while nothing was under way. */
  #sinceMs = 0

  constructor(parts: BlockSourceParts, peer: PeerId, pace: Pace) {
    this.#parts = parts
    this.#peer = peer
    this.#pace = pace
    this.#lane =
      parts.lanes === undefined ? undefined : new LaneSource({ ...parts.lanes, network: parts.network, clock: parts.clock, peer })
  }

  /** Asked for and not here yet, also of what nobody waits for any more. */
  get bytesUnderWay(): number {
    let bytes = this.#laneBytes
    for (const { leftBytes } of this.#requests.values()) bytes += leftBytes
    return bytes
  }

  /** For how long something has been under way and nothing came. */
  get silentMs(): number {
    return this.#requests.size === 0 ? 0 : this.#parts.clock.monotonicMs() - this.#sinceMs
  }

  /**
   * The sealed bytes of each block, undefined where the peer does not have it. The bytes have the length that was asked for and
   * are not checked otherwise. `isGuess`: nobody said that it has them. Throws when the peer is gone or misbehaves; then the source is of no more use.
   */
  async get(blocks: readonly BlockRef[], isGuess: boolean, signal: AbortSignal): Promise<readonly (Uint8Array | undefined)[]> {
    return await this.#request(blocks, { ids: concatBytes(blocks.map((block) => block.id)), isGuess }, signal)
  }

  /** As `get`, of proofs that the peer has the blocks: each is the hash of one, keyed with the nonce of 32 bytes. */
  async prove(ids: readonly BlockId[], nonce: Uint8Array, signal: AbortSignal): Promise<readonly (Uint8Array | undefined)[]> {
    const proofs = ids.map((id) => ({ id, storedBytes: proofBytes }))
    return await this.#request(proofs, { ids: concatBytes(ids), nonce }, signal)
  }

  /** As `prove`, of blocks that the peer also grants to keep; undefined for those that it does not have or is about to let go of itself. */
  async lease(ids: readonly BlockId[], nonce: Uint8Array, signal: AbortSignal): Promise<readonly (Uint8Array | undefined)[]> {
    const proofs = ids.map((id) => ({ id, storedBytes: proofBytes }))
    return await this.#request(proofs, { ids: concatBytes(ids), nonce }, signal, 'keepWanted')
  }

  async #request(
    blocks: readonly BlockRef[],
    wanted: { readonly ids: Uint8Array; readonly nonce?: Uint8Array; readonly isGuess?: boolean },
    signal: AbortSignal,
    kind: 'getMany' | 'keepWanted' = 'getMany',
  ): Promise<readonly (Uint8Array | undefined)[]> {
    if (this.#broken !== undefined) throw this.#broken
    const id = this.#nextRequest++
    const leftBytes = blocks.reduce((total, block) => total + block.storedBytes, 0)
    if (this.#requests.size === 0) this.#sinceMs = this.#parts.clock.monotonicMs()
    const answered = abortable<readonly (Uint8Array | undefined)[]>(
      (resolve, reject) => this.#requests.set(id, { blocks, answers: [], leftBytes, isGivenUp: false, resolve, reject }),
      AbortSignal.any([signal, this.#ending.signal]),
    )
    answered.catch(() => undefined) // awaited below unless the send fails first
    let isSent = false
    try {
      this.#channel ??= this.#open()
      const channel = await this.#channel
      throwIfAborted(signal)
      isSent = true
      this.#limitFrames(channel)
      // Not ended by `signal`: a request that was given up in the middle might have been sent all the same.
      const sent = sendBlocksFrame(channel, { case: kind, value: { request: id, ...wanted } }, this.#ending.signal)
      await Promise.race([answered, sent.then(async () => await answered)])
    } catch (error) {
      const request = this.#requests.get(id)
      if (request !== undefined) request.isGivenUp = true
      if (!isSent) this.#requests.delete(id)
      throw error
    }
    return await answered
  }

  /** Answers come in the order of the requests: nothing may be longer than what is left of the first one. */
  #limitFrames(channel: Channel): void {
    const [first] = this.#requests.values()
    const lengthsBytes = first === undefined ? 0 : (first.blocks.length - first.answers.length) * lengthBytesMax
    channel.limitFrames(Math.min(blocksProtocol.frameBytesMax, (first?.leftBytes ?? 0) + lengthsBytes + frameHeadBytesMax))
  }

  /** The lane to use now, if there is one or can be had soon. */
  async lane(): Promise<LaneName | undefined> {
    const ask = (): void => {
      this.#ask().catch(() => this.#lane?.broke()) // what is wrong with the channel is found by who fetches over it
    }
    return await this.#lane?.use(ask, this.#ending.signal)
  }

  async #ask(): Promise<void> {
    this.#channel ??= this.#open()
    await sendBlocksFrame(await this.#channel, { case: 'laneWanted', value: {} }, this.#ending.signal)
  }

  /**
   * Has the blocks sent through `lane`, where `fill` takes them off: asked for and taken in the same order. Throws what `fill` throws,
   * and as `get`; then, and when `signal` aborts, the lane is ended, since what was asked for still comes.
   */
  async getByLane<Result>(
    blocks: readonly BlockRef[],
    lane: LaneName,
    fill: (lane: LaneName) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result> {
    const channel = present(this.#opened, 'a lane was agreed on over a channel')
    const bytes = blocks.reduce((total, block) => total + block.storedBytes, 0)
    const endLane = (): void => this.#lane?.end()
    signal.addEventListener('abort', endLane, { once: true })
    this.#laneBytes += bytes
    try {
      const ids = concatBytes(blocks.map((block) => block.id))
      const asked = sendBlocksFrame(channel, { case: 'getMany', value: { request: this.#nextRequest++, ids, byLane: true } }, signal)
      const filled = fill(lane)
      await Promise.all([asked, filled])
      return await filled
    } catch (error) {
      if (!signal.aborted) this.#lane?.broke()
      throw error
    } finally {
      signal.removeEventListener('abort', endLane)
      this.#laneBytes -= bytes
    }
  }

  close(): void {
    this.#ending.abort()
    this.#lane?.end()
    this.#fail(new EngineError('CLOSED', 'the source was closed'))
    this.#channel?.then(
      (channel) => channel.abort(),
      () => undefined, // it never opened
    )
  }

  async #open(): Promise<Channel> {
    const { signal } = this.#ending
    const { network, accessKey, random } = this.#parts
    const channel = await network.open(this.#peer, blocksProtocol, signal)
    try {
      const nonce = random.bytes(proofNonceBytes)
      const protocol = blocksProtocol.name
      const proof = proveMembership(accessKey, { protocol, prover: network.self, verifier: this.#peer, nonce })
      await sendBlocksFrame(channel, { case: 'hello', value: { version: 1, nonce, proof } }, signal)
      const welcome = await receiveBlocksFrame(channel, signal)
      if (welcome?.case !== 'welcome') throw new EngineError('NOT_A_MEMBER', `${this.#peer} does not serve this folder`)
      if (!isProof(accessKey, { protocol, prover: this.#peer, verifier: network.self, nonce }, welcome.value.proof)) {
        throw new EngineError('NOT_A_MEMBER', `${this.#peer} could not prove that it shares this folder`)
      }
    } catch (error) {
      channel.abort()
      throw error
    }
    this.#opened = channel
    this.#read(channel).catch((error: unknown) => {
      channel.abort()
      this.#broken = error instanceof Error ? error : new EngineError('CLOSED', messageOf(error))
      this.#fail(error) // before the abort, which would give those who wait a reason that blames nobody
      this.#ending.abort()
    })
    return channel
  }

  async #read(channel: Channel): Promise<void> {
    for (;;) {
      const frame = await receiveBlocksFrame(channel, this.#ending.signal)
      if (frame === undefined) throw new EngineError('CLOSED', `${this.#peer} closed the connection`)
      if (frame.case === 'part') {
        this.#takePart(frame.value)
        this.#limitFrames(channel)
      } else if (frame.case !== 'laneOffer' || this.#lane?.answered(frame.value, this.#ending.signal) !== true) {
        throw this.#misbehaved('spoke out of turn')
      }
    }
  }

  #takePart(part: BlocksPart): void {
    const request = this.#requests.get(part.request)
    if (request === undefined || part.lengths.length === 0) throw this.#misbehaved('answered what was not asked')
    let at = 0
    for (const length of part.lengths) {
      const block = request.blocks[request.answers.length]
      if (block === undefined) throw this.#misbehaved('answered more than was asked')
      const isWhole = length === block.storedBytes && at + length <= part.payload.length
      if (length !== 0 && !isWhole) throw this.#misbehaved('sent a block of another length than its entry says')
      request.answers.push(length === 0 || request.isGivenUp ? undefined : part.payload.subarray(at, at + length))
      request.leftBytes -= block.storedBytes
      at += length
    }
    this.#notePace(at)
    if (request.answers.length < request.blocks.length) return
    this.#requests.delete(part.request)
    request.resolve(request.answers)
  }

  #notePace(bytes: number): void {
    const nowMs = this.#parts.clock.monotonicMs()
    // Blocks that are not there say nothing of how fast those come that are.
    if (bytes > 0) this.#pace.note(bytes, nowMs - this.#sinceMs, nowMs)
    this.#sinceMs = nowMs
  }

  #fail(error: unknown): void {
    for (const request of this.#requests.values()) request.reject(error)
    this.#requests.clear()
  }

  #misbehaved(what: string): EngineError {
    return new EngineError('PEER_MISBEHAVED', `${this.#peer} ${what}; it is left alone for a while and another member is asked`)
  }
}
