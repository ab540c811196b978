// Stores of packs for tests: with the index on a file system in memory, so that a home can be kept, lost or set back.

import { silentLog } from '../../engine/base/log.ts'
import type { Random } from '../../engine/base/clock.ts'
import type { Files } from '../../engine/base/files.ts'
import type { Objects } from '../../engine/base/objects.ts'
import type { PackLimits } from '../../engine/blocks/pack-limits.ts'
import { openPackStore } from '../../engine/blocks/pack-store.ts'
import type { SegmentStore } from '../../engine/blocks/segment-store.ts'
import { nodeClock } from '../../engine/platform/node-clock.ts'
import { nodeRandom } from '../../engine/platform/node-random.ts'
import { never } from './blocks.ts'
import { CrashFiles } from './crash-files.ts'

export interface TestPacks {
  readonly files?: Files
  readonly owner?: string
  readonly takeOver?: boolean
  readonly limits?: Partial<PackLimits>
  readonly random?: Random
}

/** Pauses short enough for a test. */
const retry = { attemptsMax: 4, pauseMs: 2, pauseMsMax: 8, restMs: 0 }

export async function openTestPacks(
  objects: Objects,
  { files, owner = 'peer-1', takeOver = false, limits, random = nodeRandom() }: TestPacks = {},
): Promise<SegmentStore> {
  const world = { clock: nodeClock(), random, log: silentLog }
  const options = { ...world, objects, files: files ?? new CrashFiles(), directory: '/bucket', owner, node: `node of ${owner}`, takeOver }
  return await openPackStore({ ...options, limits: { retry, ...limits } }, never)
}
