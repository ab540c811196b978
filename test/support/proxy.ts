// A TCP proxy on loopback between two nodes: it can cut connections, stall them (as a pulled cable does), delay and count.

import { createServer, connect } from 'node:net'
import { once } from 'node:events'
import type { AddressInfo, Server, Socket } from 'node:net'

export interface ProxyTarget {
  readonly host: string
  readonly port: number
}

export class TcpProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #target: ProxyTarget
  readonly #sockets = new Set<Socket>()
  readonly #timers = new Set<ReturnType<typeof setTimeout>>()
  #isStalled = false
  #held: (() => void)[] = []
  /** One way, applied to every piece of data in order. */
  delayMs = 0
  /** Bytes passed on towards the target, and back. */
  forwardBytes = 0
  backwardBytes = 0
  connections = 0

  private constructor(server: Server, target: ProxyTarget) {
    this.#server = server
    this.#target = target
  }

  /** `host` is the address to listen on. */
  static async open(target: ProxyTarget, host = '127.0.0.1'): Promise<TcpProxy> {
    const server = createServer()
    const proxy = new TcpProxy(server, target)
    server.on('connection', (socket) => proxy.#join(socket))
    server.listen(0, host)
    await once(server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Multiaddr under which the target is reached through the proxy. */
  get address(): string {
    const { address, port } = this.#server.address() as AddressInfo
    return `/ip4/${address}/tcp/${port}`
  }

  /** Resets all connections; new ones are still accepted. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** From now on nothing passes and nobody is told. */
  stall(): void {
    this.#isStalled = true
  }

  /** Passes on what was held back. */
  resume(): void {
    this.#isStalled = false
    for (const pass of this.#held.splice(0)) pass()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    for (const socket of this.#sockets) socket.destroy()
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }

  #join(near: Socket): void {
    this.connections++
    const far = connect(this.#target.port, this.#target.host)
    this.#pipe(near, far, (bytes) => (this.forwardBytes += bytes))
    this.#pipe(far, near, (bytes) => (this.backwardBytes += bytes))
  }

  #pipe(from: Socket, to: Socket, count: (bytes: number) => void): void {
    this.#sockets.add(from)
    from.setNoDelay(true)
    const pass = (step: () => void): void => {
      if (this.#isStalled) this.#held.push(step)
      else step()
    }
    const later = (step: () => void): void => {
      if (this.delayMs === 0) return pass(step)
      const timer = setTimeout(() => {
        this.#timers.delete(timer)
        pass(step)
      }, this.delayMs)
      this.#timers.add(timer)
    }
    from.on('data', (data) =>
      later(() => {
        count(data.length)
        if (!to.write(data)) from.pause()
      }),
    )
    to.on('drain', () => from.resume())
    from.on('end', () => later(() => to.end()))
    from.on('error', () => to.destroy())
    from.on('close', () => {
      this.#sockets.delete(from)
      if (!this.#isStalled) later(() => to.destroy())
    })
  }
}

/** The host and port of a multiaddr like /ip4/127.0.0.1/tcp/4001/p2p/…. */
export function tcpTarget(address: string): ProxyTarget {
  const [, , host, , port] = address.split('/')
  return { host: host ?? '', port: Number(port) }
}
