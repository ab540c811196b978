// A host that is full: what it cannot take goes to others with room, what it has stays where it is as far as can be, and everybody is told.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { HostStage } from './host-stage.ts'

const minuteMs = 60_000
const files = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`file ${at}`, 50_000]))

/** A reads the folder, B to D share two copies of it: some 1.3 MB each. */
async function openFull(): Promise<HostStage> {
  const stage = await HostStage.open({ readers: ['A'], hosts: { B: {}, C: {}, D: {} }, copies: 3, before: files })
  await stage.until('three copies', 10 * minuteMs, () => stage.folder().copies.min === 3)
  return stage
}

describe('a host that is full', () => {
  it('scenario 105: node full, placement target refuses: other targets take what it cannot, under-replication is visible meanwhile, and nothing flaps', async () => {
    using stage = await openFull()
    const stored = (name: string): number => stage.folder(name).stored?.bytes ?? 0
    const before = stored('B')
    await stage.settle(stage.controls('B').setFolder('Folder', { grant: String(before + 100_000) }))
    for (let at = 0; at < 20; at++) await stage.write(`more ${at}`, 50_000)
    await stage.pass(30_000)
    const { copies } = stage.folder()
    assert.ok(copies.min === 2 && copies.below > 0, `fewer copies are shown: ${JSON.stringify(copies)}`)
    assert.equal(stage.folder('B').reasons[0]?.reason, 'NO_ROOM')
    await stage.until('A is told', 5 * minuteMs, () =>
      stage
        .controls('A')
        .status()
        .problems.some(({ code }) => code === 'HOST_FULL'),
    )
    await stage.until('three copies again', 30 * minuteMs, () => stage.folder().copies.min === 3)
    await stage.until('the full host lacks nothing of what is its own by now', 30 * minuteMs, () => stage.folder('B').needFiles === 0)
    assert.ok(stored('B') > before * 0.8, 'it holds nearly what it held')
    await stage.pass(10 * minuteMs) // what is others' by now goes
    const at = stage.copies.whereabouts()
    await stage.pass(60 * minuteMs)
    assert.ok(stage.copies.whereabouts() === at, 'nothing moves any more')
    assert.equal(stage.folder().copies.min, 3)
  })
})
