// Directories that forbid their owner to write: apply gets in, and leaves them as they were. Root may do anything, so this runs as
// another user where it can.

import assert from 'node:assert/strict'
import { chmodSync, chownSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { FolderWorld } from '../support/folder-world.ts'

const nobody = 65_534
const isRoot = process.getuid?.() === 0
const canSwitch = isRoot && process.seteuid !== undefined

async function openWorld(): Promise<FolderWorld> {
  const world = await FolderWorld.open()
  if (canSwitch) {
    for (const path of ['', '.holdfast', '.holdfast/temp', '.holdfast/replaced']) chownSync(`${world.root}/${path}`, nobody, nobody)
    process.seteuid?.(nobody)
  }
  return world
}

function modeOf(world: FolderWorld, path: string): string {
  return (lstatSync(`${world.root}/${path}`).mode & 0o777).toString(8)
}

describe('a directory that forbids its owner to write', { skip: process.platform === 'win32' }, () => {
  let world: FolderWorld
  beforeEach(async () => void (world = await openWorld()))
  afterEach(() => {
    if (canSwitch) process.seteuid?.(0)
    world[Symbol.dispose]()
  })

  for (const mode of [0o555, 0o500, 0o444, 0o333, 0o000]) {
    const text = mode.toString(8).padStart(3, '0')
    it(`scenario 77: arrives with what is in it, and has its bits after that: ${text}`, async () => {
      const outcomes = await world.apply(
        { kind: 'directory', path: 'locked', mode, expected: undefined },
        { kind: 'directory', path: 'locked/deep', mode, expected: undefined },
        await world.file('locked/deep/file', 'inside', { expected: undefined }),
      )
      assert.deepEqual(
        outcomes.map(({ kind }) => kind),
        ['done', 'done', 'done'],
      )
      assert.equal(modeOf(world, 'locked'), mode.toString(8))
      for (const path of ['locked', 'locked/deep']) {
        chmodSync(`${world.root}/${path}`, 0o755)
      }
      assert.equal(readFileSync(`${world.root}/locked/deep/file`, 'utf8'), 'inside')
    })
  }

  it('takes more into a directory whose bits change in the same batch', async () => {
    world.makeDirectory('place')
    const outcomes = await world.apply(
      { kind: 'symlink', path: 'place/before', target: 'x', expected: undefined },
      { kind: 'attributes', path: 'place', mode: 0o555, mtimeUs: undefined, expected: world.expect('place') },
      await world.file('place/after', 'two', { expected: undefined }),
    )
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ['done', 'done', 'done'],
    )
    assert.equal(modeOf(world, 'place'), '555')
    chmodSync(`${world.root}/place`, 0o755)
  })

  it('scenario 77: lets go of what is in it, and changes what stays', async () => {
    world.makeDirectory('locked')
    world.write('locked/old', 'old')
    world.write('locked/changed', 'before')
    const [old, changed] = [world.expect('locked/old'), world.expect('locked/changed')]
    chmodSync(`${world.root}/locked`, 0o555)
    const outcomes = await world.apply(
      { kind: 'remove', path: 'locked/old', expected: old, park: 'parked' },
      await world.file('locked/changed', 'after', { expected: changed, park: 'parked-too' }),
    )
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ['done', 'done'],
    )
    assert.equal(modeOf(world, 'locked'), '555')
    assert.deepEqual(readdirSync(`${world.root}/locked`), ['changed'])
    assert.equal(readFileSync(`${world.root}/locked/changed`, 'utf8'), 'after')
    chmodSync(`${world.root}/locked`, 0o755)
  })
})
