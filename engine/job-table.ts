// The jobs that run off the main thread. With engine.ts the only place that knows all of them; worker.ts runs them in threads.

import { scrubSegment } from './blocks/scrub-segment-job.ts'
import { inFolder } from './disk/exact-files.ts'
import { flushFiles } from './disk/flush-files-job.ts'
import { inspectPlace, inspectRoot, establishRoot, makePlace, tidyRoot, unpark } from './disk/folder-jobs.ts'
import { dropParked, listParked } from './disk/parked-jobs.ts'
import { readSettings } from './disk/read-settings.ts'
import { readSession, writeSession } from './disk/session.ts'
import { statPaths } from './disk/stat-paths.ts'
import { listDirectories } from './disk/walk.ts'
import { checkpointDatabase, flushDatabase } from './index/care-jobs.ts'
import { layOut } from './replicas/lay-out-job.ts'
import { mergeAppends } from './sync/append-job.ts'
import { checkEntries } from './sync/check-entries-job.ts'
import { exportPieces, finishExport, inspectExport, prepareExport } from './sync/export-job.ts'
import { ingestBatch, ingestWindow } from './sync/ingest-job.ts'
import { checkLarge, dropTemporaries, fillLarge, finishLarge, listLarge, prepareLarge } from './sync/large-file-job.ts'
import { publishBatch } from './sync/publish-job.ts'
import { sealRanges } from './transfer/seal-ranges-job.ts'
import { verifyFiles } from './sync/verify-job.ts'

export type EngineJobs = {
  readonly checkEntries: typeof checkEntries
  readonly checkLarge: typeof checkLarge
  readonly checkpointDatabase: typeof checkpointDatabase
  readonly dropParked: typeof dropParked
  readonly dropTemporaries: typeof dropTemporaries
  readonly establishRoot: typeof establishRoot
  readonly exportPieces: typeof exportPieces
  readonly finishExport: typeof finishExport
  readonly flushDatabase: typeof flushDatabase
  readonly flushFiles: typeof flushFiles
  readonly fillLarge: typeof fillLarge
  readonly finishLarge: typeof finishLarge
  readonly ingestBatch: typeof ingestBatch
  readonly ingestWindow: typeof ingestWindow
  readonly inspectExport: typeof inspectExport
  readonly inspectPlace: typeof inspectPlace
  readonly inspectRoot: typeof inspectRoot
  readonly layOut: typeof layOut
  readonly listDirectories: typeof listDirectories
  readonly listLarge: typeof listLarge
  readonly listParked: typeof listParked
  readonly makePlace: typeof makePlace
  readonly mergeAppends: typeof mergeAppends
  readonly prepareExport: typeof prepareExport
  readonly prepareLarge: typeof prepareLarge
  readonly publishBatch: typeof publishBatch
  readonly readSession: typeof readSession
  readonly readSettings: typeof readSettings
  readonly scrubSegment: typeof scrubSegment
  readonly sealRanges: typeof sealRanges
  readonly statPaths: typeof statPaths
  readonly tidyRoot: typeof tidyRoot
  readonly unpark: typeof unpark
  readonly verifyFiles: typeof verifyFiles
  readonly writeSession: typeof writeSession
}

export const jobTable: EngineJobs = {
  checkEntries,
  checkLarge: inFolder(checkLarge),
  checkpointDatabase,
  dropParked,
  dropTemporaries,
  establishRoot,
  exportPieces: inFolder(exportPieces),
  fillLarge: inFolder(fillLarge),
  finishExport,
  finishLarge: inFolder(finishLarge),
  flushDatabase,
  flushFiles: inFolder(flushFiles),
  ingestBatch: inFolder(ingestBatch),
  ingestWindow: inFolder(ingestWindow),
  inspectExport,
  inspectPlace,
  inspectRoot,
  layOut,
  listDirectories: inFolder(listDirectories),
  listLarge,
  listParked,
  makePlace,
  mergeAppends: inFolder(mergeAppends),
  prepareExport,
  prepareLarge: inFolder(prepareLarge),
  publishBatch: inFolder(publishBatch),
  readSession,
  readSettings,
  scrubSegment,
  sealRanges: inFolder(sealRanges),
  statPaths: inFolder(statPaths),
  tidyRoot,
  unpark: inFolder(unpark),
  verifyFiles: inFolder(verifyFiles),
  writeSession,
}
