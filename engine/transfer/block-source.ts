// One member as a source of blocks: a channel with requests under way, answered in the order in which they were sent.

import type { Clock, Random } from '../base/clock.ts'
import { present } from '../base/assert.ts'
import { concatBytes } from '../base/bytes.ts'
import { EngineError } from '../base/errors.ts'
import { abortable } from '../base/queue.ts'
import type { BlockRef } from '../model/entry.ts'
import type { BlockId, PeerId } from '../model/ids.ts'
import type { BlocksPart } from '../model/wire/exchange_pb.ts'
import type { Channel, Network } from '../net/network.ts'
import { blocksProtocol, proofBytes, receiveBlocksFrame, sendBlocksFrame } from './blocks-frames.ts'
import { LaneSource } from './lane-source.ts'
import type { Lanes } from './lanes.ts'
import type { LaneName } from '../net/lanes.ts'
import { isProof, proofNonceBytes, proveMembership } from './membership-proof.ts'

interface Request {
  readonly id: number
  readonly blocks: readonly BlockRef[]
  readonly answers: (Uint8Array | undefined)[]
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

export class BlockSource {
  readonly #parts: BlockSourceParts
  readonly #peer: PeerId
  readonly #lane: LaneSource | undefined
  readonly #ending = new AbortController()
  readonly #requests = new Map<number, Request>()
  #channel: Promise<Channel> | undefined
  /** Once it is open. */
  #opened: Channel | undefined
  #nextRequest = 1
  #bytesUnderWay = 0

  constructor(parts: BlockSourceParts, peer: PeerId) {
    this.#parts = parts
    this.#peer = peer
    this.#lane =
      parts.lanes === undefined ? undefined : new LaneSource({ ...parts.lanes, network: parts.network, clock: parts.clock, peer })
  }

  get bytesUnderWay(): number {
    return this.#bytesUnderWay
  }

  /**
   * The sealed bytes of each block, undefined where the peer does not have it. The bytes have the length that was asked for and
   * are not checked otherwise. Throws when the peer is gone or misbehaves; then the source is of no more use.
   */
  async get(blocks: readonly BlockRef[], signal: AbortSignal): Promise<readonly (Uint8Array | undefined)[]> {
    return await this.#request(blocks, { ids: concatBytes(blocks.map((block) => block.id)) }, signal)
  }

  /** As `get`, of proofs that the peer has the blocks: each is the hash of one, keyed with the nonce of 32 bytes. */
  async prove(ids: readonly BlockId[], nonce: Uint8Array, signal: AbortSignal): Promise<readonly (Uint8Array | undefined)[]> {
    const proofs = ids.map((id) => ({ id, storedBytes: proofBytes }))
    return await this.#request(proofs, { ids: concatBytes(ids), nonce }, signal)
  }

  async #request(
    blocks: readonly BlockRef[],
    wanted: { readonly ids: Uint8Array; readonly nonce?: Uint8Array },
    signal: AbortSignal,
  ): Promise<readonly (Uint8Array | undefined)[]> {
    const bytes = blocks.reduce((total, block) => total + block.storedBytes, 0)
    this.#bytesUnderWay += bytes
    try {
      this.#channel ??= this.#open()
      const channel = await this.#channel
      const id = this.#nextRequest++
      const answered = abortable<readonly (Uint8Array | undefined)[]>(
        (resolve, reject) => {
          this.#requests.set(id, { id, blocks, answers: [], resolve, reject })
        },
        AbortSignal.any([signal, this.#ending.signal]),
      )
      answered.catch(() => undefined) // awaited below unless the send fails first
      await sendBlocksFrame(channel, { case: 'getMany', value: { request: id, ...wanted } }, signal)
      return await answered
    } finally {
      this.#bytesUnderWay -= bytes
    }
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
    this.#bytesUnderWay += bytes
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
      this.#bytesUnderWay -= bytes
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
      this.#fail(error) // before the abort, which would give those who wait a reason that blames nobody
      this.#ending.abort()
    })
    return channel
  }

  async #read(channel: Channel): Promise<void> {
    for (;;) {
      const frame = await receiveBlocksFrame(channel, this.#ending.signal)
      if (frame === undefined) throw new EngineError('CLOSED', `${this.#peer} closed the connection`)
      if (frame.case === 'part') this.#takePart(frame.value)
      else if (frame.case !== 'laneOffer' || this.#lane?.answered(frame.value, this.#ending.signal) !== true) {
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
      if (length === 0) request.answers.push(undefined)
      else if (length === block.storedBytes && at + length <= part.payload.length)
        request.answers.push(part.payload.subarray(at, at + length))
      else throw this.#misbehaved('sent a block of another length than its entry says')
      at += length
    }
    if (request.answers.length < request.blocks.length) return
    this.#requests.delete(part.request)
    present(request, 'a request is answered once').resolve(request.answers)
  }

  #fail(error: unknown): void {
    for (const request of this.#requests.values()) request.reject(error)
    this.#requests.clear()
  }

  #misbehaved(what: string): EngineError {
    return new EngineError('PEER_MISBEHAVED', `${this.#peer} ${what}; it is left alone for a while and another member is asked`)
  }
}
