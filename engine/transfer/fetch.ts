// Fetches blocks from whichever members have them: many ids a request, several requests under way at once, the next member
// asked for what one lacks. What comes back is not checked here: the job that opens it does, and reports who lied.

import { Breaker } from '../base/breaker.ts'
import { bytesKey } from '../base/bytes.ts'
import { EngineError } from '../base/errors.ts'
import { FilesError } from '../base/files.ts'
import type { BlockRef } from '../model/entry.ts'
import type { BlockId, PeerId } from '../model/ids.ts'
import type { LaneName } from '../net/lanes.ts'
import { BlockSource, type BlockSourceParts } from './block-source.ts'
import type { Candidate } from './choose.ts'
import { fetchRound, type FetchedBlock } from './fetch-round.ts'
import { Pace } from './pace.ts'

/** A peer that sent wrong bytes is left alone for this long, longer each time. */
const distrusted = { firstMs: 60_000, longestMs: 6 * 3_600_000 }
/** One that broke off, unless its connection was what broke: a new one is a new start. */
const rested = { firstMs: 2000, longestMs: 300_000 }

export interface FetchOptions {
  /** Which of those that could be asked for a block may be: all without it. The block is one of those given. */
  readonly mayAsk?: (peer: PeerId, block: BlockRef) => boolean
  /** Nobody said that the blocks are there: that they are not says nothing about who is asked. */
  readonly isGuess?: boolean
}

export class Fetcher {
  readonly #parts: BlockSourceParts
  readonly #sources = new Map<PeerId, BlockSource>()
  /** For questions, over channels of their own: what is fetched does not wait behind a proof, and how fast proofs come says nothing of blocks. */
  readonly #provers = new Map<PeerId, BlockSource>()
  /** Blocks that a peer said it lacks, until it says that it has more. */
  readonly #lacking = new Map<PeerId, Set<string>>()
  /** How often a peer said so: an answer from before does not count after. */
  readonly #hasMore = new Map<PeerId, number>()
  readonly #rests = new Map<PeerId, Breaker>()
  readonly #distrusts = new Map<PeerId, Breaker>()
  readonly #paces = new Map<PeerId, Pace>()
  #peers: readonly PeerId[] = []
  readonly #onLie: (peer: PeerId) => void

  /** `onLie` is told of every peer that sent what is not the block. */
  constructor(parts: BlockSourceParts, onLie: (peer: PeerId) => void = () => undefined) {
    this.#parts = parts
    this.#onLie = onLie
  }

  /** Who can be asked now: connected members of the folder. */
  setPeers(peers: readonly PeerId[]): void {
    this.#peers = peers
    for (const [peer, source] of this.#sources) {
      if (peers.includes(peer)) continue
      source.close()
      this.#sources.delete(peer)
      this.#lacking.delete(peer)
    }
    for (const [peer, prover] of this.#provers) if (!peers.includes(peer)) this.#dropProver(peer, prover)
    for (const peer of this.#rests.keys()) if (!peers.includes(peer)) this.#rests.delete(peer)
  }

  /** The peer has more blocks than before. */
  peerHas(peer: PeerId): void {
    this.#lacking.delete(peer)
    this.#hasMore.set(peer, (this.#hasMore.get(peer) ?? 0) + 1)
  }

  /** The peer sent bytes that are not the block: others are asked for a while. */
  distrust(peer: PeerId): void {
    const breaker = this.#distrusts.get(peer) ?? new Breaker(distrusted)
    this.#distrusts.set(peer, breaker)
    breaker.failed(this.#parts.clock.monotonicMs())
    this.#onLie(peer)
  }

  close(): void {
    this.setPeers([])
  }

  /** One result a block, in their order: undefined where no reachable member that may be asked has it now. Throws only `ABORTED`. */
  async fetch(
    blocks: readonly BlockRef[],
    signal: AbortSignal,
    { mayAsk = () => true, isGuess = false }: FetchOptions = {},
  ): Promise<readonly (FetchedBlock | undefined)[]> {
    return await fetchRound(
      blocks,
      {
        clock: this.#parts.clock,
        candidates: (block) => this.#candidates(block).filter((peer) => mayAsk(peer, block)),
        known: () => new Map(this.#peers.map((peer) => [peer, this.#candidateOf(peer)])),
        ask: async (peer, wanted, both) => await this.#ask(peer, wanted, isGuess, both),
      },
      signal,
    )
  }

  /**
   * Has blocks sent through a lane, where `fill` takes them off; gives what that gave. Undefined when no member has a lane now or when it
   * broke: then `fetch` brings them. Throws `ABORTED`, and FilesError from `fill`.
   */
  async fetchByLane<Result>(
    blocks: readonly BlockRef[],
    fill: (lane: LaneName) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<{ readonly from: PeerId; readonly result: Result } | undefined> {
    const asked = this.#peers.filter((peer) => this.#isAsked(peer, this.#parts.clock.monotonicMs()))
    const found = await Promise.all(
      asked.map(async (peer) => {
        const source = this.#source(peer)
        return { peer, source, lane: await source.lane() }
      }),
    )
    const ready = found.flatMap(({ lane, ...rest }) => (lane === undefined ? [] : [{ ...rest, lane }]))
    const least = ready.toSorted((left, right) => left.source.bytesUnderWay - right.source.bytesUnderWay)[0]
    if (least === undefined) return undefined
    try {
      return { from: least.peer, result: await least.source.getByLane(blocks, least.lane, fill, signal) }
    } catch (error) {
      if (signal.aborted || error instanceof FilesError) throw error
      return undefined
    }
  }

  /** Asks one member for proof that it has blocks, keyed with the nonce. Throws when it is gone or does not answer as it should. */
  async prove(peer: PeerId, ids: readonly BlockId[], nonce: Uint8Array, signal: AbortSignal): Promise<readonly (Uint8Array | undefined)[]> {
    return await this.#askOne(peer, (source) => source.prove(ids, nonce, signal), signal)
  }

  /** As `prove`, and asks it to keep them: proof of a block is the grant of a keep lease. */
  async lease(peer: PeerId, ids: readonly BlockId[], nonce: Uint8Array, signal: AbortSignal): Promise<readonly (Uint8Array | undefined)[]> {
    return await this.#askOne(peer, (source) => source.lease(ids, nonce, signal), signal)
  }

  async #askOne<Answer>(peer: PeerId, ask: (source: BlockSource) => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
    if (!this.#peers.includes(peer)) throw new EngineError('PEER_UNREACHABLE', `${peer} is not connected: it is asked when it is back`)
    const prover = this.#provers.get(peer) ?? new BlockSource({ ...this.#parts, lanes: undefined }, peer, new Pace())
    this.#provers.set(peer, prover)
    try {
      return await ask(prover)
    } catch (error) {
      if (!signal.aborted) this.#dropProver(peer, prover)
      throw error
    }
  }

  #dropProver(peer: PeerId, prover: BlockSource): void {
    prover.close()
    if (this.#provers.get(peer) === prover) this.#provers.delete(peer)
  }

  /** Asked for the block, the peer said that it has not got it, and has not said since that it has more. */
  saidToLack(peer: PeerId, block: BlockId): boolean {
    return this.#lacking.get(peer)?.has(bytesKey(block)) === true
  }

  /** The peer lacked something since it last said that it has more. */
  hasLacked(peer: PeerId): boolean {
    return (this.#lacking.get(peer)?.size ?? 0) > 0
  }

  /** Somebody can be asked. */
  get hasPeers(): boolean {
    return this.#peers.length > 0
  }

  /** A source that broke is of no more use; unless another took its place already, its peer is left alone for a moment. */
  #drop(peer: PeerId, source: BlockSource): void {
    if (this.#sources.get(peer) !== source) return
    source.close()
    this.#sources.delete(peer)
    const breaker = this.#rests.get(peer) ?? new Breaker(rested)
    this.#rests.set(peer, breaker)
    breaker.failed(this.#parts.clock.monotonicMs())
  }

  #isAsked(peer: PeerId, nowMs: number): boolean {
    return this.#rests.get(peer)?.isOpen(nowMs) !== true && this.#distrusts.get(peer)?.isOpen(nowMs) !== true
  }

  #candidateOf(peer: PeerId): Candidate {
    const { bytesUnderWay, silentMs } = this.#sources.get(peer) ?? { bytesUnderWay: 0, silentMs: 0 }
    return { peer, bytesUnderWay, bytesPerSecond: this.#paceOf(peer).bytesPerSecond(silentMs, this.#parts.clock.monotonicMs()) }
  }

  #paceOf(peer: PeerId): Pace {
    const pace = this.#paces.get(peer) ?? new Pace()
    this.#paces.set(peer, pace)
    return pace
  }

  #candidates(block: BlockRef): readonly PeerId[] {
    const nowMs = this.#parts.clock.monotonicMs()
    const name = bytesKey(block.id)
    return this.#peers.filter((peer) => {
      return this.#isAsked(peer, nowMs) && this.#lacking.get(peer)?.has(name) !== true
    })
  }

  /** undefined when the member is of no use now. */
  async #ask(
    peer: PeerId,
    wanted: readonly BlockRef[],
    isGuess: boolean,
    signal: AbortSignal,
  ): Promise<readonly (Uint8Array | undefined)[] | undefined> {
    const source = this.#source(peer)
    const hasMore = this.#hasMore.get(peer)
    try {
      const answers = await source.get(wanted, isGuess, signal)
      this.#rests.get(peer)?.didWell()
      if (this.#hasMore.get(peer) === hasMore) {
        for (const [at, block] of wanted.entries()) if (answers[at] === undefined) this.#noteLacking(peer, block)
      }
      return answers
    } catch (error) {
      if (signal.aborted) throw error
      const isLie = error instanceof EngineError && (error.code === 'PEER_MISBEHAVED' || error.code === 'FRAME_TOO_LARGE')
      if (isLie) this.distrust(peer)
      // Another request may have noticed before, and a new connection may have brought a new source since.
      this.#drop(peer, source)
      return undefined
    }
  }

  #source(peer: PeerId): BlockSource {
    const known = this.#sources.get(peer)
    if (known !== undefined) return known
    const made = new BlockSource(this.#parts, peer, this.#paceOf(peer))
    this.#sources.set(peer, made)
    return made
  }

  #noteLacking(peer: PeerId, block: BlockRef): void {
    const known = this.#lacking.get(peer) ?? new Set()
    known.add(bytesKey(block.id))
    this.#lacking.set(peer, known)
  }
}
