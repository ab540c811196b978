// Who this node is in a folder: whether it may go on as the author that its index says, or begins as another. It finds out when the folder's
// work begins, and when members know changes in its name that it does not have.

import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { SessionFile } from '../disk/session.ts'
import type { Index } from '../index/index-store.ts'
import { incarnationBytes } from '../model/limits.ts'
import type { FolderHandle } from '../sync/folder-handle.ts'
import { becomeAnother } from '../sync/own-past.ts'
import { beginSession } from './folder-standing.ts'
import type { EngineWorld } from './parts.ts'

export interface SelfParts {
  readonly world: EngineWorld
  readonly index: Index
  readonly handle: FolderHandle
  readonly log: Log
  /** Another author has written anew what nobody was told; the folder is to be opened as that one. */
  readonly becameAnother: () => void
}

/** Offline too a folder has to begin some time. */
const meetMembersMs = 10_000
const meetPollMs = 50

export class FolderSelf {
  readonly #parts: SelfParts
  #hasMetOwnPast = false
  /** Index and folder are of the same time. */
  #hasSession = false
  #file: SessionFile | undefined
  /** What some member may have been told before this process began. */
  readonly #toldBefore: number

  constructor(parts: SelfParts) {
    this.#parts = parts
    this.#toldBefore = parts.index.folders.toldSeq(parts.handle.row)
  }

  /** What the work that is under way began with. */
  get file(): SessionFile | undefined {
    return this.#file
  }

  /** The folder's work begins anew: whatever is in its place is judged then. */
  forget(): void {
    this.#file = undefined
  }

  /** False when index and folder are of different times: the row has another author now, and the folder is to be opened anew. */
  async begin(signal: AbortSignal): Promise<boolean> {
    const { judgement, file } = await beginSession(this.#parts, signal)
    this.#hasSession = judgement === 'first' || judgement === 'same'
    this.#file = file
    return this.#hasSession
  }

  /**
   * A new session while the folder is at work: an index that was saved before this moment is then known as an old one. False when index and
   * folder turn out to be of different times. Where the disk is full the session before may go on.
   */
  async renew(signal: AbortSignal): Promise<boolean> {
    this.forget() // whoever compares meanwhile compares anew
    return await this.begin(signal)
  }

  /**
   * A member has heard from another self of this node: what that one wrote comes from the members. What this process told others of is written
   * again with what nobody was told: whoever knows the other self's changes refuses these, which have the same numbers.
   */
  meetOwnPast(seq: number): void {
    if (this.#hasMetOwnPast || !this.#hasSession) return // the session, once it begins, shows it as well, and more
    this.#hasMetOwnPast = true
    const { index, handle, world, log, becameAnother } = this.#parts
    const floor = Math.min(this.#toldBefore, seq - 1)
    log.warn('members know changes in the name of this node that it does not have', { seq, floor })
    becomeAnother(index, handle, world.random.bytes(incarnationBytes), floor, world.clock.nowMs())
    index.transactDurably(() => index.renewId(world.random))
    becameAnother()
  }
}

/** Waits until `hasMet`, a while at most. What members tell before the disk is looked at is then no new edit. */
export async function meetMembers(clock: Clock, hasMet: () => boolean, signal: AbortSignal): Promise<void> {
  const untilMs = clock.monotonicMs() + meetMembersMs
  while (!hasMet() && clock.monotonicMs() < untilMs) await clock.sleep(meetPollMs, signal)
}
