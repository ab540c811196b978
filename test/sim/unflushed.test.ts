// What people saved a moment ago is in the system's memory, and gone with a power cut. Whatever others were told is here is on the device by then:
// in a receipt, and by a keep lease for which they let go of their own.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { utf8 } from '../../engine/base/bytes.ts'
import { Members } from './pair.ts'
import { SimUser } from './user.ts'

const { signal } = new AbortController()
const names = Array.from({ length: 8 }, (_, number) => `file ${number}`)
/** Of several sectors, some of which a power cut leaves out. */
const contentOf = (name: string): string => `${name} `.repeat(400)
const files = Object.fromEntries(names.map((name) => [name, contentOf(name)]))

/** Saves the files at a node as `like` has them, to the minute, and waits for no disk. */
function copyIn(members: Members, name: string, like: string): void {
  const { disk, folderPath } = members.node(name)
  const hasty = new SimUser(disk, { isDurable: false })
  for (const file of names) {
    const { user } = members.node(like)
    const mtimeUs = user.lstat(`${folderPath}/${file}`)?.mtimeUs ?? 0
    hasty.replace(`${folderPath}/${file}`, utf8(contentOf(file)), '/home/saving')
    hasty.touch(`${folderPath}/${file}`, mtimeUs)
  }
  disk.commitNamesNow() // the journal is written every few seconds, the bytes when the system sees fit
}

/** Files that a node does not have as they were saved. */
function damaged(members: Members, name: string): readonly string[] {
  return names.filter((file) => members.read(name, file) !== contentOf(file))
}

async function copiesAt(members: Members, name: string): Promise<readonly number[]> {
  const list = await members.wait(members.controls(name).copies({ folder: 'Folder', limit: 100 }, signal), 'copies')
  return list.files.map(({ copies }) => copies)
}

/** Lets time pass until a member shows so many copies of everything. */
async function shown(members: Members, name: string, wanted: number): Promise<void> {
  for (let seconds = 0; seconds < 120; seconds++) {
    const copies = await copiesAt(members, name)
    if (copies.length === names.length && copies.every((count) => count === wanted)) return
    await members.pass(1000)
  }
  assert.fail(`${name} shows ${(await copiesAt(members, name)).join(' ')} copies`)
}

describe('a power cut', () => {
  it('takes nothing of what a person copied in and a receipt says is held, though the entries are those of others', async () => {
    using members = new Members('copied in', ['a', 'b', 'c'])
    await members.begin(files)
    await shown(members, 'a', 3)
    await members.wait(members.controls('b').freeFiles({ folder: 'Folder', paths: names }, signal), 'free')
    await shown(members, 'a', 2)
    copyIn(members, 'b', 'a')
    await shown(members, 'a', 3)
    members.node('b').crash()
    assert.deepEqual(damaged(members, 'b'), [])
  })

  it('takes nothing of what a person saved and a receipt says is held', async () => {
    using members = new Members('saved', ['a', 'b'])
    await members.begin()
    copyIn(members, 'b', 'a')
    await shown(members, 'a', 2)
    members.node('b').crash()
    assert.deepEqual(damaged(members, 'b'), [])
  })

  it('takes nothing of what was saved anew as it was, a moment later', async () => {
    using members = new Members('saved anew', ['a', 'b'])
    await members.begin(files)
    copyIn(members, 'b', 'a')
    await members.pass(15_000)
    members.node('b').crash()
    assert.deepEqual(damaged(members, 'b'), [])
  })

  it('takes nothing of what a member freed by the word of others, who had just saved the same bytes anew', async () => {
    using members = new Members('freed', ['a', 'b', 'c'])
    await members.begin(files)
    await members.pass(15_000)
    for (const name of ['b', 'c']) copyIn(members, name, 'a')
    // What is looked at in the very moment in which it is asked about is refused, and asked about again.
    let left = names
    for (let attempt = 0; attempt < 5 && left.length > 0; attempt++) {
      const freeing = members.controls('a').freeFiles({ folder: 'Folder', paths: left }, signal)
      left = (await members.wait(freeing, 'free')).refused.map(({ path }) => path)
    }
    for (const name of ['b', 'c']) members.node(name).crash()
    assert.deepEqual(left, [])
    assert.deepEqual([damaged(members, 'b'), damaged(members, 'c')], [[], []])
  })
})
