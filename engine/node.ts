// The engine on Node: real clock, disk, network, threads. What `serve` opens.

import { readFileSync, realpathSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { openEngine, type Engine } from './engine.ts'
import type { BucketConfig } from './bucket-config.ts'
import type { EngineWorld, WorldBucket } from './compose/parts.ts'
import type { NodeConfig } from './config.ts'
import { homePaths, weakDriveAt } from './platform/home.ts'
import { isOnMains } from './platform/mains-power.ts'
import { nodeClock } from './platform/node-clock.ts'
import { nodeFiles } from './platform/node-files.ts'
import { nodeRandom } from './platform/node-random.ts'
import { syncTree } from './platform/sync-tree.ts'
import { openThreadJobs } from './platform/thread-jobs.ts'
import { openWatcherAuto } from './platform/watchers.ts'
import type { EngineJobs } from './job-table.ts'
import type { LaneTable } from './lane-table.ts'
import { directHosts } from './transfer/lane-source.ts'
import { laneIdleMsMax } from './transfer/lanes.ts'
import { errorCodeOf, messageOf } from './base/errors.ts'
import type { Log } from './base/log.ts'
import { openLibp2pNetwork } from './net/libp2p-network.ts'
import type { Network } from './net/network.ts'
import { readPorts, rememberPorts, withPorts } from './platform/listen-memory.ts'

/**
 * A thread for each core with the main thread counted, within reason: each costs 25 MB, and on two cores a second one beside the main
 * thread won nothing in a first sync of 100,000 files.
 */
const workerThreadsMax = 4
const workerThreads = Math.max(1, Math.min(workerThreadsMax, availableParallelism() - 1))

/** The memory that SQLite shares between threads, and room in the index for letting go of a part of history. */
const homeReserveBytes = 2 * 1024 * 1024

/** Fewer files are flushed one by one: others' writes on the same drive are none of their business. */
const treeFlushFilesMin = 256

/** How soon things are done that take minutes to weeks; as they say themselves when absent. */
export type NodePaces = Pick<EngineWorld, 'retirePace' | 'standInPace'>

/** They wait for the network most of the time. */
const laneJobsMax = 64

/**
 * Throws what `openEngine` throws. The home has been prepared; `log` stays the caller's and must outlive the node. `paces` are for tests, which
 * cannot wait for weeks: nothing that a person can say gives them.
 */
export async function openNode(config: NodeConfig, log: Log, signal: AbortSignal, paces: NodePaces = {}): Promise<Engine> {
  await using stack = new AsyncDisposableStack()
  const paths = homePaths(config.home)
  const jobs = stack.use(openThreadJobs<EngineJobs>({ script: new URL('./worker.ts', import.meta.url), width: workerThreads, log }))
  const laneScript = new URL('./lane-worker.ts', import.meta.url)
  const laneOptions = { script: laneScript, width: 1, log, jobsPerThread: laneJobsMax, idleMsMax: 2 * laneIdleMsMax }
  const lanes = { jobs: stack.use(openThreadJobs<LaneTable>(laneOptions)), hosts: directHosts(config.listen) }
  const engine = stack.use(
    await openEngine(
      {
        clock: nodeClock(),
        random: nodeRandom(),
        files: nodeFiles(),
        jobs,
        lanes,
        log,
        openWatcher: openWatcherAuto(config.watch, log),
        openNetwork: (_identity, seed, until) => openNetwork(config, paths.ports, seed, log, until),
        home: realpathSync(config.home), // compared with folders' places, which have no symlinks in them
        reserveBytes: homeReserveBytes,
        databasePath: paths.database,
        databaseCare: {
          flush: (until) => jobs.run('flushDatabase', { path: paths.database }, { signal: until }),
          checkpoint: (until) => jobs.run('checkpointDatabase', { path: paths.database }, { signal: until }),
        },
        treeFlush: { filesMin: treeFlushFilesMin, flush: syncTree },
        lockPath: paths.lock,
        keyPath: paths.key,
        segmentsPath: paths.segments,
        isNewStore: config.newStore,
        ...(config.bucket === undefined ? {} : { bucket: stack.use(await openBucket(config.bucket)) }),
        bucketPath: paths.bucket,
        homeDrive: weakDriveAt(config.home, process.platform),
        name: config.name,
        zone: config.zone,
        class: config.class,
        capacityBytes: config.capacityBytes ?? 0,
        isMetered: config.metered,
        isOnMains,
        version: readVersion(),
        ...paces,
      },
      signal,
    ),
  )
  const owned = stack.move()
  return { controls: engine.controls, stopped: engine.stopped, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Loaded late: few nodes need it. */
async function openBucket(config: BucketConfig): Promise<WorldBucket & Disposable> {
  const { openS3Objects } = await import('./platform/s3-objects.ts')
  const objects = openS3Objects(config, config)
  return { objects, takeOver: config.takeOver, [Symbol.dispose]: () => objects[Symbol.dispose]() }
}

/** Listens where it did last time; on any free port where somebody else has taken that one meanwhile. */
async function openNetwork(
  config: NodeConfig,
  portsPath: string,
  identityKey: Uint8Array,
  log: Log,
  signal: AbortSignal,
): Promise<Network> {
  const { listen, discovery } = config
  const remembered = withPorts(listen, readPorts(portsPath))
  const network = await openLibp2pNetwork({ identityKey, listen: remembered, discovery, log }, signal).catch((error: unknown) => {
    if (errorCodeOf(error) !== 'PORT_IN_USE' || remembered.every((address, at) => address === listen[at])) throw error
    log.warn('the ports used before are taken: listening on others', { addresses: remembered.join(' ') })
    return openLibp2pNetwork({ identityKey, listen, discovery, log }, signal)
  })
  try {
    rememberPorts(portsPath, listen, network.addresses())
  } catch (error) {
    log.warn('could not note the ports: the next start may get others', { error: messageOf(error) })
  }
  return network
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  const match = /"version":\s*"([^"]+)"/.exec(text)
  return match?.[1] ?? 'unknown'
}
