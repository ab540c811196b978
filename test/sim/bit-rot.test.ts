// A drive gives other bytes than were written, with the same size, times and inode. Only a simulated drive does that on request.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { fromUtf8 } from '../../engine/base/bytes.ts'
import { Stage } from './scenario.ts'

const text = 'what a person wrote'

function problems(stage: Stage, on: string): readonly string[] {
  return stage
    .controls(on)
    .status()
    .problems.map(({ code }) => code)
}

async function verify(stage: Stage, on: string): Promise<readonly string[]> {
  const signal = new AbortController().signal
  return (await stage.settle(stage.controls(on).verifyFolder(stage.folder(on).id, signal))).rotten
}

/** What was set aside for a person to look at. */
function setAside(stage: Stage, on: string): readonly string[] {
  const { user, folderPath } = stage.person(on).node
  const items = user.list(`${folderPath}/.holdfast/replaced`).filter(({ name }) => name.startsWith('rot-'))
  return items.map(({ name }) => fromUtf8(user.read(`${folderPath}/.holdfast/replaced/${name}`) ?? new Uint8Array(0)) ?? 'no text')
}

describe('scenario 102: bytes that changed by themselves, the times unchanged,', () => {
  test('are found when the folder is verified, never told to others, and replaced from a member after they were set aside', async () => {
    using stage = await Stage.open({ before: { f: text, other: 'sound' } })
    await stage.do('B', { do: 'rot', path: 'f', offset: 0 })
    assert.notEqual(stage.tree('B')['f'], text)
    assert.deepEqual(await verify(stage, 'B'), ['f'])
    await stage.rest()
    assert.deepEqual(
      [stage.tree('A'), stage.tree('B')],
      [
        { f: text, other: 'sound' },
        { f: text, other: 'sound' },
      ],
    )
    assert.equal(setAside(stage, 'B').length, 1)
    assert.notEqual(setAside(stage, 'B')[0], text)
    assert.deepEqual(problems(stage, 'B'), ['BIT_ROT_REPAIRED'])
    assert.deepEqual(await verify(stage, 'B'), [])
    assert.equal(stage.controls('B').history(stage.folder('B').id, 'f').versions.length, 0, 'what nobody wrote is no version')
  })

  test('are found by scrub, replaced from a member, and counted', async () => {
    using stage = await Stage.open({ before: { f: text, other: 'sound' } })
    await stage.do('B', { do: 'rot', path: 'f', offset: 0 })
    await stage.settle(stage.controls('B').startScrub())
    await stage.pass(120_000)
    await stage.rest()
    assert.deepEqual(stage.tree('B'), { f: text, other: 'sound' })
    const { found, healed, open, last } = stage.controls('B').scrubStatus()
    assert.deepEqual({ found, healed, open }, { found: 1, healed: 1, open: 0 })
    assert.equal(last?.found, 1)
    assert.equal(setAside(stage, 'B').length, 1)
    assert.deepEqual(stage.controls('A').scrubStatus().found, 0)
  })

  test('are not found by a walk, which reads no content, and not served either: whoever asks finds them', async () => {
    using stage = await Stage.open({ nodes: ['A', 'B', 'C'], before: { g: 'x' } })
    await stage.do('C', { do: 'pause' })
    await stage.write('A', 'f', text)
    await stage.pass(30_000)
    assert.equal(stage.tree('B')['f'], text)
    for (const on of ['A', 'B']) await stage.do(on, { do: 'rot', path: 'f', offset: 0 })
    await stage.settle(stage.controls('A').rescanFolder(stage.folder('A').id, new AbortController().signal))
    assert.deepEqual(problems(stage, 'A'), [])
    await stage.do('C', { do: 'resume' })
    await stage.pass(120_000)
    assert.deepEqual(stage.tree('C'), { g: 'x' }, 'bad bytes go nowhere')
    const asked = problems(stage, 'A').includes('BIT_ROT') || problems(stage, 'B').includes('BIT_ROT')
    assert.ok(asked, 'it was found by asking')
    assert.deepEqual(setAside(stage, 'A'), [], 'nothing is set aside while nobody has good bytes')
    // Saved once more, it is the person's again.
    await stage.write('A', 'f', text)
    await stage.rest()
    for (const on of ['A', 'B', 'C']) {
      assert.deepEqual(stage.tree(on), { f: text, g: 'x' })
      assert.ok(!problems(stage, on).includes('BIT_ROT'), on)
    }
  })

  test('are still no edit when the repair, a chmod or a restart comes in between', async () => {
    using stage = await Stage.open({ before: { f: text } })
    await stage.apart()
    await stage.do('B', { do: 'rot', path: 'f', offset: 0 })
    assert.deepEqual(await verify(stage, 'B'), ['f'])
    await stage.do('B', { do: 'chmod', path: 'f', mode: 0o600 })
    await stage.pass(5000)
    await stage.do('B', { do: 'restart' })
    await stage.pass(20_000)
    assert.ok(problems(stage, 'B').includes('BIT_ROT'), 'it is said again')
    await stage.together()
    assert.deepEqual([stage.tree('A'), stage.tree('B')], [{ f: text }, { f: text }])
    assert.equal(stage.person('A').node.user.lstat('/folder/f')?.mode, 0o600)
  })
})

test('scenarios 100, T22: all three copies of a file are lost: it is listed by name, nothing else waits for it, and an old device that returns heals it', async () => {
  using stage = await Stage.open({ nodes: ['A', 'B', 'C', 'D'], before: { f: text, other: 'sound' } })
  await stage.do('D', { do: 'kill' })
  for (const on of ['A', 'B', 'C']) await stage.do(on, { do: 'rot', path: 'f', offset: 0 })
  for (const on of ['A', 'B', 'C']) assert.deepEqual(await verify(stage, on), ['f'])
  await stage.pass(60_000)
  for (const on of ['A', 'B', 'C']) {
    const { problems: all, folders } = stage.controls(on).status()
    assert.deepEqual(
      all.filter(({ code }) => code === 'BIT_ROT').map(({ path }) => path),
      ['f'],
    )
    assert.equal(folders[0]?.copies.single, 1, 'only the old device has said that it holds it')
  }
  await stage.write('A', 'new', 'goes on')
  await stage.pass(30_000)
  for (const on of ['B', 'C']) assert.equal(stage.tree(on)['new'], 'goes on')
  await stage.do('D', { do: 'start' })
  await stage.rest()
  for (const on of ['A', 'B', 'C', 'D']) assert.deepEqual(stage.tree(on), { f: text, other: 'sound', new: 'goes on' })
})
