// Letting go of blocks that others keep: asks members for keep leases, and hands those blocks on of which enough were granted. The other side
// of it grants them, by the same rules (lease.ts). Used wherever a copy is given up that something may refer to.

import { bytesKey, equalBytes } from '../base/bytes.ts'
import type { Clock, Random } from '../base/clock.ts'
import { errorCodeOf, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { inTime } from '../base/queue.ts'
import { blockProof } from '../crypto/block-proof.ts'
import type { BlockId, PeerId } from '../model/ids.ts'
import { ask, grant, hear, mayGo, rest, type LeaseState } from './lease.ts'

type Proofs = readonly (Uint8Array | undefined)[]

export interface LetGoParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Members that can be asked now and are believed, those first that are likeliest to have these blocks. */
  readonly keepers: (ids: readonly BlockId[]) => readonly PeerId[]
  /** How many others must keep a block. */
  readonly needed: () => number
  /** Blocks as they are here; undefined for those that are not. */
  readonly own: (ids: readonly BlockId[], signal: AbortSignal) => Promise<Proofs>
  /** Asks a member to keep blocks; a proof for each that it keeps. Throws when it is gone or does not answer. */
  readonly lease: (peer: PeerId, ids: readonly BlockId[], nonce: Uint8Array, signal: AbortSignal) => Promise<Proofs>
  /** Whether the member may ask for leases. */
  readonly mayAsk: (peer: PeerId) => boolean
  /** Of these, what this node keeps where it is, whoever asks. */
  readonly keeps: (ids: readonly BlockId[]) => readonly BlockId[]
  /** Somebody wants these: they are no garbage. Durable when it returns. */
  readonly wanted: (ids: readonly BlockId[]) => void
}

/** Blocks of one call: they are in memory while members are asked. */
export const letGoBlocksMax = 256

/** Who takes longer to read what it is asked for is asked another time: nobody else is granted these blocks meanwhile. */
const askTimeoutMs = 60_000
const roundBytes = 16
const nonceBytes = 32

export class LetGo {
  readonly #parts: LetGoParts
  /** Blocks that this node is asking for, by `bytesKey`. */
  readonly #asking = new Map<string, LeaseState>()

  constructor(parts: LetGoParts) {
    this.#parts = parts
  }

  /**
   * Asks for leases on at most `letGoBlocksMax` blocks, then calls `go` with those that enough others keep, if any; gives them. `go` must begin
   * to remove them before it first awaits, and until it has ended no lease is granted on them. Throws `ABORTED`, and what `go` throws.
   */
  async letGo(ids: readonly BlockId[], go: (ids: readonly BlockId[]) => Promise<void>, signal: AbortSignal): Promise<readonly BlockId[]> {
    const round = bytesKey(this.#parts.random.bytes(roundBytes))
    // Who asks already has its own round.
    const asked = ids.filter((id) => !this.#asking.has(bytesKey(id)))
    for (const id of asked) this.#asking.set(bytesKey(id), ask({ asking: undefined, isForsaken: false }, round))
    try {
      await this.#askAll(asked, round, signal)
      const needed = this.#parts.needed()
      const kept = asked.filter((id) => mayGo(this.#stateOf(id), needed))
      if (kept.length > 0) await go(kept)
      return kept
    } finally {
      for (const id of asked) this.#asking.delete(bytesKey(id))
    }
  }

  /** A member asks to keep blocks that were read here just now. Gives those that are kept, durably. */
  grant(to: PeerId, ids: readonly BlockId[]): readonly BlockId[] {
    const { mayAsk, keeps, wanted } = this.#parts
    if (!mayAsk(to)) return []
    const granted = keeps(ids).filter((id) => grant(this.#stateOf(id), true) !== undefined)
    if (granted.length > 0) wanted(granted)
    return granted
  }

  #stateOf(id: BlockId): LeaseState {
    return this.#asking.get(bytesKey(id)) ?? rest({ asking: undefined, isForsaken: false })
  }

  async #askAll(asked: readonly BlockId[], round: string, signal: AbortSignal): Promise<void> {
    const { clock, keepers, own, log } = this.#parts
    const blocks = await own(asked, signal)
    for (const peer of keepers(asked)) {
      const open = asked.flatMap((id, at) => {
        const bytes = blocks[at]
        return bytes === undefined || mayGo(this.#stateOf(id), this.#parts.needed()) ? [] : [{ id, bytes }]
      })
      if (open.length === 0) return
      try {
        await inTime(clock, askTimeoutMs, signal, (both) => this.#askOne(peer, open, round, both))
      } catch (error) {
        if (signal.aborted || errorCodeOf(error) === undefined) throw error
        log.debug('a member did not answer whether it keeps blocks', { peer, error: messageOf(error) })
      }
    }
  }

  /** Only who proves to have the very block counts. */
  async #askOne(
    peer: PeerId,
    open: readonly { readonly id: BlockId; readonly bytes: Uint8Array }[],
    round: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { random, lease } = this.#parts
    const nonce = random.bytes(nonceBytes)
    const ids = open.map(({ id }) => id)
    const proofs = await lease(peer, ids, nonce, signal)
    for (const [at, { id, bytes }] of open.entries()) {
      const proof = proofs[at]
      const state = this.#asking.get(bytesKey(id))
      if (state === undefined || proof === undefined || !equalBytes(proof, blockProof(peer, nonce, bytes))) continue
      this.#asking.set(bytesKey(id), hear(state, peer, round))
    }
  }
}
