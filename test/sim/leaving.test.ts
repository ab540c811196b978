// A folder that is taken off a node that only stored it: the members are told, what nobody else has proven to have stays, and no crash
// leaves blocks behind.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { present } from '../../engine/base/assert.ts'
import type { CardFacts } from './node.ts'
import { Members } from './pair.ts'
import { storedBlocks } from './stored-blocks.ts'

const card: CardFacts = { zone: 'cellar', class: 'always-on', capacityBytes: 1_000_000_000 }
const files = { one: 'one', two: 'two', large: 'large '.repeat(300_000) }
/** For receipts, audits and what follows from them. */
const settleMs = 60_000
const callsMax = 60
const msPerDay = 86_400_000

/** A owns the folder and has its files, the others store it. */
async function open(seed: string, hosts: readonly string[] = ['H']): Promise<Members> {
  const members = new Members(seed, ['A', ...hosts], Object.fromEntries(hosts.map((name) => [name, card])))
  await members.begin(files, hosts)
  await members.pass(settleMs)
  return members
}

function stateOf(members: Members, name: string): { readonly left: boolean; readonly min: number } {
  const controls = members.controls('A')
  const found = controls.members('Folder').find((member) => member.name === name)
  return { left: present(found, 'a member').left, min: present(controls.folders()[0], 'a folder').copies.min ?? 0 }
}

async function remove(members: Members, name: string, isForced = false): Promise<void> {
  await members.wait(members.controls(name).removeFolder('Folder', isForced), `removing the folder from ${name}`)
}

describe('a host that takes the folder off itself', () => {
  it('counts no more, and counts again once it has come back by another link', async () => {
    using members = await open('leaves')
    assert.deepEqual(stateOf(members, 'H'), { left: false, min: 2 })
    await remove(members, 'H')
    await members.pass(1000)
    assert.deepEqual(stateOf(members, 'H'), { left: true, min: 1 })
    assert.equal(storedBlocks(members.node('H')).size, 0)
    await members.join('A', 'H', 'host')
    await members.pass(settleMs)
    assert.deepEqual(stateOf(members, 'H'), { left: false, min: 2 })
  })

  it('has its share copied by the others', async () => {
    using members = await open('others', ['H', 'I'])
    assert.equal(stateOf(members, 'H').min, 2)
    await remove(members, 'H')
    await members.pass(settleMs)
    assert.deepEqual(stateOf(members, 'H'), { left: true, min: 2 })
  })

  it('says so also where the folder was paused', async () => {
    using members = await open('paused')
    await members.wait(members.controls('H').pauseFolder('Folder'), 'pausing')
    await members.pass(settleMs)
    await remove(members, 'H')
    await members.pass(1000)
    assert.deepEqual(stateOf(members, 'H'), { left: true, min: 1 })
  })

  it('waits for nobody who cannot be reached', async () => {
    using members = await open('alone')
    members.world.fabric.partition([['A'], ['H']].map((names) => names.flatMap((name) => members.node(name).peer ?? [])))
    await members.pass(settleMs)
    const startedMs = members.nowMs('H')
    await remove(members, 'H')
    assert.ok(members.nowMs('H') - startedMs < 1000, `${members.nowMs('H') - startedMs} ms`)
    assert.equal(storedBlocks(members.node('H')).size, 0)
  })

  it('keeps what nobody else has proven to have, unless a person gives it up', async () => {
    using members = await open('last')
    members.remove('A', 'one')
    await members.synced()
    members.node('A').kill()
    members.node('H').wall.jump(40 * msPerDay) // nobody has proven anything since
    await members.pass(settleMs)
    await assert.rejects(remove(members, 'H'), (error: Error) => {
      assert.match(error.message, /may be the last that has content of 2 paths, 1\.\d MB .*proven lately.*--force/)
      return true
    })
    assert.ok(storedBlocks(members.node('H')).size > 0)
    await remove(members, 'H', true)
    assert.equal(storedBlocks(members.node('H')).size, 0)
  })
})

describe('a crash while a host takes the folder off itself', () => {
  for (const how of ['kill', 'crash'] as const) {
    it(`leaves the whole folder or nothing of it: a ${how} before each call that changes the drive`, async () => {
      using members = await open(`crash ${how}`)
      let calls = 0
      for (let isOver = false; !isOver; calls++) {
        assert.ok(calls < callsMax, 'it ends')
        isOver = await removeWithAccident(members, how, calls)
        if (!isOver) await members.wait(members.node('H').start(), 'start')
        await members.pass(settleMs)
        if (members.controls('H').folders().length > 0) {
          assert.deepEqual(stateOf(members, 'H'), { left: false, min: 2 }, `still there after call ${calls}`)
          continue
        }
        assert.equal(storedBlocks(members.node('H')).size, 0, `gone after call ${calls}`)
        assert.equal(stateOf(members, 'H').left, true, `gone after call ${calls}`)
        await members.join('A', 'H', 'host')
        await members.pass(settleMs)
      }
      assert.ok(calls > 5, `${calls} calls`)
    })
  }
})

/** True when it came through before the accident. */
async function removeWithAccident(members: Members, how: 'kill' | 'crash', calls: number): Promise<boolean> {
  const node = members.node('H')
  let left = calls
  node.faults.beforeCall((call) => {
    if (!call.isMutating || left-- > 0) return
    node.faults.beforeCall(undefined)
    node[how]()
  })
  const removing = members
    .controls('H')
    .removeFolder('Folder')
    .then(() => 'removed')
  const came = await members.wait(Promise.race([removing, node.died()]), 'removing the folder')
  node.faults.beforeCall(undefined)
  return came === 'removed'
}
