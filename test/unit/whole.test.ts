// Whether a node may say that nothing refers to a block: only from an index in which all is that anybody is known to know.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { present } from '../../engine/base/assert.ts'
import { bytesKey } from '../../engine/base/bytes.ts'
import { createIdentity } from '../../engine/crypto/identity.ts'
import { parseAuthorId } from '../../engine/model/ids.ts'
import type { Known } from '../../engine/model/known.ts'
import { coversKnown } from '../../engine/model/known.ts'
import { parseReceipt, signReceipt, type Claim, type Receipt } from '../../engine/replicas/receipt.ts'
import { isHeard, isWhole, type Knowledge } from '../../engine/replicas/whole.ts'
import { testFolder } from '../support/blocks.ts'

const folder = testFolder(7)
const [writer, host] = [createIdentity(new Uint8Array(32).fill(21)), createIdentity(new Uint8Array(32).fill(22))]
const author = present(parseAuthorId(new Uint8Array(16).fill(1)), 'an id')

function receiptOf(identity: typeof writer, heads: Known, keep: Claim['keep'] = 'all'): Receipt {
  const claim = { keep, parts: [{ layout: new Uint8Array(0), heads: [{ author, ...heads }], lacking: [] }] }
  return present(parseReceipt(signReceipt(identity, folder, claim, { edition: 1, logLength: 1, timeMs: 1 }), folder), 'a receipt')
}

function knowledge(own: Known, receipts: readonly Receipt[], change: Partial<Knowledge> = {}): Knowledge {
  return {
    known: new Map([[bytesKey(author), own]]),
    others: [
      { peer: writer.peerId, mayWrite: true },
      { peer: host.peerId, mayWrite: false },
    ],
    receiptOf: (peer) => receipts.find((receipt) => receipt.peer === peer),
    level: new Set([writer.peerId]),
    isCutOff: false,
    ...change,
  }
}

describe('an index', () => {
  const both = [receiptOf(writer, { seq: 5 }), receiptOf(host, { seq: 4 }, 'share')]

  it('is whole when it has all that members say they know, and a member that writes has just told all', () => {
    assert.equal(isWhole(knowledge({ seq: 5 }, both)), true)
    assert.equal(isWhole(knowledge({ seq: 9 }, both)), true)
  })

  it('that is empty or half loaded is not', () => {
    assert.equal(isWhole({ ...knowledge({ seq: 5 }, both), known: new Map() }), false)
    assert.equal(isWhole(knowledge({ seq: 4 }, both)), false)
    assert.equal(isWhole(knowledge({ seq: 3, above: [{ first: 5, last: 5 }] }, both)), false, 'one is missing in between')
  })

  it('is not while a member has not said what it knows, or is the only one that could have told', () => {
    assert.equal(isWhole(knowledge({ seq: 5 }, both.slice(0, 1))), false)
    assert.equal(isWhole(knowledge({ seq: 5 }, [])), false)
    assert.equal(isWhole(knowledge({ seq: 5 }, both, { level: new Set([host.peerId]) })), false)
    assert.equal(isWhole(knowledge({ seq: 5 }, both, { level: new Set() })), false)
  })

  it('waits for each member whose word shows less than it has to', () => {
    const known = new Map([[bytesKey(author), { seq: 5 }]])
    assert.equal(isHeard(known, receiptOf(writer, { seq: 5 }), true), true)
    assert.equal(isHeard(known, receiptOf(writer, { seq: 4 }), true), true, 'who holds everything brings what it names')
    assert.equal(isHeard(known, receiptOf(writer, { seq: 4 }, 'selected'), true), false)
    assert.equal(isHeard(known, receiptOf(host, { seq: 4 }, 'share'), false), true)
    assert.equal(isHeard(known, receiptOf(host, { seq: 6 }, 'share'), false), false)
    assert.equal(isHeard(known, undefined, false), false)
  })

  it('scenario T25: partition 50/50 for 2 h and 10 d: no deletes executed by GC', () => {
    assert.equal(isWhole(knowledge({ seq: 5 }, both, { isCutOff: true })), false)
  })

  it('scenario T38: GC with a writer offline 60 d who references old blocks: not collected where it may not have them itself', () => {
    const selective = [receiptOf(writer, { seq: 5 }, 'share'), both[1]].flatMap((receipt) => receipt ?? [])
    const change = {
      others: knowledge({ seq: 5 }, []).others.map((other) => ({ ...other, mayWrite: true })),
      level: new Set([host.peerId]),
    }
    assert.equal(isWhole(knowledge({ seq: 6 }, selective, change)), false, 'it has not heard of what took their place')
    assert.equal(
      isWhole(knowledge({ seq: 5 }, [receiptOf(writer, { seq: 5 }, 'share'), receiptOf(host, { seq: 5 }, 'share')], change)),
      true,
    )
  })
})

describe('what is known', () => {
  const cases: readonly (readonly [Known, Known, boolean])[] = [
    [{ seq: 0 }, { seq: 0 }, true],
    [{ seq: 5 }, { seq: 5 }, true],
    [{ seq: 4 }, { seq: 5 }, false],
    [{ seq: 2, above: [{ first: 4, last: 6 }] }, { seq: 2, above: [{ first: 5, last: 5 }] }, true],
    [{ seq: 2, above: [{ first: 4, last: 6 }] }, { seq: 3 }, false],
    [{ seq: 9 }, { seq: 2, above: [{ first: 5, last: 7 }] }, true],
    [{ seq: 6 }, { seq: 2, above: [{ first: 5, last: 7 }] }, false],
  ]
  for (const [outer, inner, covers] of cases) {
    it(`${JSON.stringify(outer)} ${covers ? 'covers' : 'does not cover'} ${JSON.stringify(inner)}`, () =>
      assert.equal(coversKnown(outer, inner), covers))
  }
})
