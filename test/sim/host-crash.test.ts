// A host that dies while a block comes in, at each call in turn that changes its drive or its index: whatever it has said that it holds is there.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { HostStage } from './host-stage.ts'

const minuteMs = 60_000
const callsMax = 60
/** So many calls in a row at which it did not come to die any more: they are all after the receipt. */
const quietMin = 3
/** A block, its need, what is known of entries, and the receipt are some more. */
const deathsMin = 6

describe('a host that dies while a block comes in', () => {
  for (const [accident, what] of [
    ['killInCall', 'kill -9'],
    ['crashInCall', 'power loss'],
  ] as const) {
    it(`scenario T10: ${what} before append, after append before fsync, after fsync before index, after index before receipt, after receipt: acked ⊆ present at each point`, async () => {
      using stage = await HostStage.open({ readers: ['A'], hosts: { B: { keep: 'all' } }, copies: 2, before: { first: 20_000 } })
      await stage.until('two copies', minuteMs, () => stage.folder().copies.min === 2)
      const host = stage.node('B')
      let [deaths, quiet, deathsAfterReceipt] = [0, 0, 0]
      for (let calls = 1; calls <= callsMax && quiet < quietMin; calls++) {
        await stage.do('B', { do: accident, calls })
        await stage.write(`file ${calls}`, 20_000)
        // At every look the oracle reads B's segments, and compares what A shows by B's receipt.
        for (let looks = 0; looks < 5; looks++) await stage.pass(1000)
        host.faults.beforeCall(undefined)
        if (host.isRunning) quiet++
        else {
          quiet = 0
          deaths++
          if (stage.folder().copies.min === 2) deathsAfterReceipt++
          await stage.do('B', { do: 'start' })
        }
        await stage.until(`two copies again after call ${calls}`, 5 * minuteMs, () => stage.folder().copies.min === 2)
      }
      assert.equal(quiet, quietMin, 'every call until after the receipt was tried')
      assert.ok(deaths >= deathsMin, `${deaths} deaths`)
      assert.ok(deathsAfterReceipt < deaths, 'it died before its receipt, too')
    })
  }
})
