// A person's answer about held changes: let them spread, or take them for an accident.

import { folderIdText } from '../model/ids.ts'
import { refusePaused, stoppedError } from './folder-readiness.ts'
import type { FolderRegistry } from './folder-registry.ts'
import type { FolderRuntime } from './folder-runtime.ts'
import type { EngineWorld } from './parts.ts'

export interface DecideParts {
  readonly world: EngineWorld
  readonly folders: Pick<FolderRegistry, 'walkNow'>
  /** Aborts when the node ends. */
  readonly signal: AbortSignal
}

/** Resolves once the others can be told. Throws `NOTHING_HELD`, `FOLDER_STOPPED`, `NOT_ALLOWED`. */
export async function accept(parts: DecideParts, runtime: FolderRuntime, signal: AbortSignal): Promise<void> {
  const both = AbortSignal.any([signal, parts.signal])
  await makeRunning(runtime, both)
  if (runtime.isStopped) throw stoppedError(runtime)
  runtime.guard.decide('accepting')
  await parts.folders.walkNow(runtime, both)
}

/** Resolves once it is known what is to come back; it is fetched behind. Throws as `accept`. */
export async function reject(parts: DecideParts, runtime: FolderRuntime, signal: AbortSignal): Promise<void> {
  const both = AbortSignal.any([signal, parts.signal])
  await makeRunning(runtime, both)
  if (runtime.isStopped) {
    await makeAnew(parts, runtime, both)
    if (runtime.isStopped) throw stoppedError(runtime)
  } else runtime.guard.decide('rejecting')
  await parts.folders.walkNow(runtime, both)
}

async function makeRunning(runtime: FolderRuntime, signal: AbortSignal): Promise<void> {
  refusePaused(runtime)
  if (runtime.isStopped) await runtime.work.tryAgain(signal)
}

/** The directory is gone, or another one without a marker is in its place: it becomes a new place of the folder, to be filled. */
async function makeAnew({ world }: DecideParts, runtime: FolderRuntime, signal: AbortSignal): Promise<void> {
  const { root, record } = runtime.handle
  const state = await world.jobs.run('inspectRoot', { root, folder: folderIdText(record.id) }, { signal })
  if (state !== 'rootMissing' && state !== 'markerMissing') throw stoppedError(runtime)
  runtime.guard.takeBackAll() // first: with a marker and no answer everything would look deleted
  if (state === 'rootMissing') await world.jobs.run('makePlace', { path: root }, { signal })
  await world.jobs.run('establishRoot', { root, marker: { folder: folderIdText(record.id), createdMs: record.createdMs } }, { signal })
  await runtime.work.tryAgain(signal)
}
