// History stays within its bounds, gives room back, and survives whatever ends the process on the way.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import type { FolderStatus, PastVersion } from '../../engine/api/controls.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { Members } from './pair.ts'

const { signal } = new AbortController()
const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const bystanders = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`keep/${at}`, `kept ${at}`]))

async function open(story: string, files: Readonly<Record<string, string>> = {}): Promise<Members> {
  const members = new Members(story, ['A', 'B'])
  await members.begin({ ...bystanders, ...files })
  return members
}

function versions(members: Members, name: string, path: string): readonly PastVersion[] {
  return members.controls(name).history('Folder', path).versions
}

function folder(members: Members, name: string): FolderStatus {
  return present(members.controls(name).folders()[0], 'it has the folder')
}

function segmentBytes(members: Members, name: string): number {
  const { user, homePath } = members.node(name)
  const paths = user.walk(`${homePath}/segments`).filter((path) => path.endsWith('.segment'))
  return paths.reduce((total, path) => total + (user.lstat(path)?.sizeBytes ?? 0), 0)
}

function parkedNames(members: Members, name: string): readonly string[] {
  return members.node(name).user.walk('/folder/.holdfast/replaced')
}

const blob = (seed: string, sizeBytes: number): string => Buffer.from(new SeededRandom(seed).bytes(sizeBytes)).toString('latin1')

async function set(members: Members, name: string, settings: Readonly<Record<string, string>>): Promise<unknown> {
  return await members.wait(members.controls(name).setFolder('Folder', settings), 'set')
}

/** B's wall clock goes ahead, and enough time passes for that to be believed and acted upon. */
async function age(members: Members, byMs: number): Promise<void> {
  members.node('B').wall.jump(byMs)
  await members.pass(3 * hourMs)
}

describe('history within its bounds', () => {
  it('lets versions go after their days, and gives their room on the disk back', async () => {
    using members = await open('days')
    await set(members, 'B', { 'history.days': '2' })
    for (let at = 0; at < 4; at++) {
      members.write('A', 'big', blob(`version ${at}`, 1_500_000))
      await members.synced()
    }
    assert.equal(versions(members, 'B', 'big').length, 3)
    const full = segmentBytes(members, 'B')
    assert.ok(full > 4_500_000, `${full} bytes`)
    await age(members, 1.5 * dayMs)
    const [newest, ...others] = versions(members, 'B', 'big')
    assert.deepEqual([others.length, newest?.isHere], [0, true], 'thinned to one of ten minutes by then')
    await age(members, 12 * hourMs)
    assert.deepEqual(versions(members, 'B', 'big'), [])
    assert.equal(folder(members, 'B').historyBytes, 0)
    assert.ok(segmentBytes(members, 'B') < full / 10, `${segmentBytes(members, 'B')} bytes left of ${full}`)
    assert.ok(members.controls('B').history('Folder', undefined).floorMs > members.nowMs('B') - 2.5 * dayMs)
    assert.equal(members.read('B', 'big')?.length, members.read('A', 'big')?.length)
  })

  it('keeps the blocks that a kept version shares with one that goes', async () => {
    const common = blob('common', 3_000_000)
    using members = await open('sharing', { a: `${common}1`, b: `${common}2` })
    await set(members, 'B', { 'history.days': '3' })
    members.remove('A', 'a')
    await members.synced()
    await age(members, 2 * dayMs)
    members.remove('A', 'b')
    await members.synced()
    await age(members, 1.5 * dayMs)
    assert.deepEqual(versions(members, 'B', 'a'), [])
    const [kept] = versions(members, 'B', 'b')
    assert.equal(kept?.isHere, true)
    members.node('A').kill()
    await members.wait(members.controls('B').restore({ folder: 'Folder', path: 'b', version: kept.id }, signal), 'restore')
    assert.ok(members.read('B', 'b') === `${common}2`)
  })

  it('takes no more than its share of the room, oldest first, and at once when the disk fills up', async () => {
    using members = await open('share')
    for (let at = 0; at < 6; at++) {
      members.write('A', `file ${at}`, blob(`content ${at}`, 1_000_000))
      await members.synced()
    }
    for (let at = 0; at < 6; at++) {
      members.remove('A', `file ${at}`)
      await members.synced()
    }
    await members.pass(3 * minuteMs)
    assert.ok(folder(members, 'B').historyBytes > 6_000_000)
    members.node('B').disk.leaveRoom({ bytes: 4_000_000 })
    members.write('A', 'one more', 'small')
    await members.synced()
    members.remove('A', 'one more')
    await members.synced()
    await members.pass(10 * minuteMs)
    const { historyBytes } = folder(members, 'B')
    assert.ok(historyBytes < 3_100_000 && historyBytes > 1_000_000, `${historyBytes} bytes`)
    const known = members
      .controls('B')
      .history('Folder', undefined)
      .versions.map(({ path }) => path)
    assert.ok(known.includes('file 5') && !known.includes('file 0'), known.join(', '))
    await set(members, 'B', { 'history.share': '0%' })
    await members.pass(5 * minuteMs)
    assert.equal(folder(members, 'B').historyBytes, 0)
  })

  it('gives way to what comes when the disk is full, also what was put aside and finds no room in the store', async () => {
    const files = Object.fromEntries(['0', '1', '2', '3'].map((name) => [`file ${name}`, blob(name, 1_500_000)]))
    using members = await open('full', files)
    members.node('B').disk.leaveRoom({ bytes: 200_000 })
    for (const name of ['0', '1', '2']) members.remove('A', `file ${name}`)
    await members.pass(minuteMs / 2)
    assert.equal(parkedNames(members, 'B').length, 3)
    members.write('A', 'new', blob('new', 3_000_000))
    await members.pass(15 * minuteMs)
    assert.ok(members.read('B', 'new') === blob('new', 3_000_000))
    const codes = members.controls('B').status().problems
    assert.deepEqual(
      codes.map(({ code }) => code),
      ['HISTORY_SHORT'],
    )
    assert.deepEqual(parkedNames(members, 'B'), [])
  })

  it('goes with the folder when that is removed from the node, and the files stay', async () => {
    using members = await open('removed', { big: blob('big', 2_000_000) })
    members.write('A', 'big', 'small now')
    await members.synced()
    const full = segmentBytes(members, 'B')
    await members.wait(members.controls('B').removeFolder('Folder'), 'remove')
    assert.ok(full > 2_000_000 && segmentBytes(members, 'B') < full / 10, `${segmentBytes(members, 'B')} bytes left of ${full}`)
    assert.equal(members.read('B', 'big'), 'small now')
  })

  it('lets go of the losing content of a conflict once its copy is there', async () => {
    using members = await open('conflict', { both: 'base' })
    members.world.fabric.partition([['A'], ['B']].map((names) => names.flatMap((name) => members.node(name).peer ?? [])))
    members.write('A', 'both', blob('by A', 800_000))
    members.write('B', 'both', blob('by B', 800_000))
    await members.pass(10_000)
    members.world.fabric.heal()
    await members.pass(30_000)
    await members.synced()
    const held = ['A', 'B'].map((name) => folder(members, name).historyBytes)
    await members.pass(3 * hourMs)
    // Each had brought both contents to the store. The winner's node needs neither now; the loser's file was replaced and has a past.
    const left = ['A', 'B'].map((name) => folder(members, name).historyBytes)
    assert.ok(Math.min(...held) > 0, held.join(', '))
    assert.equal(Math.min(...left), 0, left.join(', '))
    assert.equal(members.tree('A').filter((line) => line.includes('.conflict-')).length, 1)
  })
})

describe('a process that ends', () => {
  for (const how of ['kill', 'crash'] as const) {
    it(`between any two calls on the disk while content is replaced and archived loses none of it (${how})`, async () => {
      let isPast = false
      for (let calls = 0; !isPast && calls < 80; calls += how === 'kill' ? 3 : 4) {
        using members = await open(`${how} ${calls}`, { note: 'the first', other: blob('other', 5000) })
        const b = members.node('B')
        let left = calls
        let isStruck = false
        b.faults.beforeCall((call) => {
          if (!call.isMutating || left-- > 0) return
          b.faults.beforeCall(undefined)
          isStruck = true
          if (how === 'kill') b.kill()
          else b.crash()
        })
        members.write('A', 'note', 'the second')
        members.remove('A', 'other')
        await members.pass(10_000)
        isPast = !isStruck
        b.faults.beforeCall(undefined)
        if (isStruck) await members.wait(b.start(), 'start')
        await members.synced()
        await members.pass(30_000)
        assert.equal(members.read('B', 'note'), 'the second')
        members.node('A').kill()
        for (const [path, text] of [
          ['note', 'the first'],
          ['other', blob('other', 5000)],
        ] as const) {
          // A power cut can make B forget that it had the file before A deleted it: then it lives on.
          if (members.read('B', path) === text) continue
          const known = versions(members, 'B', path)
          const version = present(
            known.find(({ bytes }) => bytes === Buffer.byteLength(text)),
            `${path} has a past after call ${calls}`,
          )
          assert.equal(known.filter(({ bytes }) => bytes === version.bytes).length, 1, `${path} is noted once after call ${calls}`)
          const work = members.controls('B').restore({ folder: 'Folder', path, version: version.id, to: `/home/${path}` }, signal)
          await members.wait(work, 'restore')
          assert.ok(members.read('B', `/home/${path}`) === text, `${path} after call ${calls}`)
        }
        assert.deepEqual(parkedNames(members, 'B'), [], `nothing stays parked after call ${calls}`)
      }
      assert.ok(isPast, 'some calls were not tried')
    })
  }

  it('between any two calls on the disk while old versions go leaves every version that is listed whole', async () => {
    let isPast = false
    for (let calls = 0; !isPast && calls < 100; calls += 7) {
      using members = await open(`going ${calls}`)
      const b = members.node('B')
      await set(members, 'B', { 'history.days': '1' })
      for (const text of ['x', 'y', 'z']) {
        members.write('A', 'f', blob(text, 1_200_000))
        await members.synced()
        if (text === 'x') await age(members, dayMs - 8 * hourMs)
      }
      let left = calls
      let isStruck = false
      b.faults.beforeCall((call) => {
        if (!call.isMutating || !call.path.includes('/segments/') || left-- > 0) return
        b.faults.beforeCall(undefined)
        isStruck = true
        b.crash()
      })
      await age(members, 12 * hourMs)
      isPast = !isStruck
      b.faults.beforeCall(undefined)
      if (isStruck) await members.wait(b.start(), 'start')
      await members.synced()
      await members.pass(10 * minuteMs)
      members.node('A').kill()
      for (const { id, isHere } of versions(members, 'B', 'f')) {
        assert.equal(isHere, true)
        await members.wait(
          members.controls('B').restore({ folder: 'Folder', path: 'f', version: id, to: `/home/f${id}` }, signal),
          'restore',
        )
      }
    }
    assert.ok(isPast, 'some calls were not tried')
  })

  it('leaves a parked file that nobody knows for a person, says so, and lets it go after the days of history', async () => {
    using members = await open('stray')
    const b = members.node('B')
    b.kill()
    b.user.write('/folder/.holdfast/replaced/0123456789abcdef', Buffer.from('of nobody'))
    await members.wait(b.start(), 'start')
    await members.synced()
    const codes = (): readonly string[] =>
      members
        .controls('B')
        .status()
        .problems.map(({ code }) => code)
    assert.deepEqual(codes(), ['KEPT_ASIDE'])
    b.wall.jump(31 * dayMs)
    await members.wait(b.stop(), 'stop')
    await members.wait(b.start(), 'start')
    await members.synced()
    assert.deepEqual(codes(), ['KEPT_ASIDE'], 'a clock that was just set says nothing')
    await members.pass(2 * 3_600_000)
    assert.deepEqual(codes(), [])
    assert.deepEqual(parkedNames(members, 'B'), [])
  })
})
