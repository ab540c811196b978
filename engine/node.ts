// The engine on Node: real clock, disk, network, threads. What `serve` opens.

import { readFileSync } from 'node:fs'
import { openEngine, type Engine } from './engine.ts'
import type { NodeConfig } from './config.ts'
import { homePaths } from './platform/home.ts'
import { nodeClock } from './platform/node-clock.ts'
import { nodeFiles } from './platform/node-files.ts'
import { openNodeLog } from './platform/node-log.ts'
import { nodeRandom } from './platform/node-random.ts'
import { openThreadJobs } from './platform/thread-jobs.ts'
import { openWatcherAuto } from './platform/watchers.ts'
import type { EngineJobs } from './job-table.ts'
import { openLibp2pNetwork } from './net/libp2p-network.ts'

/** Two are enough to keep a small machine's cores busy beside the main thread; more threads cost memory each. */
const workerThreads = 2

/** Throws what `openEngine` throws. The home has been prepared. */
export async function openNode(config: NodeConfig, signal: AbortSignal): Promise<Engine> {
  await using stack = new AsyncDisposableStack()
  const paths = homePaths(config.home)
  const { log } = stack.use(openNodeLog(paths.logFile))
  const jobs = stack.use(openThreadJobs<EngineJobs>({ script: new URL('./worker.ts', import.meta.url), width: workerThreads, log }))
  const engine = stack.use(
    await openEngine(
      {
        clock: nodeClock(),
        random: nodeRandom(),
        files: nodeFiles(),
        jobs,
        log,
        openWatcher: openWatcherAuto(config.watch, log),
        openNetwork: (_identity, seed, until) =>
          openLibp2pNetwork({ identityKey: seed, listen: config.listen, discovery: config.discovery, log }, until),
        home: config.home,
        databasePath: paths.database,
        lockPath: paths.lock,
        keyPath: paths.key,
        segmentsPath: paths.segments,
        name: config.name,
        zone: config.zone,
        class: config.class,
        capacityBytes: config.capacityBytes ?? 0,
        version: readVersion(),
      },
      signal,
    ),
  )
  const owned = stack.move()
  return { controls: engine.controls, stopped: engine.stopped, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  const match = /"version":\s*"([^"]+)"/.exec(text)
  return match?.[1] ?? 'unknown'
}
