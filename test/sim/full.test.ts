// A member whose disk is full: whoever waits for being in step is told so, and does not wait for ever.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { InStep } from '../../engine/api/controls.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { Members } from './pair.ts'

const { signal } = new AbortController()
const roomBytes = 600_000
const largeBytes = 3_000_000
/** For a full disk to be met, or to be tried again. */
const settleMs = 60_000

async function open(seed: string): Promise<Members> {
  const members = new Members(seed, ['A', 'B', 'H'], { H: { zone: 'cellar', class: 'always-on', capacityBytes: 1_000_000_000 } })
  await members.begin({ one: 'one' }, ['H'])
  await members.wait(members.controls('A').setFolder('Folder', { copies: '3' }), 'three copies')
  await members.synced()
  await members.pass(settleMs)
  return members
}

async function inStep(members: Members, name: string): Promise<InStep> {
  return await members.wait(members.controls(name).waitSynced(undefined, signal), `${name} in step`)
}

describe('waiting for being in step', () => {
  for (const full of ['B', 'H']) {
    it(`ends beside ${full === 'B' ? 'a member' : 'a host'} whose disk is full, names it, and goes on once there is room`, async () => {
      using members = await open(`full ${full}`)
      members.node(full).disk.leaveRoom({ bytes: roomBytes })
      members.write('A', 'large', new SeededRandom('large').bytes(largeBytes))
      for (const viewer of ['A', full]) {
        const told = await inStep(members, viewer)
        assert.deepEqual(
          told.full.map(({ folder, name, needs }) => ({ folder, name, isBehind: needs > 0 })),
          [{ folder: 'Folder', name: full, isBehind: true }],
          viewer,
        )
      }
      if (full === 'H') assert.equal(members.read('B', 'large')?.length !== undefined, true)
      members.node(full).disk.leaveRoom({})
      await members.pass(10 * settleMs)
      for (const viewer of ['A', full]) assert.deepEqual(await inStep(members, viewer), { paused: [], full: [] }, viewer)
    })
  }
})
