// Fetches blocks from whichever members have them: many ids a request, several requests under way at once, the next member
// asked for what one lacks. What comes back is not checked here: the job that opens it does, and reports who lied.

import { bytesKey } from '../base/bytes.ts'
import { EngineError } from '../base/errors.ts'
import { FilesError } from '../base/files.ts'
import type { BlockRef } from '../model/entry.ts'
import type { BlockId, PeerId } from '../model/ids.ts'
import type { LaneName } from '../net/lanes.ts'
import { requestIdsMax } from './blocks-frames.ts'
import { BlockSource, type BlockSourceParts } from './block-source.ts'

export interface FetchedBlock {
  readonly bytes: Uint8Array
  readonly from: PeerId
}

/** One request asks for about this much: several fit under way, and a slow peer holds up little. */
const requestBytesTarget = 2 * 1024 * 1024
/** A peer that sent wrong bytes is left alone for this long. */
const distrustMs = 60_000
/** One that broke off, unless its connection was what broke: a new one is a new start. */
const restMs = 2000

export class Fetcher {
  readonly #parts: BlockSourceParts
  readonly #sources = new Map<PeerId, BlockSource>()
  /** Blocks that a peer said it lacks, until it says that it has more. */
  readonly #lacking = new Map<PeerId, Set<string>>()
  /** How often a peer said so: an answer from before does not count after. */
  readonly #hasMore = new Map<PeerId, number>()
  readonly #restUntilMs = new Map<PeerId, number>()
  readonly #distrustUntilMs = new Map<PeerId, number>()
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
    for (const peer of this.#restUntilMs.keys()) if (!peers.includes(peer)) this.#restUntilMs.delete(peer)
  }

  /** The peer has more blocks than before. */
  peerHas(peer: PeerId): void {
    this.#lacking.delete(peer)
    this.#hasMore.set(peer, (this.#hasMore.get(peer) ?? 0) + 1)
  }

  /** The peer sent bytes that are not the block: others are asked for a while. */
  distrust(peer: PeerId): void {
    this.#distrustUntilMs.set(peer, this.#parts.clock.monotonicMs() + distrustMs)
    this.#onLie(peer)
  }

  close(): void {
    this.setPeers([])
  }

  /** One result a block, in their order: undefined where no reachable member has it now. Throws only `ABORTED`. */
  async fetch(blocks: readonly BlockRef[], signal: AbortSignal): Promise<readonly (FetchedBlock | undefined)[]> {
    const results = Array.from<FetchedBlock | undefined>({ length: blocks.length })
    let open = blocks.map((_, at) => at)
    while (open.length > 0) {
      const assigned = this.#assign(blocks, open)
      if (assigned.length === 0) break
      await Promise.all(assigned.map((request) => this.#ask(request.peer, request.places, blocks, results, signal)))
      open = open.filter((at) => results[at] === undefined)
    }
    return results
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
    if (!this.#peers.includes(peer)) throw new EngineError('PEER_UNREACHABLE', `${peer} is not connected: it is asked when it is back`)
    const source = this.#source(peer)
    try {
      return await source.prove(ids, nonce, signal)
    } catch (error) {
      if (!signal.aborted) this.#drop(peer, source)
      throw error
    }
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
    this.#restUntilMs.set(peer, this.#parts.clock.monotonicMs() + restMs)
  }

  #isAsked(peer: PeerId, nowMs: number): boolean {
    return (this.#restUntilMs.get(peer) ?? 0) <= nowMs && (this.#distrustUntilMs.get(peer) ?? 0) <= nowMs
  }

  /** Deals the open blocks out in requests to the peers with the least under way. */
  #assign(blocks: readonly BlockRef[], open: readonly number[]): readonly { peer: PeerId; places: number[] }[] {
    const loads = new Map(this.#peers.map((peer) => [peer, this.#sources.get(peer)?.bytesUnderWay ?? 0]))
    const requests: { peer: PeerId; places: number[]; bytes: number }[] = []
    for (const at of open) {
      const block = blocks[at]
      if (block === undefined) continue
      const candidates = this.#candidates(block)
      const peer = candidates.toSorted((left, right) => (loads.get(left) ?? 0) - (loads.get(right) ?? 0))[0]
      if (peer === undefined) continue
      const last = requests.findLast((request) => request.peer === peer)
      loads.set(peer, (loads.get(peer) ?? 0) + block.storedBytes)
      if (last !== undefined && last.bytes < requestBytesTarget && last.places.length < requestIdsMax) {
        last.places.push(at)
        last.bytes += block.storedBytes
      } else requests.push({ peer, places: [at], bytes: block.storedBytes })
    }
    return requests
  }

  #candidates(block: BlockRef): readonly PeerId[] {
    const nowMs = this.#parts.clock.monotonicMs()
    const name = bytesKey(block.id)
    return this.#peers.filter((peer) => {
      return this.#isAsked(peer, nowMs) && this.#lacking.get(peer)?.has(name) !== true
    })
  }

  async #ask(
    peer: PeerId,
    places: readonly number[],
    blocks: readonly BlockRef[],
    results: (FetchedBlock | undefined)[],
    signal: AbortSignal,
  ): Promise<void> {
    const wanted = places.flatMap((at) => blocks[at] ?? [])
    const source = this.#source(peer)
    const hasMore = this.#hasMore.get(peer)
    try {
      const answers = await source.get(wanted, signal)
      for (const [at, bytes] of answers.entries()) {
        const place = places[at]
        const block = wanted[at]
        if (place === undefined || block === undefined) continue
        if (bytes === undefined) {
          if (this.#hasMore.get(peer) === hasMore) this.#noteLacking(peer, block)
        } else results[place] = { bytes, from: peer }
      }
    } catch (error) {
      if (signal.aborted) throw error
      const isLie = error instanceof EngineError && (error.code === 'PEER_MISBEHAVED' || error.code === 'FRAME_TOO_LARGE')
      if (isLie) this.distrust(peer)
      // Another request may have noticed before, and a new connection may have brought a new source since.
      this.#drop(peer, source)
    }
  }

  #source(peer: PeerId): BlockSource {
    const known = this.#sources.get(peer)
    if (known !== undefined) return known
    const made = new BlockSource(this.#parts, peer)
    this.#sources.set(peer, made)
    return made
  }

  #noteLacking(peer: PeerId, block: BlockRef): void {
    const known = this.#lacking.get(peer) ?? new Set()
    known.add(bytesKey(block.id))
    this.#lacking.set(peer, known)
  }
}
