// The production engine inside a simulated machine: the only place where the simulator knows engine.ts.

import { openEngine } from '../../engine/engine.ts'
import { jobTable } from '../../engine/job-table.ts'
import type { NodeWorld, OpenedNode } from './node.ts'

/** Opens a node of the engine in `world`. */
export async function openEngineNode(world: NodeWorld): Promise<OpenedNode> {
  const { clock, random, files, log, openWatcher, homePath, databasePath, name, card, pace, isNewStore, bucket } = world
  return openEngine(
    {
      clock,
      random,
      files,
      log,
      openWatcher,
      jobs: world.makeJobs(jobTable),
      openNetwork: async (identity) => world.openNetwork(identity.peerId),
      home: homePath,
      databasePath,
      onDatabaseFlushed: world.onDatabaseFlushed,
      databaseCare: {
        // The flush takes a while, and covers what was committed when it began.
        flush: async (signal) => {
          const isFlushed = world.beginDatabaseFlush()
          await clock.sleep(1, signal)
          isFlushed()
        },
        checkpoint: async () => false,
      },
      lockPath: `${databasePath}.lock`,
      keyPath: `${homePath}/node.key`,
      segmentsPath: `${homePath}/segments`,
      isNewStore,
      bucketPath: `${homePath}/bucket`,
      ...(bucket === undefined ? {} : { bucket: { objects: bucket, takeOver: false } }),
      name,
      zone: card.zone,
      class: card.class,
      capacityBytes: card.capacityBytes,
      version: '0.0.0',
      ...(pace === undefined ? {} : { retirePace: pace.retire }),
      ...(pace?.standIn === undefined ? {} : { standInPace: pace.standIn }),
      ...(pace?.absence === undefined ? {} : { absencePace: pace.absence }),
    },
    new AbortController().signal,
  )
}
