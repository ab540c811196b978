// Three real nodes on one switch under random work, kill -9, pulled cables and a small full disk: equal in the end, and everything is there that
// nobody took away. HOLDFAST_CHAOS_MINUTES says how long; a short while otherwise.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { CarefulPerson, contentsOf, type Ledger } from '../support/careful-person.ts'
import { acceptHolds, allSynced, eventually, TestNodes, type TestDaemon } from '../support/daemon.ts'
import { noNamespaces, openSwitch, type Cable } from '../support/namespaces.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { noSmallDisks, SmallDisk } from '../support/small-disk.ts'
import { readTree, treeDifferences } from '../support/tree.ts'

const minutes = Number(process.env['HOLDFAST_CHAOS_MINUTES'] ?? '0')
const durationMs = minutes > 0 ? minutes * 60_000 : 12_000
const seed = Number(process.env['HOLDFAST_CHAOS_SEED'] ?? '1')
const smallDiskMiB = 64
const settleMs = 300_000

interface Member {
  readonly daemon: TestDaemon
  readonly cable: Cable
  readonly root: string
  readonly person: CarefulPerson
}

test(
  'three nodes agree and have lost nothing after random work, kills, cuts and a full disk',
  { skip: noNamespaces || noSmallDisks, timeout: durationMs + 900_000 },
  async (t) => {
    const nodes = new TestNodes(t)
    const random = new SeededRandom(seed)
    const ledger: Ledger = new Map()
    const disk = new SmallDisk(nodes, 'small', smallDiskMiB)
    const names = ['a', 'b', 'c']
    const members: Member[] = openSwitch(t, names).map((cable, at) => {
      const name = names[at] ?? ''
      const place = name === 'c' ? disk.path : nodes.directory
      const root = join(place, `folder-${name}`)
      const person = new CarefulPerson(name, root, join(place, `aside-${name}`), random.fork(name), ledger)
      return { daemon: nodes.create(name, cable.daemon, name === 'c' ? join(place, 'home-c') : undefined), cable, root, person }
    })
    const [first, ...others] = members
    assert.ok(first !== undefined)
    nodes.makeDirectory('folder-a')
    for (let count = 0; count < 150; count++) first.person.change('create')
    for (const { daemon } of members) await daemon.start()
    await first.daemon.call('addFolder', { path: first.root, name: 'chaos' })
    for (const { daemon, root } of others) await daemon.call('join', { link: await first.daemon.share('chaos'), path: root })
    await allSynced(members.map(({ daemon }) => daemon))

    const counts = { changes: 0, kills: 0, cuts: 0, fills: 0 }
    const untilMs = Date.now() + durationMs
    while (Date.now() < untilMs) {
      const member = members[random.below(members.length)] ?? first
      switch (random.pickWeighted({ change: 80, kill: 3, start: 5, pull: 2, plug: 4, fill: 1, free: 2, rest: 6, accept: 3 })) {
        case 'change':
          member.person.change()
          counts.changes++
          break
        case 'kill':
          if (member.daemon.isRunning) counts.kills++
          await member.daemon.kill()
          break
        case 'start':
          if (!member.daemon.isRunning) await member.daemon.start()
          break
        case 'pull':
          member.cable.pull()
          counts.cuts++
          break
        case 'plug':
          member.cable.plug()
          break
        case 'fill':
          disk.fill()
          counts.fills++
          break
        case 'free':
          disk.free()
          break
        case 'rest':
          await delay(random.below(400))
          break
        case 'accept':
          if (member.daemon.isRunning) await acceptHolds([member.daemon])
          break
      }
    }

    disk.free()
    for (const member of members) {
      member.cable.plug()
      if (!member.daemon.isRunning) await member.daemon.start()
    }
    for (const { daemon } of members) await daemon.call('rescanFolder', { folder: 'chaos' })
    await eventually('all to show the same', settleMs, async () => {
      await acceptHolds(members.map(({ daemon }) => daemon))
      await allSynced(
        members.map(({ daemon }) => daemon),
        10_000,
      )
      const trees = members.map(({ root }) => readTree(root))
      const differences = trees.slice(1).flatMap((tree) => treeDifferences(trees[0] ?? new Map(), tree))
      if (differences.length > 0) throw new Error(differences.slice(0, 5).join('; '))
      return true
    })
    const there = contentsOf(first.root)
    const lost = [...ledger].filter(([hash]) => !there.has(hash)).map(([, where]) => where)
    t.diagnostic(
      `seed ${seed}, ${Math.round(durationMs / 1000)} s: ${JSON.stringify(counts)}; ${ledger.size} contents owed, ${there.size} there`,
    )
    assert.deepEqual(lost, [], `seed ${seed}`)
  },
)
