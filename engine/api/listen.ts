// Opens the doors to the API: the Unix socket (or named pipe) of a home, and loopback TCP when asked for.

import { createServer, request } from 'node:http'
import type { Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Clock } from '../base/clock.ts'
import { EngineError, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'

/** A Hono app is one. */
export interface Answerer {
  fetch(request: Request): Response | Promise<Response>
}

/** What listening on a socket needs of the file system: platform/home.ts has Node's. */
export interface SocketDoor {
  /** Removes a socket that nobody listens on any more. */
  removeStale(path: string): void
  /** Keeps other users out. */
  restrict(path: string): void
}

export interface ApiListener extends AsyncDisposable {
  /** `http://host:port`; undefined for a socket. */
  readonly url: string | undefined
}

export interface ListenParts {
  readonly clock: Clock
  readonly log: Log
}

const connectionsMax = 256
const headerBytesMax = 16 * 1024
const headersTimeoutMs = 10_000
const requestTimeoutMs = 30_000
/** How long answers under way may still take when the daemon ends. */
const closeGraceMs = 1000

/** Listens on a socket. Throws `ALREADY_RUNNING` when another daemon answers there. */
export async function listenOnSocket(socketPath: string, app: Answerer, door: SocketDoor, parts: ListenParts): Promise<ApiListener> {
  const isPipe = socketPath.startsWith('\\\\')
  if (!isPipe) {
    if (await isAnswered(socketPath)) {
      throw new EngineError(
        'ALREADY_RUNNING',
        `another daemon answers on ${socketPath}: use it, stop it with "holdfast stop", or start this one with another --home`,
      )
    }
    door.removeStale(socketPath)
  }
  const server = boundedServer()
  answerWith(server, app, parts.log)
  await listening(server, { path: socketPath, readableAll: false, writableAll: false }, socketPath)
  if (!isPipe) door.restrict(socketPath)
  return listenerOf(server, undefined, parts)
}

export interface ApiAddress {
  readonly host: string
  readonly port: number
}

/**
 * Listens on loopback TCP. `makeApp` gets the Host headers to allow, which hold the port that was found when `port` is 0.
 * Throws `PORT_IN_USE`.
 */
export async function listenOnLoopback(
  address: ApiAddress,
  makeApp: (allowedHosts: readonly string[]) => Answerer,
  parts: ListenParts,
): Promise<ApiListener> {
  const server = boundedServer()
  await listening(server, { host: address.host, port: address.port, exclusive: true }, `${address.host}:${address.port}`)
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  // Nobody's request is lost: connections are taken in a later turn of the event loop.
  answerWith(server, makeApp([`${host}:${port}`, `localhost:${port}`]), parts.log)
  return listenerOf(server, `http://${host}:${port}`, parts)
}

/** `HOST:PORT` of `--api`. Throws `BAD_ARGUMENT` for anything that is not loopback. */
export function parseApiAddress(text: string): ApiAddress {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const host = (match?.[1] ?? match?.[2] ?? '').toLowerCase()
  const port = Number(match?.[3])
  if (match === null || port > 65_535) {
    throw new EngineError(
      'BAD_ARGUMENT',
      `--api ${text}: give HOST:PORT, for example 127.0.0.1:8384 or [::1]:8384 (port 0 takes any free one)`,
    )
  }
  if (host === 'localhost') return { host: '127.0.0.1', port }
  if (host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)) return { host, port }
  throw new EngineError(
    'BAD_ARGUMENT',
    `--api ${text}: the API listens on this machine only (127.0.0.1 or [::1]); to reach it from elsewhere use an SSH tunnel: ssh -L 8384:127.0.0.1:8384 HOST`,
  )
}

function boundedServer(): Server {
  const server = createServer({
    maxHeaderSize: headerBytesMax,
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: headersTimeoutMs,
  })
  server.maxConnections = connectionsMax
  return server
}

function answerWith(server: Server, app: Answerer, log: Log): void {
  const answer = getRequestListener((incoming) => app.fetch(incoming))
  server.on('request', (incoming, outgoing) => {
    // A broken request has had its answer, or its client has gone; either way there is nobody to tell.
    answer(incoming, outgoing).catch((error: unknown) => log.debug('an API request broke off', { error: messageOf(error) }))
  })
}

async function listening(server: Server, where: object, name: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, name)))
    server.listen(where, () => resolve())
  })
}

function listenError(error: Error, name: string): EngineError {
  const fault = 'code' in error ? error.code : undefined
  if (fault === 'EADDRINUSE') {
    return new EngineError(
      'PORT_IN_USE',
      `cannot listen on ${name}: another program does; for --api choose another port, or 0 for any free one`,
      { cause: error },
    )
  }
  return new EngineError('HOME_UNUSABLE', `cannot listen on ${name}: ${error.message}`, { cause: error })
}

function listenerOf(server: Server, url: string | undefined, { clock, log }: ListenParts): ApiListener {
  server.removeAllListeners('error')
  server.on('error', (error) => log.warn('the API listener had trouble', { error: error.message }))
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      const isClosed = new AbortController()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeIdleConnections()
      const cut = clock.sleep(closeGraceMs, isClosed.signal).then(
        () => server.closeAllConnections(),
        () => undefined, // everyone left in time
      )
      await closed
      isClosed.abort()
      await cut
    },
  }
}

async function isAnswered(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = request({ socketPath, path: '/', agent: false })
    const settle = (value: boolean): void => {
      resolve(value)
      probe.destroy()
    }
    probe.on('socket', (socket) => socket.on('connect', () => settle(true)))
    probe.on('error', () => settle(false)) // refused or missing: a full backlog connects all the same
  })
}
