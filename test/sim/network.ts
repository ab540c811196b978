// The simulated network: who can reach whom, how long it takes, and what breaks. One fabric for the world; each process attaches to it
// and gets a `Network`. Connections and channels are in connection.ts and channel.ts.
//
// Order: frames of one channel arrive in order, frames of different channels overtake each other. Loss: there is none within a
// connection (TCP); a connection breaks, at any moment, and what had not arrived is lost in whole frames.

import { EngineError } from '../../engine/base/errors.ts'
import { abortable, throwIfAborted } from '../../engine/base/queue.ts'
import type { PeerId } from '../../engine/model/ids.ts'
import type { Channel, Network, NetworkEvent, Protocol, Traffic } from '../../engine/net/network.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import type { ChannelEnd } from './channel.ts'
import { SimConnection } from './connection.ts'
import { Life } from './life.ts'
import type { Scheduler } from './scheduler.ts'

export interface NetworkConditions {
  /** One way. */
  readonly delayMs: readonly [low: number, high: number]
  /** Each direction of a connection. */
  readonly bytesPerSecond: number
  /** A sender waits while this much of a channel is under way or unread. */
  readonly windowBytes: number
  /** Mean time between breaks of each connection; none when absent. */
  readonly breakEveryMs?: number
  /** How long an end can take to notice that the other is gone without a word. */
  readonly silenceMsMax: number
  /** Nodes that can reach each other find each other, about this often; not at all when absent. */
  readonly discoverEveryMs?: number
}

export const calmConditions: NetworkConditions = {
  delayMs: [0.2, 5],
  bytesPerSecond: 20_000_000,
  windowBytes: 256 * 1024,
  silenceMsMax: 10_000,
}

const dialTimeoutMs = 5000

export class SimFabric {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  conditions: NetworkConditions
  readonly #networks = new Map<PeerId, SimNetwork>()
  readonly #hosts = new Map<PeerId, number>()
  readonly #blocked = new Set<string>()
  #connections: SimConnection[] = []

  constructor(scheduler: Scheduler, random: SeededRandom, conditions: NetworkConditions = calmConditions) {
    this.scheduler = scheduler
    this.random = random.fork('network')
    this.conditions = conditions
  }

  /** The network as the process `life` has it. A peer can attach again once its former process is over. */
  attach(self: PeerId, life: Life = new Life(self)): Network {
    if (!this.#hosts.has(self)) this.#hosts.set(self, this.#hosts.size + 1)
    const network = new SimNetwork(this, self, `/ip4/10.0.0.${this.#hosts.get(self)}/tcp/4001/p2p/${self}`, life)
    this.#networks.set(self, network)
    life.onEnd(() => this.detach(network))
    if (this.conditions.discoverEveryMs !== undefined) this.#discoverLater(network, this.conditions.discoverEveryMs)
    return network
  }

  detach(network: SimNetwork): void {
    if (this.#networks.get(network.self) === network) this.#networks.delete(network.self)
    for (const connection of this.#connections.filter((one) => one.isEnd(network))) connection.breakDown('the process is gone', network)
  }

  /** Sets whether `from` can dial `to`. A connection lives while one of its ends could dial the other. */
  setReachable(from: PeerId, to: PeerId, isReachable: boolean): void {
    if (isReachable) this.#blocked.delete(`${from} ${to}`)
    else this.#blocked.add(`${from} ${to}`)
    for (const connection of this.#connections) {
      const [left, right] = connection.ends
      if (!this.canDial(left.self, right.self) && !this.canDial(right.self, left.self)) connection.breakDown('the link is down')
    }
  }

  /** Only members of the same group reach each other; who is in no group is alone. */
  partition(groups: readonly (readonly PeerId[])[]): void {
    const groupOf = (peer: PeerId): number => groups.findIndex((group) => group.includes(peer))
    for (const from of this.#hosts.keys()) {
      for (const to of this.#hosts.keys()) {
        if (from !== to) this.setReachable(from, to, groupOf(from) >= 0 && groupOf(from) === groupOf(to))
      }
    }
  }

  heal(): void {
    this.#blocked.clear()
  }

  /** Breaks the connection between two peers, if there is one, at once. */
  breakConnection(left: PeerId, right: PeerId): void {
    this.#between(left, right)?.breakDown('broken on purpose')
  }

  canDial(from: PeerId, to: PeerId): boolean {
    return !this.#blocked.has(`${from} ${to}`)
  }

  delayMs(): number {
    const [low, high] = this.conditions.delayMs
    return low + this.random.unit() * (high - low)
  }

  /** A connection, when `to` listens at one of the addresses and can be reached. Takes as long as dialling does. */
  async dial(from: SimNetwork, to: PeerId, addresses: readonly string[]): Promise<boolean> {
    await this.scheduler.pause(this.delayMs() * 2, `${from.label} dials ${to.slice(-4)}`, from.life)
    const target = this.#networks.get(to)
    const isListening =
      target !== undefined &&
      addresses.some((address) => target.addresses().some((own) => own === address || own === `${address}/p2p/${to}`))
    if (!this.canDial(from.self, to)) {
      await this.scheduler.pause(dialTimeoutMs, `${from.label} gives up dialling`, from.life)
      return false
    }
    if (target === undefined || !isListening || target === from) return false
    if (this.#between(from.self, to) === undefined) this.#establish(from, target)
    return true
  }

  #establish(from: SimNetwork, to: SimNetwork): void {
    const connection = new SimConnection(this, from, to, () => {
      this.#connections = this.#connections.filter((one) => one !== connection)
    })
    this.#connections.push(connection)
    this.scheduler.note(`${from.label} connected to ${to.label}`)
    from.adopt(connection, to)
    to.adopt(connection, from)
    const { breakEveryMs } = this.conditions
    if (breakEveryMs === undefined) return
    const afterMs = -Math.log(1 - this.random.unit()) * breakEveryMs
    this.scheduler.after(afterMs, 'a connection breaks', () => connection.breakDown('bad luck'))
  }

  #between(left: PeerId, right: PeerId): SimConnection | undefined {
    return this.#connections.find((one) => one.ends.some((end) => end.self === left) && one.ends.some((end) => end.self === right))
  }

  #discoverLater(network: SimNetwork, everyMs: number): void {
    const again = (): void => {
      for (const other of this.#networks.values()) {
        if (other !== network && this.canDial(network.self, other.self)) {
          network.emit({ kind: 'discovered', peer: other.self, addresses: other.addresses() })
        }
      }
      this.#discoverLater(network, everyMs)
    }
    this.scheduler.after(everyMs * (0.5 + this.random.unit()), `${network.label} looks around`, again, network.life)
  }
}

export class SimNetwork implements Network {
  readonly self: PeerId
  readonly life: Life
  readonly label: string
  readonly #fabric: SimFabric
  readonly #address: string
  readonly #connections = new Map<PeerId, { readonly connection: SimConnection; readonly address: string }>()
  readonly #served = new Map<string, { readonly protocol: Protocol; readonly accept: (channel: Channel) => void }>()
  readonly #listeners = new Set<(event: NetworkEvent) => void>()
  #sentBytes = 0
  #receivedBytes = 0
  #isClosed = false

  constructor(fabric: SimFabric, self: PeerId, address: string, life: Life) {
    this.#fabric = fabric
    this.self = self
    this.#address = address
    this.life = life
    this.label = self.slice(-4)
  }

  addresses(): readonly string[] {
    return this.#isClosed ? [] : [this.#address]
  }

  connectedPeers(): readonly PeerId[] {
    return [...this.#connections.keys()]
  }

  peerAddresses(peer: PeerId): readonly string[] {
    const known = this.#connections.get(peer)
    return known === undefined ? [] : [known.address]
  }

  async connect(peer: PeerId, addresses: readonly string[], signal: AbortSignal): Promise<void> {
    this.#check()
    throwIfAborted(signal)
    if (this.#connections.has(peer)) return
    // `abortable` around it: an abandoned dial goes on behind, as a real one does for a moment.
    const isThere = await abortable<boolean>(
      (resolve, reject) => void this.#fabric.dial(this, peer, addresses).then(resolve, reject),
      signal,
    )
    if (isThere && this.#connections.has(peer)) return
    throw new EngineError('PEER_UNREACHABLE', `${peer} did not answer; tried: ${addresses.join(', ') || 'no address is known'}`)
  }

  async disconnect(peer: PeerId): Promise<void> {
    this.#connections.get(peer)?.connection.breakDown('disconnected', this)
  }

  async open(peer: PeerId, protocol: Protocol, signal: AbortSignal): Promise<Channel> {
    this.#check()
    throwIfAborted(signal)
    const known = this.#connections.get(peer)
    if (known === undefined) throw new EngineError('PEER_UNREACHABLE', `there is no connection to ${peer}`)
    return await abortable<Channel>((resolve, reject) => known.connection.open(this, protocol, { resolve, reject, signal }), signal)
  }

  serve(protocol: Protocol, accept: (channel: Channel) => void): void {
    if (this.#served.has(protocol.name)) throw new EngineError('INTERNAL', `${protocol.name} is served already`)
    this.#served.set(protocol.name, { protocol, accept })
  }

  onEvent(listener: (event: NetworkEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  traffic(): Traffic {
    return { sentBytes: this.#sentBytes, receivedBytes: this.#receivedBytes }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#fabric.detach(this)
  }

  // What the fabric and the connections call.

  servedProtocol(name: string): Protocol | undefined {
    return this.#served.get(name)?.protocol
  }

  accept(channel: ChannelEnd): void {
    this.#served.get(channel.protocol)?.accept(channel)
  }

  count(sentBytes: number, receivedBytes: number): void {
    this.#sentBytes += sentBytes
    this.#receivedBytes += receivedBytes
  }

  adopt(connection: SimConnection, remote: SimNetwork): void {
    this.#connections.set(remote.self, { connection, address: remote.#address })
    this.emit({ kind: 'connected', peer: remote.self })
  }

  drop(connection: SimConnection, peer: PeerId): void {
    if (this.#connections.get(peer)?.connection !== connection) return
    this.#connections.delete(peer)
    this.emit({ kind: 'disconnected', peer })
  }

  emit(event: NetworkEvent): void {
    if (this.life.isOver) return
    this.#fabric.scheduler.touch()
    for (const listener of this.#listeners) listener(event)
  }

  #check(): void {
    this.life.check()
    if (this.#isClosed) throw new EngineError('CLOSED', 'the network of this node has been closed')
  }
}
