// New content while the hosts that are to hold it are off: another host stands in for them until they are back, and nothing else moves.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { retirePace } from '../../engine/replicas/retire.ts'
import { HostStage, type HostStageOptions } from './host-stage.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const photoBytes = 40_000
const old = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`old ${at}`, photoBytes]))

/** A reads the folder; the hosts share one copy of it beside that. */
async function openStage(options: Partial<HostStageOptions> = {}): Promise<HostStage> {
  const stage = await HostStage.open({ readers: ['A'], hosts: { B: {}, C: {}, D: {} }, copies: 2, before: old, ...options })
  await stage.until('two copies', 10 * minuteMs, () => stage.folder().copies.min === 2)
  await stage.pass(5 * minuteMs)
  return stage
}

async function saveEvening(stage: HostStage, photos: number, name = 'photo'): Promise<void> {
  for (let at = 0; at < photos; at++) await stage.write(`${name} ${at}`, photoBytes)
}

function storedBy(stage: HostStage, name: string): number {
  return stage.folder(name).stored?.bytes ?? 0
}

/** Which hosts hold each photo. */
async function holders(stage: HostStage, ...hosts: readonly string[]): Promise<readonly (readonly string[])[]> {
  const { signal } = new AbortController()
  const folder = stage.folder().id
  const { files } = await stage.settle(stage.controls('A').copies({ folder, limit: 1000 }, signal))
  const photos = files.filter(({ path }) => path.startsWith('photo'))
  return photos.map((file) => hosts.filter((host) => file.holders.some((peer) => peer === stage.node(host).peer)))
}

describe('a stand-in', () => {
  it('holds what came while the hosts that are to hold it were off, says so, and lets go of it later than they have it', async () => {
    const pace = { ...retirePace, surplusMs: 15 * minuteMs, firstMs: minuteMs, lookMs: minuteMs }
    using stage = await openStage({ pace })
    for (const host of ['B', 'C']) await stage.do(host, { do: 'kill' })
    await stage.pass(2 * minuteMs)
    const own = storedBy(stage, 'D')
    await saveEvening(stage, 12)
    await stage.pass(minuteMs)
    assert.equal(stage.folder().copies.min, 1, 'who was just there is waited for')
    await stage.until('two copies of all', 4 * minuteMs, () => stage.folder().copies.min === 2)
    await stage.pass(12 * minuteMs)
    assert.deepEqual(
      stage
        .controls('A')
        .status()
        .problems.filter(({ code }) => code === 'ONE_COPY'),
      [],
    )
    assert.ok(storedBy(stage, 'D') >= own + 12 * photoBytes, 'all that is new is there')
    await stage.do('D', { do: 'restart' })
    await stage.pass(2 * minuteMs)
    assert.equal(stage.folder().copies.min, 2, 'and is said to be after a restart')

    for (const host of ['B', 'C']) await stage.do(host, { do: 'start' })
    await stage.pass(minuteMs)
    await stage.until('those have theirs', 5 * minuteMs, () => stage.folder('B').needFiles + stage.folder('C').needFiles === 0)
    const held = storedBy(stage, 'D')
    await stage.pass(10 * minuteMs)
    assert.equal(storedBy(stage, 'D'), held, 'nothing goes at once')
    assert.ok(
      (await holders(stage, 'B', 'C', 'D')).every((names) => names.length === 1),
      'though it is not counted any more',
    )
    await stage.until('it lets go of what is not its own', hourMs, () => storedBy(stage, 'D') < own + 12 * photoBytes)
    await stage.pass(10 * minuteMs)
    assert.ok(storedBy(stage, 'B') > 0 && storedBy(stage, 'C') > 0)
    assert.equal(stage.folder().copies.min, 2)
  })

  it('is one host alone, in another place than the copy that there is, and makes no second copy of what has one', async () => {
    using stage = await openStage({ hosts: { B: { zone: 'attic' }, C: { zone: '' }, D: { zone: 'cellar' }, E: { zone: '' } } })
    for (const host of ['B']) await stage.do(host, { do: 'kill' })
    await stage.pass(5 * minuteMs)
    await saveEvening(stage, 20)
    await stage.until('two copies of all', 6 * minuteMs, () => stage.folder().copies.min === 2)
    await stage.pass(20 * minuteMs)
    const found = await holders(stage, 'C', 'D', 'E', 'B')
    assert.ok(
      found.every((names) => names.length === 1),
      JSON.stringify(found),
    )
  })

  it('scenario T24: a flapping node, 30 min on/off: 0 re-replications caused, and none by hosts that are off at night while nothing is new', async () => {
    using stage = await openStage()
    const at = stage.copies.whereabouts()
    for (let round = 0; round < 2; round++) {
      await stage.do('B', { do: 'kill' })
      await stage.pass(30 * minuteMs)
      await stage.do('B', { do: 'start' })
      await stage.pass(30 * minuteMs)
    }
    assert.ok(stage.copies.whereabouts() === at)
    for (const host of ['B', 'C']) await stage.do(host, { do: 'kill' })
    await stage.pass(3 * hourMs)
    for (const host of ['B', 'C']) await stage.do(host, { do: 'start' })
    await stage.pass(hourMs)
    assert.ok(stage.copies.whereabouts() === at)
  })

  it('takes at most half of the room that it has beside its own share, whoever is away', async () => {
    using stage = await openStage()
    const before = storedBy(stage, 'D')
    await stage.settle(stage.controls('D').setFolder('Folder', { grant: String(before + 12 * photoBytes) }))
    for (const host of ['B', 'C']) await stage.do(host, { do: 'kill' })
    await saveEvening(stage, 24, 'holiday')
    await stage.pass(30 * minuteMs)
    const more = storedBy(stage, 'D') - before
    assert.ok(more >= 3 * photoBytes && more <= 11 * photoBytes, `${more / photoBytes} of 24 photos`)
    assert.ok(
      !stage
        .controls('D')
        .status()
        .problems.some(({ code }) => code === 'HOST_CANNOT_STORE'),
    )
  })

  it('is not wanted any more for what was replaced meanwhile', async () => {
    using stage = await openStage()
    for (const host of ['B', 'C']) await stage.do(host, { do: 'kill' })
    await saveEvening(stage, 6)
    await stage.until('two copies of all', 6 * minuteMs, () => stage.folder().copies.min === 2)
    for (let at = 0; at < 6; at++) await stage.write(`photo ${at}`, photoBytes + at + 1)
    await stage.until('two copies of the new', 6 * minuteMs, () => stage.folder().copies.min === 2)
    for (const host of ['B', 'C']) await stage.do(host, { do: 'start' })
    await stage.pass(10 * minuteMs)
    const found = await holders(stage, 'B', 'C', 'D')
    assert.ok(
      found.every((names) => names.length === 1),
      JSON.stringify(found),
    )
  })
})
