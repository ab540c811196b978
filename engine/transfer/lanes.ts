// The main thread's side of lanes (net/lanes.ts): agrees on them, ends them, counts what they carried.

import type { Random } from '../base/clock.ts'
import { toHex } from '../base/bytes.ts'
import { errorCodeOf } from '../base/errors.ts'
import type { Jobs } from '../base/jobs.ts'
import { deriveLaneKey } from '../crypto/lane-cipher.ts'
import { laneSecretBytes, laneTokenBytes, type LaneName } from '../net/lanes.ts'
import type { Traffic } from '../net/network.ts'
import type { endLane, InLaneWorld, offerLane, sendByLane, takeLane } from './lane-jobs.ts'
import type { SealRange } from './seal-ranges-job.ts'

export type LaneJobs = Jobs<{
  readonly endLane: InLaneWorld<typeof endLane>
  readonly offerLane: InLaneWorld<typeof offerLane>
  readonly sendByLane: InLaneWorld<typeof sendByLane>
  readonly takeLane: InLaneWorld<typeof takeLane>
}>

/** A lane that carries nothing for this long ends. */
export const laneIdleMsMax = 30_000

export interface LaneTerms {
  readonly port: number
  readonly token: Uint8Array
  readonly secret: Uint8Array
}

export class Lanes {
  readonly #jobs: LaneJobs
  readonly #hosts: readonly string[]
  readonly #random: Random
  #sentBytes = 0
  #receivedBytes = 0

  /** `hosts`: this machine's addresses that others may connect to. */
  constructor(jobs: LaneJobs, hosts: readonly string[], random: Random) {
    this.#jobs = jobs
    this.#hosts = hosts
    this.#random = random
  }

  /** Framing included. */
  get traffic(): Traffic {
    return { sentBytes: this.#sentBytes, receivedBytes: this.#receivedBytes }
  }

  noteReceived(bytes: number): void {
    this.#receivedBytes += bytes
  }

  /** Has the thread started that lanes live in: the member needs as long for its own. */
  prepare(): void {
    this.end('')
  }

  /** Waits for a member on a port of its own for a few seconds; undefined where that cannot be done. */
  async offer(sealKey: Uint8Array, signal: AbortSignal): Promise<{ readonly lane: LaneName; readonly terms: LaneTerms } | undefined> {
    const token = this.#random.bytes(laneTokenBytes)
    const secret = this.#random.bytes(laneSecretBytes)
    const lane = toHex(token)
    try {
      const key = deriveLaneKey(secret, sealKey)
      const port = await this.#jobs.run('offerLane', { lane, hosts: this.#hosts, token, key }, { signal })
      return { lane, terms: { port, token, secret } }
    } catch (error) {
      if (errorCodeOf(error) === 'PORT_IN_USE') return undefined
      throw error
    }
  }

  /** Connects to a member that offered a lane. Throws `PEER_UNREACHABLE`. */
  async take(hosts: readonly string[], terms: LaneTerms, sealKey: Uint8Array, signal: AbortSignal): Promise<LaneName> {
    const lane = toHex(this.#random.bytes(laneTokenBytes))
    const key = deriveLaneKey(terms.secret, sealKey)
    await this.#jobs.run('takeLane', { lane, hosts, port: terms.port, token: terms.token, key }, { signal })
    return lane
  }

  /** Sends a block a range, an empty record where there is none; gives the places whose file does not hold it. Throws `CLOSED`. */
  async send(
    lane: LaneName,
    content: { readonly root: string; readonly sealKey: Uint8Array; readonly ranges: readonly (SealRange | undefined)[] },
    signal: AbortSignal,
  ): Promise<readonly number[]> {
    const { stale, wireBytes } = await this.#jobs.run('sendByLane', { lane, ...content }, { signal })
    this.#sentBytes += wireBytes
    return stale
  }

  end(lane: LaneName): void {
    this.#jobs.run('endLane', { lane }, { signal: new AbortController().signal }).catch(() => undefined) // the thread is gone, and the lane with it
  }
}
