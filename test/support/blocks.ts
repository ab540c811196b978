// Blocks, folders and small segment stores for tests of stores.

import { silentLog } from '../../engine/base/log.ts'
import type { Clock, Random } from '../../engine/base/clock.ts'
import type { Files } from '../../engine/base/files.ts'
import { present } from '../../engine/base/assert.ts'
import { blockIdOf } from '../../engine/crypto/seal.ts'
import { hashIdBytes, idVersion, parseFolderId, type FolderId } from '../../engine/model/ids.ts'
import type { SegmentLimits } from '../../engine/blocks/segment-limits.ts'
import { openSegmentStore, type SegmentStore } from '../../engine/blocks/segment-store.ts'
import type { StoredBlock } from '../../engine/blocks/store.ts'

export const never: AbortSignal = new AbortController().signal

export function testFolder(seed: number): FolderId {
  const bytes = new Uint8Array(hashIdBytes).fill(seed)
  bytes[0] = idVersion
  return present(parseFolderId(bytes), 'a test folder id')
}

/** Content that depends on the seed alone. */
export function testBytes(seed: number, lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes)
  let state = (seed * 2654435761 + 97) >>> 0
  for (let index = 0; index < lengthBytes; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

export function testBlock(seed: number, lengthBytes = 300, folder: FolderId = testFolder(1)): StoredBlock {
  const bytes = testBytes(seed, lengthBytes)
  return { folder, id: blockIdOf(bytes), bytes }
}

/** A repeatable source of numbers below `below`. */
export function seededChance(seed: number): (below: number) => number {
  let state = (seed * 747796405 + 2891336453) >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

export const stillClock: Clock = { nowMs: () => 0, monotonicMs: () => 0, sleep: () => Promise.resolve() }

export const testRandom: Random = { bytes: (length) => testBytes(4711, length) }

/** Small enough that a few blocks fill a segment. */
export const smallLimits: Partial<SegmentLimits> = {
  segmentBytes: 3000,
  groupBlocksMax: 4,
  groupBytesMax: 2000,
  reserveBytes: 1000,
  openSegmentsMax: 2,
  compactActiveDeadBytesMin: 1,
}

export async function openSmallStore(files: Files, limits: Partial<SegmentLimits> = {}, create = true): Promise<SegmentStore> {
  return await openSegmentStore(
    { files, directory: '/store', clock: stillClock, random: testRandom, log: silentLog, create, limits: { ...smallLimits, ...limits } },
    never,
  )
}
