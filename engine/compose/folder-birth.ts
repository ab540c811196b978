// How a folder comes to be on this node: made here, or joined. Order matters: the marker is on disk before the row, so that a
// crash in between leaves a directory that can simply be added again.

import { EngineError } from '../base/errors.ts'
import { nameOf } from '../model/item.ts'
import { incarnationBytes, targetCopiesMax } from '../model/limits.ts'
import { folderIdText } from '../model/ids.ts'
import type { FolderRecord, HostedRecord, HostKeep, KeepRule } from '../model/folder.ts'
import { folderIdOf, signEntry } from '../share/log-entry.ts'
import { encodeEntry } from '../share/folder-log.ts'
import type { Joined, JoinedHost, JoinedReader } from '../share/join.ts'
import type { Link } from '../share/link.ts'
import type { Identity } from '../crypto/identity.ts'
import type { Index } from '../index/index-store.ts'
import type { Network } from '../net/network.ts'
import type { CardShelf } from './card-box.ts'
import type { FolderRegistry } from './folder-registry.ts'
import type { MemberRuntime } from './member-runtime.ts'
import type { EngineWorld } from './parts.ts'
import type { PeerKeeper } from './peer-keeper.ts'

export interface BirthParts {
  readonly world: EngineWorld
  readonly index: Index
  readonly network: Network
  readonly identity: Identity
  readonly folders: FolderRegistry
  readonly cards: CardShelf
  readonly keeper: PeerKeeper
  readonly signal: AbortSignal
}

const secretBytes = 32
const nonceBytes = 16
const firstEpoch = 1
const targetCopiesDefault = 2

export async function createFolder(
  parts: BirthParts,
  request: { readonly path: string; readonly name?: string; readonly copies?: number },
): Promise<{ id: string; name: string; path: string }> {
  const { world, index, identity, folders } = parts
  const targetCopies = request.copies ?? targetCopiesDefault
  if (!Number.isInteger(targetCopies) || targetCopies < 1 || targetCopies > targetCopiesMax) {
    throw new EngineError('BAD_ARGUMENT', `--copies is a number from 1 to ${targetCopiesMax}`)
  }
  const place = await folders.checkPlace(request.path, false)
  const name = request.name ?? (nameOf(place.path) || 'folder')
  folders.checkName(name)
  const nowMs = world.clock.nowMs()
  const nonce = world.random.bytes(nonceBytes)
  const first = signEntry(identity, [], { kind: 'created', folderName: name, nonce, nodeName: world.name, targetCopies }, nowMs)
  const id = folderIdOf(first)
  await world.jobs.run(
    'establishRoot',
    { root: place.path, marker: { folder: folderIdText(id), createdMs: nowMs } },
    { signal: parts.signal },
  )
  const secrets = {
    accessSecret: world.random.bytes(secretBytes),
    folderSecret: world.random.bytes(secretBytes),
    epochs: [{ epoch: firstEpoch, secret: world.random.bytes(secretBytes) }],
  }
  const incarnation = world.random.bytes(incarnationBytes)
  const runtime = folders.add((): FolderRecord => {
    const record = index.folders.insert({ id, name, path: place.path, secrets, incarnation, createdMs: nowMs, targetCopies })
    index.folders.appendLog(record.row, 0, encodeEntry(first))
    return record
  })
  begin(parts, runtime)
  return { id: folderIdText(id), name, path: place.path }
}

/** Writes down a folder that was joined, and begins. */
export async function enterFolder(
  parts: BirthParts,
  joined: JoinedReader,
  link: Link,
  place: { readonly path: string; readonly isMissing: boolean },
  keep: KeepRule | undefined,
): Promise<{ id: string; name: string; path: string }> {
  const { world, index, network, folders, cards } = parts
  if (place.isMissing) await world.jobs.run('makePlace', { path: place.path }, { signal: parts.signal })
  await world.jobs.run(
    'establishRoot',
    { root: place.path, marker: { folder: folderIdText(joined.folder), createdMs: joined.createdMs } },
    { signal: parts.signal },
  )
  const name = folders.freeName(joined.folderName)
  const { folder: id, secrets, targetCopies } = joined
  const incarnation = world.random.bytes(incarnationBytes)
  const runtime = folders.add((): FolderRecord => {
    const { createdMs } = joined
    const kept = keep === undefined || keep.kind === 'all' ? {} : { keep }
    const record = index.folders.insert({ id, name, path: place.path, secrets, incarnation, createdMs, targetCopies, ...kept })
    writeJoined(index, record.row, joined, link)
    return record
  })
  for (const card of joined.cards) cards.take(card, [...runtime.work.peers, network.self])
  begin(parts, runtime)
  return { id: folderIdText(id), name, path: place.path }
}

/** As `enterFolder`, for a folder that is only stored here. */
export function enterHosted(parts: BirthParts, joined: JoinedHost, link: Link, keep: HostKeep): { id: string; name: string; path: string } {
  const { world, index, network, folders, cards } = parts
  const name = folders.freeName(joined.folderName)
  const { folder: id, secrets, targetCopies, createdMs } = joined
  const incarnation = world.random.bytes(incarnationBytes)
  const runtime = folders.addHosted((): HostedRecord => {
    const record = index.folders.insertHosted({ id, name, ...secrets, keep, incarnation, createdMs, targetCopies })
    writeJoined(index, record.row, joined, link)
    return record
  })
  for (const card of joined.cards) cards.take(card, [...runtime.work.peers, network.self])
  begin(parts, runtime)
  return { id: folderIdText(id), name, path: '' }
}

function writeJoined(index: Index, row: number, joined: Joined, link: Link): void {
  joined.log.forEach((entry, position) => index.folders.appendLog(row, position, encodeEntry(entry)))
  index.peers.ensure(link.inviter, '')
  index.peers.setAddresses(link.inviter, link.addresses)
}

function begin(parts: BirthParts, runtime: MemberRuntime): void {
  runtime.work.start()
  parts.keeper.refresh(parts.signal)
  runtime.work.connectionsChanged()
}
