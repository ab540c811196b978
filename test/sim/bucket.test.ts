// Hosts whose blocks are in object storage that is away, loses its answers or asks for patience, while they are killed, lose power and come back.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { BucketMood } from './bucket.ts'
import { HostStage } from './host-stage.ts'

const minuteMs = 60_000
const files = Object.fromEntries(Array.from({ length: 6 }, (_, at) => [`file ${at}`, 30_000]))

async function open(): Promise<HostStage> {
  const stage = await HostStage.open({ readers: ['A'], hosts: { B: { keep: 'all', isInBucket: true } }, copies: 2, before: files })
  await stage.until('two copies', 5 * minuteMs, () => stage.folder().copies.min === 2)
  return stage
}

describe('a host whose object storage', () => {
  const moods: readonly { readonly mood: BucketMood; readonly what: string }[] = [
    { mood: 'away', what: 'cannot be reached' },
    { mood: 'deaf', what: 'does what it is asked for, and loses its answers' },
    { mood: 'busy', what: 'asks for patience' },
  ]
  for (const { mood, what } of moods) {
    for (const accident of ['none', 'kill', 'crash'] as const) {
      it(`${what} while blocks come in${accident === 'none' ? '' : `, and that dies then (${accident})`}, shows no copy that is not there, and has all in the end`, async () => {
        using stage = await open()
        await stage.do('B', { do: 'storage', mood, forMs: 2 * minuteMs })
        for (let at = 0; at < 4; at++) await stage.write(`more ${at}`, 30_000)
        await stage.pass(20_000)
        assert.equal(stage.folder().copies.min, 1, 'what is not promised does not count')
        if (accident !== 'none') await stage.do('B', { do: accident })
        await stage.pass(2 * minuteMs)
        if (accident !== 'none') await stage.do('B', { do: 'start' })
        await stage.until('two copies of everything', 10 * minuteMs, () => stage.folder().copies.min === 2)
        assert.ok(
          [...(stage.node('B').bucket?.objects.keys() ?? [])].some((key) => key.startsWith('packs/')),
          'they are in the bucket',
        )
        stage.copies.checkSecrets()
      })
    }
  }
})
