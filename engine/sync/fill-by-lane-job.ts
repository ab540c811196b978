// The receiving side of a lane: blocks of a large file go from the connection to their places in its temp file, checked, without
// passing the main thread.

import { assert } from '../base/assert.ts'
import type { JobResult } from '../base/jobs.ts'
import { hashKeyBytes } from '../crypto/hash.ts'
import { recordFramingBytes, type LaneName } from '../net/lanes.ts'
import type { LaneWorld } from '../transfer/lane-jobs.ts'
import { openLargeTemporary, writeUnlessHole } from './large-file-job.ts'
import { isKeyOf } from './publish-job.ts'

export interface FillByLaneInput {
  readonly lane: LaneName
  readonly root: string
  readonly temporary: string
  readonly sealKey: Uint8Array
  /** Of the blocks that come, in their order: keys one after the other, places in the file, lengths. */
  readonly keys: Uint8Array
  readonly offsets: readonly number[]
  readonly lengths: readonly number[]
  /** Whether the device gets the file's bytes now: all of a large file at its end would leave it idle until then. */
  readonly isFlushed: boolean
}

export interface FillByLaneOutput {
  /** By block: whether it is in the file now, was not there to be sent, or was something else. */
  readonly outcomes: readonly ('written' | 'absent' | 'bad')[]
  readonly wireBytes: number
}

/** Throws `CLOSED` when the lane broke, FilesError; the lane is of no more use then. */
export async function fillByLane(input: FillByLaneInput, { files, sockets }: LaneWorld): Promise<JobResult<FillByLaneOutput>> {
  assert(input.keys.length === input.lengths.length * hashKeyBytes, 'a key a block')
  const lane = sockets.receiver(input.lane)
  const outcomes: FillByLaneOutput['outcomes'][number][] = []
  const file = openLargeTemporary(files, input)
  let wireBytes = 0
  try {
    await lane.receive(input.lengths.length, (plaintext, at) => {
      const outcome = checkBlock(input, plaintext, at)
      outcomes.push(outcome)
      wireBytes += plaintext.length + recordFramingBytes
      if (outcome === 'written') writeUnlessHole(file, plaintext, input.offsets[at] ?? 0)
    })
    if (input.isFlushed) await file.datasync()
  } finally {
    file.close()
  }
  return { output: { outcomes, wireBytes } }
}

function checkBlock(input: FillByLaneInput, plaintext: Uint8Array, at: number): 'written' | 'absent' | 'bad' {
  if (plaintext.length === 0) return 'absent'
  const key = input.keys.subarray(at * hashKeyBytes, (at + 1) * hashKeyBytes)
  return plaintext.length === input.lengths[at] && isKeyOf(input.sealKey, plaintext, key) ? 'written' : 'bad'
}
