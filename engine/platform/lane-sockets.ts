// Lanes on TCP sockets of the thread that this runs in. A port is open only while somebody is expected on it, and who connects is
// dropped unless the first bytes are the token of a lane that was offered.

import { createServer, type Server, type Socket } from 'node:net'

import { toHex } from '../base/bytes.ts'
import { EngineError, messageOf } from '../base/errors.ts'
import { recordOverheadBytes } from '../crypto/lane-cipher.ts'
import {
  laneTokenBytes,
  type LaneName,
  type LaneOffer,
  type LaneReceiver,
  type LaneSender,
  type LaneSockets,
  type LaneTake,
} from '../net/lanes.ts'
import { SocketLaneReceiver } from './lane-receiver.ts'
import { laneClosed, SocketLaneSender } from './lane-sender.ts'

/** How long an offer stands, and how long one address is tried. */
const connectMsMax = 5000
/** How long a stranger may take to say its token. */
const tokenMsMax = 5000
/** Strangers that have not said theirs yet. */
const strangersMax = 16

export interface LaneSocketsOptions {
  /** Longer records end the lane. */
  readonly plaintextBytesMax: number
  /** A lane that carries nothing for this long ends. */
  readonly idleMsMax: number
}

interface OpenOffer {
  readonly name: LaneName
  readonly key: Uint8Array
  readonly timer: NodeJS.Timeout
}

export class TcpLaneSockets implements LaneSockets {
  readonly #options: LaneSocketsOptions
  readonly #senders = new Map<LaneName, { readonly lane: SocketLaneSender; readonly socket: Socket }>()
  readonly #receivers = new Map<LaneName, SocketLaneReceiver>()
  /** By token. */
  readonly #offers = new Map<string, OpenOffer>()
  readonly #strangers = new Set<Socket>()
  #servers: readonly Server[] = []
  #listening: Promise<number> | undefined

  constructor(options: LaneSocketsOptions) {
    this.#options = options
  }

  async offer(name: LaneName, offer: LaneOffer): Promise<number> {
    const token = toHex(offer.token)
    const timer = setTimeout(() => this.#withdraw(token), connectMsMax)
    this.#offers.set(token, { name, key: offer.key, timer })
    this.#listening ??= this.#listen(offer.hosts)
    try {
      return await this.#listening
    } catch (error) {
      this.#withdraw(token)
      throw error
    }
  }

  async take(name: LaneName, { hosts, port, token, key }: LaneTake): Promise<void> {
    const recordBytesMax = this.#options.plaintextBytesMax + recordOverheadBytes
    for (const host of hosts) {
      const receiver = new SocketLaneReceiver({ host, port, token, key, recordBytesMax, idleMsMax: this.#options.idleMsMax })
      const timer = setTimeout(() => receiver.end(), connectMsMax)
      try {
        await receiver.opened()
      } catch {
        continue // the next address may lead there
      } finally {
        clearTimeout(timer)
      }
      this.#receivers.set(name, receiver)
      void receiver.ended().then(() => this.#receivers.delete(name))
      return
    }
    throw new EngineError('PEER_UNREACHABLE', `no direct connection for large files: tried port ${port} of ${hosts.join(', ')}`)
  }

  sender(name: LaneName): LaneSender {
    const sender = this.#senders.get(name)
    if (sender === undefined) throw laneClosed()
    return sender.lane
  }

  receiver(name: LaneName): LaneReceiver {
    const receiver = this.#receivers.get(name)
    if (receiver === undefined) throw laneClosed()
    return receiver
  }

  end(name: LaneName): void {
    this.#receivers.get(name)?.end()
    this.#receivers.delete(name)
    this.#senders.get(name)?.socket.destroy()
    this.#senders.delete(name)
    for (const [token, offer] of this.#offers) if (offer.name === name) this.#withdraw(token)
  }

  async #listen(hosts: readonly string[]): Promise<number> {
    const servers: Server[] = []
    let port = 0
    let trouble: unknown
    for (const host of hosts) {
      try {
        const server = await listenOn(host, port, (socket) => this.#meet(socket))
        servers.push(server)
        port = portOf(server)
      } catch (error) {
        trouble = error // another address may do
      }
    }
    if (servers.length === 0) {
      this.#listening = undefined
      throw new EngineError('PORT_IN_USE', `cannot listen for direct connections on ${hosts.join(', ')}: ${messageOf(trouble)}`)
    }
    this.#servers = servers
    this.#closeUnlessAwaited()
    return port
  }

  #meet(socket: Socket): void {
    if (this.#strangers.size >= strangersMax) {
      socket.destroy()
      return
    }
    this.#strangers.add(socket)
    const timer = setTimeout(() => socket.destroy(), tokenMsMax)
    const leave = (): void => {
      clearTimeout(timer)
      this.#strangers.delete(socket)
    }
    socket.on('error', () => undefined) // 'close' follows
    socket.once('close', leave)
    let said = new Uint8Array(0)
    const listen = (piece: Uint8Array): void => {
      const heard = new Uint8Array(said.length + piece.length)
      heard.set(said)
      heard.set(piece, said.length)
      said = heard
      if (said.length < laneTokenBytes) return
      socket.off('data', listen)
      socket.off('close', leave)
      leave()
      const token = toHex(said)
      const offer = this.#offers.get(token)
      if (offer === undefined) socket.destroy()
      else this.#accept(socket, token, offer)
    }
    socket.on('data', listen)
  }

  #accept(socket: Socket, token: string, offer: OpenOffer): void {
    this.#withdraw(token)
    this.#senders.set(offer.name, { lane: new SocketLaneSender(socket, offer.key, this.#options.idleMsMax), socket })
    socket.once('close', () => this.#senders.delete(offer.name))
  }

  /** An offer stands once. */
  #withdraw(token: string): void {
    const offer = this.#offers.get(token)
    if (offer === undefined) return
    clearTimeout(offer.timer)
    this.#offers.delete(token)
    this.#closeUnlessAwaited()
  }

  #closeUnlessAwaited(): void {
    if (this.#offers.size > 0 || this.#servers.length === 0) return
    for (const server of this.#servers) server.close()
    this.#servers = []
    this.#listening = undefined
  }
}

function listenOn(host: string, port: number, meet: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, meet)
    server.once('error', reject)
    server.listen({ host, port, exclusive: true, ipv6Only: host.includes(':') }, () => {
      server.off('error', reject)
      server.on('error', () => undefined) // an accept that failed concerns only who connected
      resolve(server)
    })
  })
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
