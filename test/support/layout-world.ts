// Members of a folder that lay it out and tell each other what they published, over virtual time: the real engine/compose/folder-layout.ts on
// members, cards and links that the test sets.

import { present } from '../../engine/base/assert.ts'
import { FolderLayout } from '../../engine/compose/folder-layout.ts'
import type { EngineWorld } from '../../engine/compose/parts.ts'
import type { Identity } from '../../engine/crypto/identity.ts'
import { openIndex, type Index } from '../../engine/index/index-store.ts'
import type { Member, Role } from '../../engine/model/folder.ts'
import type { FolderId, PeerId } from '../../engine/model/ids.ts'
import type { LogState } from '../../engine/share/log-state.ts'
import type { NodeCard } from '../../engine/sync/cards.ts'
import { wholeOffer, type Offer } from '../../engine/replicas/offer.ts'
import { layOut } from '../../engine/replicas/lay-out-job.ts'
import type { PublishedLayout } from '../../engine/replicas/published-layout.ts'
import type { PlacementMember } from '../../engine/replicas/placement-pool.ts'
import { Scheduler, SimClock, WallClock } from '../sim/scheduler.ts'
import { Trace } from '../sim/trace.ts'
import { testFolder } from './blocks.ts'
import { SeededRandom } from './seeded-random.ts'

export interface LayoutNode {
  readonly identity: Identity
  readonly layout: FolderLayout
  readonly index: Index
  /** Hosts' cards as this node knows them. */
  cards: readonly PlacementMember[]
  isConnected: boolean
  absent: ReadonlyMap<PeerId, 'overdue' | 'lost'>
  /** Layouts that it computed. */
  computed: number
}

export class LayoutWorld implements AsyncDisposable {
  readonly folder: FolderId = testFolder(3)
  readonly nodes: LayoutNode[] = []
  readonly #scheduler: Scheduler
  readonly #ending = new AbortController()
  readonly #runs: Promise<unknown>[] = []
  targetCopies = 3
  /** What receipts of hosts say of their room, to everybody. */
  readonly offers: Map<PeerId, Offer> = new Map()

  constructor() {
    const random = new SeededRandom('layout world')
    this.#scheduler = new Scheduler(random, new Trace())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort()
    await Promise.allSettled(this.#runs)
    for (const { index } of this.nodes) index[Symbol.dispose]()
    this.#scheduler[Symbol.dispose]()
  }

  /** A node of this role that keeps everything when it is no host; `owners` are those that all take for owners. */
  add(identity: Identity, role: Role, cards: readonly PlacementMember[], owners: readonly Identity[]): LayoutNode {
    const clock = new SimClock(this.#scheduler, new WallClock(this.#scheduler), identity.peerId)
    const index = openIndex(':memory:', new SeededRandom(identity.peerId))
    const { row } = index.transact(() => index.folders.insert(recordOf(this.folder)))
    const world = (): LayoutWorld => this
    const own = (): LayoutNode => node
    const members = (): readonly Member[] => [
      ...owners.map((owner): Member => memberOf(owner.peerId, owner.publicKey, 'owner')),
      ...own().cards.map(({ peer }): Member => memberOf(peer, new Uint8Array(32), 'host')),
    ]
    const layout = new FolderLayout({
      index,
      world: { clock, jobs: inlineJobs(() => own().computed++), zone: '', class: 'daily', capacityBytes: 0 },
      cards: { cardOf: (peer) => cardOf(own().cards.find((card) => card.peer === peer)) },
      self: identity.peerId,
      signer: identity,
      folder: { id: this.folder, row },
      log: {
        get members() {
          return members()
        },
        get state(): LogState {
          return { targetCopies: world().targetCopies } as LogState // cast: all that is read of it
        },
        roleOf: (peer) => members().find((member) => member.peer === peer)?.role,
      },
      ownKeep: () => (role === 'host' ? 'share' : 'all'),
      hasLeft: () => false,
      keepOf: () => undefined,
      offerOf: (peer) => world().offers.get(peer) ?? wholeOffer,
      absent: () => own().absent,
      changed: () => undefined,
      tell: () => this.#pass(),
    })
    const node: LayoutNode = { identity, layout, index, cards, isConnected: true, absent: new Map(), computed: 0 }
    this.nodes.push(node)
    this.#runs.push(layout.run(this.#ending.signal))
    return node
  }

  /** Everybody sees these cards from now on. */
  setCards(cards: readonly PlacementMember[]): void {
    for (const node of this.nodes) this.setCardsOf(node, cards)
  }

  /** Everybody takes these members for absent from now on. */
  setAbsent(absent: LayoutNode['absent']): void {
    for (const node of this.nodes) {
      node.absent = absent
      node.layout.wake()
    }
  }

  setCardsOf(node: LayoutNode, cards: readonly PlacementMember[]): void {
    node.cards = cards
    node.layout.wake()
  }

  /** Who is connected tells the others what it knows. */
  meet(): void {
    this.#pass()
  }

  async runFor(durationMs: number): Promise<void> {
    await this.#scheduler.runFor(durationMs)
  }

  /** After what runs now: a node does not hear of its own news while it writes it. */
  #pass(): void {
    this.#scheduler.after(10, 'layouts pass', () => {
      const connected = this.nodes.filter(({ isConnected }) => isConnected)
      for (const from of connected) {
        const { bytes } = from.layout.shelf
        if (bytes !== undefined) for (const to of connected) if (to !== from) to.layout.shelf.take(bytes)
      }
    })
  }
}

function memberOf(peer: PeerId, nodeKey: Uint8Array, role: Role): Member {
  return { peer, nodeKey, role, name: peer, isRetired: false }
}

function cardOf(card: PlacementMember | undefined): NodeCard | undefined {
  if (card === undefined) return undefined
  const { peer, zone, capacityBytes } = card
  return { peer, edition: 1, name: peer, zone, class: card.class, capacityBytes, addresses: [], software: '' }
}

function inlineJobs(count: () => void): EngineWorld['jobs'] {
  const run = async (_name: string, input: Parameters<typeof layOut>[0]): Promise<unknown> => {
    count()
    return await Promise.resolve(layOut(input).output)
  }
  return { width: 1, run } as EngineWorld['jobs'] // cast: the one job that is asked for
}

function recordOf(id: FolderId): Parameters<Index['folders']['insert']>[0] {
  const secret = new Uint8Array(32).fill(9)
  return {
    id,
    name: 'notes',
    path: '/notes',
    secrets: { accessSecret: secret, folderSecret: secret, epochs: [{ epoch: 1, secret }] },
    incarnation: new Uint8Array(8).fill(1),
    createdMs: 0,
    targetCopies: 3,
  }
}

/** The published layout that a node knows; throws when there is none. */
export function publishedOf(node: LayoutNode): PublishedLayout {
  return present(node.layout.shelf.published, 'something was published')
}
