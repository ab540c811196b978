// Folders that come and go while other things happen to them: on an index in memory and a home of its own.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'

import type { Clock } from '../../engine/base/clock.ts'
import { silentLog } from '../../engine/base/log.ts'
import { abortable } from '../../engine/base/queue.ts'
import { MemoryBlockStore } from '../../engine/blocks/memory-store.ts'
import { CardShelf } from '../../engine/compose/card-box.ts'
import { FolderRegistry } from '../../engine/compose/folder-registry.ts'
import type { FolderRuntime, RuntimeParts } from '../../engine/compose/folder-runtime.ts'
import type { Network } from '../../engine/net/network.ts'
import { nodeFiles } from '../../engine/platform/node-files.ts'
import { folderIdOf, signEntry } from '../../engine/share/log-entry.ts'
import { encodeEntry } from '../../engine/share/folder-log.ts'
import { testRandom } from '../support/blocks.ts'
import { IndexNode } from '../support/index-world.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const refuse = (): never => {
  throw new Error('no folder is at work here')
}
const clock: Clock = {
  nowMs: () => 0,
  monotonicMs: () => 0,
  sleep: async (_durationMs, signal) => await abortable<void>(() => undefined, signal),
}

test('a folder that is being removed is neither written down again nor opened again', async () => {
  using home = temporaryDirectory()
  using other = new IndexNode(0)
  const { identity } = other.handle
  const first = signEntry(
    identity,
    [],
    { kind: 'created', folderName: 'notes', nonce: new Uint8Array(16), nodeName: 'desk', targetCopies: 2 },
    1,
  )
  using node = new IndexNode(0, folderIdOf(first))
  node.index.transact(() => node.index.folders.appendLog(node.handle.row, 0, encodeEntry(first)))
  let whileForgetting = (): void => undefined
  let openThen: readonly FolderRuntime[] = []
  const disk = nodeFiles()
  const files: typeof disk = {
    ...disk,
    syncDirectory: async (path) => {
      await disk.syncDirectory(path)
      if (readdirSync(path).length === 0) whileForgetting() // its file is gone, its rows are there yet
    },
  }
  const network: Network = {
    self: node.peer,
    addresses: () => [],
    connectedPeers: () => [],
    peerAddresses: () => [],
    connect: refuse,
    disconnect: refuse,
    open: refuse,
    serve: refuse,
    onEvent: refuse,
    traffic: refuse,
    [Symbol.asyncDispose]: async () => await Promise.resolve(),
  }
  const world: RuntimeParts['world'] = {
    clock,
    random: testRandom,
    files,
    jobs: { width: 1, run: refuse },
    log: silentLog,
    openWatcher: refuse,
    openNetwork: refuse,
    home: home.path,
    databasePath: '/database',
    lockPath: '/lock',
    get databaseCare(): never {
      return refuse()
    },
    keyPath: '/key',
    segmentsPath: '/segments',
    bucketPath: '/bucket',
    name: 'desk',
    zone: '',
    class: 'daily',
    capacityBytes: 0,
    version: '0',
  }
  const events: RuntimeParts['events'] = {
    changed: () => undefined,
    written: () => undefined,
    membersChanged: () => undefined,
    renewed: () => undefined,
    ownPastMet: () => undefined,
  }
  const { index } = node
  const store = Object.assign(new MemoryBlockStore(), { compact: async () => undefined })
  const cards = new CardShelf(index, { edition: 1, renew: refuse, encoded: refuse }, refuse, refuse)
  const folders = new FolderRegistry({
    lanes: undefined,
    world,
    index,
    network,
    identity,
    store,
    cards,
    presence: { degreeOf: () => 'here', awakeMs: 0, doubted: [] },
    isPersonWaiting: () => false,
    events,
  })
  folders.open()
  const runtime = folders.find('notes')
  await runtime.work.pause() // it stays at rest when it is opened anew
  const written = (): readonly string[] => readdirSync(`${home.path}/folders`)
  await folders.reopen(runtime)
  folders.save()
  whileForgetting = () => {
    openThen = folders.all()
    folders.save()
  }
  const current = folders.find('notes')
  const reopening = folders.reopen(current)
  await folders.remove(current)
  await reopening
  folders.save()
  assert.ok(openThen.length === 1 && openThen[0] === current) // no other that nobody would ever stop
  assert.deepEqual(folders.all(), [])
  assert.deepEqual(index.folders.all(), [])
  assert.deepEqual(written(), [])
})
