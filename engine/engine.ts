// The composition root: builds a node from the world it is handed, and takes it down in order. Nothing else constructs flows
// and stores; node.ts hands in Node's world, the simulator a simulated one.

import type { Controls, Problem } from './api/controls.ts'
import { errorCodeOf, messageOf } from './base/errors.ts'
import { Coalescer } from './base/queue.ts'
import type { SegmentStore } from './blocks/segment-store.ts'
import { CardShelf } from './compose/card-box.ts'
import { makeControls } from './compose/controls.ts'
import { Flusher } from './compose/flusher.ts'
import { FolderRegistry } from './compose/folder-registry.ts'
import { HomeSpace } from './compose/home-space.ts'
import { loadIdentitySeed } from './compose/identity-file.ts'
import { limitStore } from './compose/store-limits.ts'
import { openStore } from './compose/store-place.ts'
import type { EngineWorld } from './compose/parts.ts'
import { describeNodeProblems } from './compose/node-problems.ts'
import { OwnCard } from './compose/own-card.ts'
import { ScrubDesk } from './compose/scrub-desk.ts'
import { PeerKeeper } from './compose/peer-keeper.ts'
import { lateView, Presence } from './compose/presence.ts'
import { routeChannels } from './compose/router.ts'
import { createIdentity, type Identity } from './crypto/identity.ts'
import { lockHome } from './index/home-lock.ts'
import { openIndex, type Index } from './index/index-store.ts'
import type { PeerId } from './model/ids.ts'
import type { Network, Traffic } from './net/network.ts'
import { Lanes } from './transfer/lanes.ts'
import { Inviter } from './share/invite.ts'

export interface Engine extends AsyncDisposable {
  readonly controls: Controls
  /** Resolves when the node was asked to stop through its controls. */
  readonly stopped: Promise<void>
}

const changeIntervalMs = 100
const goodbyeMs = 200

/** Throws `ALREADY_RUNNING`, `HOME_TOO_NEW`, `DATABASE_CORRUPT`, `NO_SPACE`, `HOME_UNUSABLE`, `PORT_IN_USE`, and what the block store throws. */
export async function openEngine(world: EngineWorld, signal: AbortSignal): Promise<Engine> {
  await using stack = new AsyncDisposableStack()
  stack.use(lockHome(world.lockPath, world.home))
  const listeners = new Set<() => void>()
  const space = openSpace(world, listeners)
  const index = stack.use(openIndexInNeed(world, space))
  const seed = await loadIdentitySeed(world.files, world.keyPath, world.random)
  const identity = createIdentity(seed)
  const store = stack.use(await openStore(world, identity, signal))
  const network = stack.use(await world.openNetwork(identity, seed, signal))
  const running = start(world, { index, identity, store, network, space, listeners }, stack)
  const owned = stack.move()
  return { ...running, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

interface Opened {
  readonly index: Index
  readonly identity: Identity
  readonly store: SegmentStore
  readonly network: Network
  readonly space: HomeSpace | undefined
  /** Of whoever wants to know that something changed. */
  readonly listeners: Set<() => void>
}

function openSpace(world: EngineWorld, listeners: ReadonlySet<() => void>): HomeSpace | undefined {
  const { reserveBytes } = world
  if (reserveBytes === undefined) return undefined
  return new HomeSpace({ ...world, reserveBytes, changed: () => tellAll(listeners) })
}

function tellAll(listeners: ReadonlySet<() => void>): void {
  for (const listener of listeners) listener()
}

/** On a full disk the reserve gives the index what it needs to be opened. */
function openIndexInNeed(world: EngineWorld, space: HomeSpace | undefined): Index {
  const events = { onFlushed: world.onDatabaseFlushed, makeRoom: () => space?.makeRoom() === true }
  try {
    return openIndex(world.databasePath, world.random, events)
  } catch (error) {
    if (errorCodeOf(error) !== 'NO_SPACE' || !events.makeRoom()) throw error
    return openIndex(world.databasePath, world.random, events)
  }
}

/** Puts the flows together and begins them; `stack` gets what ends them. */
function start(
  world: EngineWorld,
  { index, identity, store, network, space, listeners }: Opened,
  stack: AsyncDisposableStack,
): Pick<Engine, 'controls' | 'stopped'> {
  const ending = new AbortController()
  const pasts = new Set<string>()
  const changed = new Coalescer(world.clock, changeIntervalMs, ending.signal, () => tellAll(listeners))
  const own = new OwnCard(world, network, identity)
  const cardCame = (peer: PeerId): void => {
    presence.heard(peer)
    keeper.refresh(ending.signal)
  }
  const cards = new CardShelf(index, own, cardCame, () => tellNews(folders))
  const lanes = world.lanes === undefined ? undefined : new Lanes(world.lanes.jobs, world.lanes.hosts, world.random)
  const folders = new FolderRegistry({
    world,
    index,
    network,
    identity,
    store,
    cards,
    lanes,
    presence: lateView(() => presence),
    isPersonWaiting: () => folders.all().some(({ pull }) => pull.isBusy),
    events: {
      changed: () => changed.ring(),
      written: () => flusher.wake(),
      membersChanged: () => refresh(),
      ownPastMet: (folder) => void pasts.add(folder),
      renewed: (runtime) => void folders.reopen(runtime),
    },
  })
  const flusher = new Flusher({ ...world, index, care: world.databaseCare, onFlushed: () => tellNews(folders) })
  const members = (): readonly PeerId[] => [...new Set(folders.members().flatMap((runtime) => runtime.work.peers))]
  const keeper = new PeerKeeper({ ...world, index, network, cards, members })
  const presence = openPresence(world, { index, network }, cards, folders)
  const refresh = (): void => {
    keeper.refresh(ending.signal)
    folders.save()
    for (const runtime of folders.members()) runtime.work.connectionsChanged()
  }
  const inviter = makeInviter(world, { index, identity, network }, cards, folders)
  folders.open()
  limitStore(
    { world, index, store },
    folders.members().map(({ record }) => record),
  )
  const scrub = new ScrubDesk({ world, index, store, folders, changed: () => changed.ring() })
  routeChannels({ network, folders, inviter, clock: world.clock, log: world.log }, ending.signal)
  stack.defer(listenToNetwork(world, index, network, keeper, refresh))
  const flushing = Promise.all([flusher, space, presence, scrub].map(async (each) => await each?.run(ending.signal)))
  stack.defer(async () => {
    await sayGoodbye(world, network, cards, own)
    ending.abort()
    await folders.close()
    await flushing
  })
  for (const runtime of folders.members()) runtime.work.start()
  refresh()

  const { promise: stopped, resolve } = Promise.withResolvers<void>()
  const stop = (asleepForMs = 0): void => resolve(own.planSleep(asleepForMs))
  const nodeProblems = (): readonly Problem[] =>
    describeNodeProblems({ space, cards, pasts, store, scrub, presence, drive: world.homeDrive })
  const stores = { world, index, network, identity, store }
  const traffic = (): Traffic => addTraffic(network.traffic(), lanes?.traffic)
  const parts = { ...stores, folders, inviter, keeper, cards, scrub, nodeProblems, traffic, listeners, stop, signal: ending.signal }
  return { controls: makeControls(parts), stopped }
}

function tellNews(folders: FolderRegistry): void {
  for (const runtime of folders.members()) runtime.work.tellNews()
}

/** The members learn that this node goes in good order; what is not out soon is left. */
async function sayGoodbye({ clock }: EngineWorld, network: Network, cards: CardShelf, own: OwnCard): Promise<void> {
  if (network.connectedPeers().length === 0) return
  own.fallAsleep()
  cards.tellOwn()
  await clock.sleep(goodbyeMs, new AbortController().signal)
}

function openPresence(
  world: EngineWorld,
  { index, network }: Pick<Opened, 'index' | 'network'>,
  cards: CardShelf,
  folders: FolderRegistry,
): Presence {
  return new Presence({
    ...world,
    index,
    network,
    cards,
    members: () => [...new Set(folders.members().flatMap(({ work }) => work.activePeers))],
    events: {
      changed: () => {
        for (const { work } of folders.members()) work.noteChange()
      },
      signOfLife: () => cards.renewOwn(),
    },
  })
}

function makeInviter(
  world: EngineWorld,
  { index, identity, network }: Pick<Opened, 'index' | 'identity' | 'network'>,
  cards: CardShelf,
  folders: FolderRegistry,
): Inviter {
  return new Inviter({
    ...world,
    index,
    network,
    signer: identity,
    cards: (row) => cards.all(folders.byRow(row)?.work.peers ?? []),
    folderOf: (row) => folders.byRow(row),
  })
}

function addTraffic(left: Traffic, right: Traffic = { sentBytes: 0, receivedBytes: 0 }): Traffic {
  return { sentBytes: left.sentBytes + right.sentBytes, receivedBytes: left.receivedBytes + right.receivedBytes }
}

function listenToNetwork(world: EngineWorld, index: Index, network: Network, keeper: PeerKeeper, refresh: () => void): () => void {
  return network.onEvent((event) => {
    switch (event.kind) {
      case 'discovered':
        keeper.discovered(event.peer, event.addresses)
        return
      case 'connected':
      case 'disconnected':
        try {
          index.transact(() => index.peers.setSeen(event.peer, world.clock.nowMs()))
        } catch (error) {
          world.log.warn('could not note when a peer was seen', { error: messageOf(error) })
        }
        refresh()
    }
  })
}
