// The life of a daemon process around a node: home, log, the API's doors, the ready line, and an orderly end.

import { createApi } from '../api/server.ts'
import type { Controls } from '../api/controls.ts'
import { listenOnLoopback, listenOnSocket } from '../api/listen.ts'
import type { ApiAddress } from '../api/listen.ts'
import { socketHost } from '../api/calls.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { NodeConfig } from '../config.ts'
import { loadApiToken, removeStaleSocket, restrictSocket, secureSocketDirectory, socketPathOf } from '../platform/home.ts'

export interface RunningNode extends AsyncDisposable {
  readonly controls: Controls
  /** Resolves when the node was asked to stop through its controls. */
  readonly stopped: Promise<void>
}

/** engine/node.ts has the real one. `signal` aborts when the process is asked to end. */
export type OpenNode = (config: NodeConfig, log: Log, signal: AbortSignal) => Promise<RunningNode>

export interface ServeParts {
  readonly openNode: OpenNode
  readonly clock: Clock
  readonly log: Log
  readonly platform: NodeJS.Platform
  /** Told once everything answers. */
  ready(line: string): void
}

/** Runs until the node was asked to stop or `signal` aborts, then ends everything in order. The home is prepared. Throws what opening throws. */
export async function serve(config: NodeConfig, api: ApiAddress | undefined, parts: ServeParts, signal: AbortSignal): Promise<void> {
  const { clock, log, platform, openNode } = parts
  await using stack = new AsyncDisposableStack()
  const socketPath = socketPathOf(config.home, platform)
  secureSocketDirectory(socketPath, config.home)
  // Disposed in reverse: the node ends while the doors still answer, so "stop" can see when it has.
  const closing = new AbortController()
  const node = await openNode(config, log, signal)
  const doors = stack.adopt(new AsyncDisposableStack(), (open) => open.disposeAsync())
  stack.use(node)
  stack.defer(() => closing.abort())
  const shared = { controls: node.controls, clock, log, signal: closing.signal }
  const door = { removeStale: removeStaleSocket, restrict: restrictSocket }
  doors.use(await listenOnSocket(socketPath, createApi({ ...shared, token: undefined, allowedHosts: [socketHost] }), door, parts))
  const token = api === undefined ? '' : loadApiToken(config.home)
  const loopback =
    api === undefined ? undefined : await listenOnLoopback(api, (allowedHosts) => createApi({ ...shared, token, allowedHosts }), parts)
  if (loopback !== undefined) doors.use(loopback)

  const { peerId, addresses } = node.controls.identity()
  parts.ready(`holdfast ready ${JSON.stringify({ peerId, addresses, ...(loopback === undefined ? {} : { ui: loopback.url }) })}`)
  log.info('ready', { peerId, addresses: addresses.join(' '), api: loopback?.url })
  await Promise.race([node.stopped, aborted(signal)])
  log.info('stopping')
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
