// Jobs of the thread that lanes live in: agreeing on one, and the sending side. The receiving side is what is done with the
// content, so its job is with the flow (sync/fill-by-lane-job.ts).

import { equalBytes } from '../base/bytes.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'
import { blockKeyOf } from '../crypto/seal.ts'
import { recordFramingBytes, type LaneName, type LaneOffer, type LaneSockets, type LaneTake } from '../net/lanes.ts'
import { RangeOpener, type SealRange } from './seal-ranges-job.ts'

export interface LaneWorld extends JobWorld {
  readonly sockets: LaneSockets
}

/** A job as callers see it: the lane thread knows its world. */
export type InLaneWorld<Work extends (input: never, world: LaneWorld) => unknown> = (input: Parameters<Work>[0]) => ReturnType<Work>

/** The port. Throws `PORT_IN_USE`. */
export async function offerLane(input: LaneOffer & { readonly lane: LaneName }, { sockets }: LaneWorld): Promise<JobResult<number>> {
  return { output: await sockets.offer(input.lane, input) }
}

/** Throws `PEER_UNREACHABLE`. */
export async function takeLane(input: LaneTake & { readonly lane: LaneName }, { sockets }: LaneWorld): Promise<JobResult<undefined>> {
  await sockets.take(input.lane, input)
  return { output: undefined }
}

export function endLane(input: { readonly lane: LaneName }, { sockets }: LaneWorld): JobResult<undefined> {
  sockets.end(input.lane)
  return { output: undefined }
}

export interface SendByLaneInput {
  readonly lane: LaneName
  readonly root: string
  readonly sealKey: Uint8Array
  /** One a record; undefined = not here, an empty record. */
  readonly ranges: readonly (SealRange | undefined)[]
}

export interface SendByLaneOutput {
  /** Ranges whose file does not hold the block any more. */
  readonly stale: readonly number[]
  readonly wireBytes: number
}

const notHere = new Uint8Array(0)

/** Sends blocks in the clear: the lane's key is known to readers of the folder only. Throws `CLOSED`. */
export async function sendByLane(input: SendByLaneInput, { files, sockets }: LaneWorld): Promise<JobResult<SendByLaneOutput>> {
  const lane = sockets.sender(input.lane)
  let wireBytes = 0
  const opener = new RangeOpener(files, input.root)
  const stale: number[] = []
  try {
    for (const [at, range] of input.ranges.entries()) {
      const plaintext = range === undefined ? undefined : opener.read(range)
      const isBlock = plaintext !== undefined && range !== undefined && equalBytes(blockKeyOf(input.sealKey, plaintext), range.key)
      if (range !== undefined && !isBlock) stale.push(at)
      const record = isBlock ? plaintext : notHere
      wireBytes += record.length + recordFramingBytes
      await lane.send(record)
    }
  } finally {
    opener.close()
  }
  return { output: { stale, wireBytes } }
}
