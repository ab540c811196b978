// Audits: who holds what it says passes, who lost a part or lies is found, who does not answer is asked the same again and holds up nobody else.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { present } from '../../engine/base/assert.ts'
import { bytesKey, utf8 } from '../../engine/base/bytes.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { abortable } from '../../engine/base/queue.ts'
import { blockProof } from '../../engine/crypto/block-proof.ts'
import { blockIdOf } from '../../engine/crypto/seal.ts'
import { drawSample, sampleBlocks, type Claims } from '../../engine/scrub/sample.ts'
import { allBlocks, keyAt, openStage, peer, type AuditStage } from '../support/audit-stage.ts'
import { never, stillClock, testBytes } from '../support/blocks.ts'
import { secondIdentity } from '../support/model-values.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { StepClock } from '../support/step-clock.ts'

/** Lets time go by until something is so; fails when an hour did not do. */
async function passUntil(clock: StepClock, isSo: () => boolean): Promise<void> {
  for (let second = 0; second < 3600 && !isSo(); second++) await clock.pass(1000)
  assert.ok(isSo())
}

async function settled(): Promise<void> {
  for (let turns = 0; turns < 400; turns++) await Promise.resolve()
}

describe('an audit', () => {
  it('passes a member that has everything, and asks no more than a sample', async () => {
    using stage = openStage(1000)
    await stage.audit.audit(peer, never)
    assert.deepEqual(stage.outcomes, ['passed'])
    assert.equal(new Set(stage.asked.flat()).size, sampleBlocks)
    const { blocks, missing, lastRow, word } = present(stage.row(), 'it was audited')
    assert.deepEqual([blocks, missing, lastRow, word], [sampleBlocks, 0, stage.entries, utf8('edition 1')])
  })

  it('asks for every block where there are few', async () => {
    using stage = openStage(20)
    await stage.audit.audit(peer, never)
    assert.deepEqual(new Set(stage.asked.flat()), new Set(stage.ids.map(bytesKey)))
  })

  it('fails a member that has other bytes, one that has none, and one that answers with the proof of another', async () => {
    using stage = openStage(20)
    stage.theirs.set(keyAt(stage, 3), testBytes(99, 40))
    stage.theirs.delete(keyAt(stage, 7))
    await stage.audit.audit(peer, never)
    assert.deepEqual(stage.outcomes, [2])
    const nonce = testBytes(5, 32)
    assert.notDeepEqual(blockProof(peer, nonce, testBytes(1, 40)), blockProof(secondIdentity.peerId, nonce, testBytes(1, 40)))
  })

  it('asks again after a pause, and forgives what is there by then or of an entry that was replaced', async () => {
    const clock = new StepClock()
    using stage = openStage(20, { clock })
    const [back, dropped, bytes] = [keyAt(stage, 3), keyAt(stage, 18), present(stage.theirs.get(keyAt(stage, 3)), 'a block')]
    stage.theirs.delete(back)
    stage.theirs.delete(dropped)
    const auditing = stage.audit.audit(peer, never)
    await settled()
    assert.deepEqual(stage.outcomes, [], 'nothing is said before it was asked again')
    stage.theirs.set(back, bytes)
    stage.replaced.add(7)
    await clock.pass(15_000)
    await auditing
    assert.deepEqual(stage.outcomes, ['passed'])
    assert.deepEqual(stage.asked.at(-1), [back])
  })

  it('concludes nothing while its member takes back what it is to prove, and draws anew from what is said then', async () => {
    const clock = new StepClock()
    using stage = openStage(60, { clock })
    for (let at = 0; at < 30; at++) stage.theirs.delete(keyAt(stage, at))
    stage.answer = async () => {
      stage.claimed = 0 // it sees that it is asked, and says that it holds nothing
      await Promise.resolve()
    }
    const ending = new AbortController()
    const running = stage.audit.run(ending.signal)
    for (let seconds = 0; seconds < 28; seconds++) await clock.pass(1000)
    assert.ok(stage.asked.length > 0)
    assert.deepEqual([stage.outcomes, stage.row()], [[], undefined], 'nothing is verified')
    stage.claimed = stage.entries
    stage.answer = async () => await Promise.resolve()
    await passUntil(clock, () => stage.outcomes.length > 0)
    assert.deepEqual(stage.outcomes, [30])
    ending.abort()
    await assert.rejects(running, { code: 'ABORTED' })
  })

  it('asks the same again of a member that did not answer, and goes on where it was', async () => {
    using stage = openStage(2000)
    let questions = 0
    stage.answer = async () => {
      if (++questions % 10 === 0) throw new EngineError('CLOSED', 'gone')
      await Promise.resolve()
    }
    await assert.rejects(stage.audit.audit(peer, never), { code: 'CLOSED' })
    await assert.rejects(stage.audit.audit(peer, never), { code: 'CLOSED' })
    assert.deepEqual(stage.outcomes, [])
    stage.answer = async () => await Promise.resolve()
    await stage.audit.audit(peer, never)
    assert.deepEqual(stage.outcomes, ['passed'])
    assert.equal(stage.asked.flat().length, sampleBlocks, 'what was proven is not asked for twice')
    const first = new Set(stage.asked.flat())
    stage.asked.length = 0
    await stage.audit.audit(peer, never)
    assert.ok(
      stage.asked.flat().some((id) => !first.has(id)),
      'a new audit is a new sample',
    )
  })

  it('leaves a member alone for a while that did not answer, or of whose blocks none is here', async () => {
    for (const [answers, isHere] of [
      [false, true],
      [true, false],
    ] as const) {
      using stage = openStage(20)
      if (!answers) stage.answer = () => Promise.reject(new EngineError('CLOSED', 'gone'))
      if (!isHere) stage.ours.clear()
      const ending = new AbortController()
      const running = stage.audit.run(ending.signal)
      for (let wakes = 0; wakes < 50; wakes++) {
        stage.audit.wake()
        for (let turns = 0; turns < 20; turns++) await Promise.resolve()
      }
      ending.abort()
      await assert.rejects(running, { code: 'ABORTED' })
      assert.ok(stage.tries <= 2, `${stage.tries} tries`)
    }
  })

  it('looks at a member again that claimed nothing as soon as it claims something, or a placement came that its receipt names', async () => {
    for (const tell of [(stage: AuditStage) => void stage.edition++, (stage: AuditStage) => stage.audit.claimsChanged()]) {
      using stage = openStage(20)
      stage.claimed = 0
      const ending = new AbortController()
      const running = stage.audit.run(ending.signal)
      await settled()
      stage.claimed = stage.entries
      await settled()
      assert.deepEqual(stage.outcomes, [])
      tell(stage)
      stage.audit.wake()
      await settled()
      assert.equal(stage.outcomes[0], 'passed')
      ending.abort()
      await assert.rejects(running, { code: 'ABORTED' })
    }
  })

  it('does not leave a member alone when what it claims came to be understood while it was asked', async () => {
    using stage = openStage(20)
    const here = new Map(stage.ours)
    stage.ours.clear()
    stage.onOwn = () => {
      stage.onOwn = () => undefined
      for (const [name, bytes] of here) stage.ours.set(name, bytes)
      stage.audit.claimsChanged()
    }
    const ending = new AbortController()
    const running = stage.audit.run(ending.signal)
    await settled()
    assert.equal(stage.outcomes[0], 'passed')
    ending.abort()
    await assert.rejects(running, { code: 'ABORTED' })
  })

  it('gives a question up that is not answered in time, and asks the same again later', async () => {
    const clock = new StepClock()
    using stage = openStage(20, { clock })
    let [given, questions] = [0, 0]
    stage.answer = async (_, signal) => {
      questions++
      signal.addEventListener('abort', () => given++)
      if (questions === 1) await abortable<void>(() => undefined, never)
    }
    const ending = new AbortController()
    const running = stage.audit.run(ending.signal)
    await clock.pass(10_000)
    await clock.pass(1000)
    assert.equal(questions, 1)
    await clock.pass(119_000)
    assert.equal(given, 0)
    await clock.pass(1000)
    assert.equal(given, 1)
    for (let seconds = 0; seconds < 25; seconds++) await clock.pass(1000)
    assert.deepEqual(stage.outcomes, ['passed'])
    ending.abort()
    await assert.rejects(running, { code: 'ABORTED' })
  })

  it('rests nine times as long as a question took, and from what is new twenty times as long as all of them', async () => {
    const clock = new StepClock()
    using stage = openStage(60, { clock })
    stage.entries = 16
    stage.answer = async () => await clock.sleep(1000, never)
    const ending = new AbortController()
    const running = stage.audit.run(ending.signal)
    const pass = async (seconds: number): Promise<void> => {
      for (let second = 0; second < seconds; second++) await clock.pass(1000)
    }
    const questionsAfter = async (seconds: number): Promise<number> => {
      await pass(seconds)
      return stage.asked.length
    }
    assert.deepEqual([await questionsAfter(12), await questionsAfter(9), await questionsAfter(1)], [1, 1, 2])
    assert.deepEqual([await questionsAfter(9), await questionsAfter(1)], [2, 3])
    assert.deepEqual(stage.outcomes, ['passed'])
    stage.audited = 16
    stage.entries = 20
    assert.deepEqual([await questionsAfter(50), await questionsAfter(25)], [3, 4])
    ending.abort()
    await assert.rejects(running, { code: 'ABORTED' })
  })

  it('waits while content still comes here, but a minute at most, and not for a member that is not believed', async () => {
    const clock = new StepClock()
    using stage = openStage(10, { clock })
    stage.isFilling = true
    const ending = new AbortController()
    const running = stage.audit.run(ending.signal)
    const askedAfter = async (seconds: number): Promise<number> => {
      for (let second = 0; second < seconds; second++) await clock.pass(1000)
      return stage.asked.length
    }
    assert.deepEqual([await askedAfter(55), await askedAfter(20)], [0, 1], 'it never ends')
    stage.isFilling = false
    assert.equal(await askedAfter(30), 1)
    stage.entries = 12
    stage.isFilling = true
    assert.deepEqual([await askedAfter(30)], [1])
    stage.isFilling = false
    assert.deepEqual([await askedAfter(3)], [2], 'it is looked at again soon')
    const lost = keyAt(stage, 9)
    stage.theirs.delete(lost)
    stage.edition++
    stage.audit.suspect(peer, [{ id: present(stage.ids[9], 'an id'), rowSeq: 4 }])
    await askedAfter(40)
    assert.deepEqual(stage.outcomes.at(-1), 1)
    stage.theirs.set(lost, present(stage.ours.get(lost), 'it is here'))
    stage.isFilling = true
    stage.edition++
    stage.audit.wake()
    await askedAfter(10)
    assert.deepEqual(stage.outcomes.at(-1), 'passed')
    ending.abort()
    await assert.rejects(running, { code: 'ABORTED' })
  })

  it('does not rest while it asks a member that is not believed: copies may be made for want of its word', async () => {
    const clock = new StepClock()
    using stage = openStage(60, { clock })
    stage.theirs.delete(keyAt(stage, 0))
    await Promise.all([stage.audit.audit(peer, never), passUntil(clock, () => stage.outcomes.length === 1)])
    assert.deepEqual(stage.outcomes, [1])
    stage.theirs.set(keyAt(stage, 0), present(stage.ours.get(keyAt(stage, 0)), 'it is here'))
    stage.answer = async () => await clock.sleep(1000, never)
    const startedMs = clock.monotonicMs()
    await Promise.all([stage.audit.audit(peer, never), passUntil(clock, () => stage.outcomes.length === 2)])
    assert.deepEqual(stage.outcomes, [1, 'passed'])
    assert.ok(clock.monotonicMs() - startedMs <= 6000, 'four questions of a second each')
  })

  it('of one member does not wait for another that is silent', async () => {
    const clock = new StepClock()
    using stage = openStage(20, { clock })
    stage.members = [peer, secondIdentity.peerId]
    stage.answer = async (of) => {
      if (of === peer) await abortable<void>(() => undefined, never)
    }
    const ending = new AbortController()
    const running = stage.audit.run(ending.signal)
    await clock.pass(10_000)
    await clock.pass(1000)
    assert.deepEqual(stage.outcomes, ['passed'])
    assert.equal(stage.row(peer), undefined)
    ending.abort()
    await assert.rejects(running, { code: 'ABORTED' })
  })
})

describe('what came after an audit', () => {
  it('is drawn from in one of its own, which leaves the time of the whole as it was', async () => {
    const clock = new StepClock()
    using stage = openStage(300, { clock })
    stage.entries = 50
    const ending = new AbortController()
    const running = stage.audit.run(ending.signal)
    const pass = async (seconds: number): Promise<void> => {
      for (let second = 0; second < seconds; second++) await clock.pass(1000)
    }
    await pass(12)
    assert.equal(stage.row()?.lastRow, 50)
    const { atMs } = present(stage.row(), 'it was audited')
    stage.asked.length = 0
    stage.audited = 50
    stage.entries = 60
    await pass(30)
    assert.deepEqual(new Set(stage.asked.flat()), new Set(stage.ids.slice(150, 180).map(bytesKey)), 'only what is new')
    assert.deepEqual([stage.row()?.lastRow, stage.row()?.atMs, stage.row()?.blocks], [60, atMs, 180])
    stage.asked.length = 0
    stage.audited = 60
    await pass(60)
    assert.deepEqual(stage.asked, [], 'nothing is new')
    stage.edition++
    await pass(30)
    assert.deepEqual([stage.asked, stage.row()?.word], [[], utf8('edition 2')], 'a word that claims no more')
    stage.entries = 61
    stage.theirs.delete(keyAt(stage, 181))
    await pass(60)
    assert.equal(stage.row()?.missing, 1)
    ending.abort()
    await assert.rejects(running, { code: 'ABORTED' })
  })
})

describe('scenarios 104, T28: a sample of 459 blocks, where one in a hundred is lost', () => {
  it('finds a loss 99 times in a hundred, and draws evenly from all that is claimed', async () => {
    const [blocksEach, lostEvery, draws] = [4, 100, 1000]
    const entries = allBlocks.length / blocksEach
    const places = new Map(allBlocks.map(({ id }, at) => [id, at]))
    const claims: Claims = {
      word: new Uint8Array(0),
      edition: 1,
      counts: (after, limit) =>
        Array.from({ length: Math.min(limit, entries - after) }, (_, at) => ({
          rowSeq: after + at + 1,
          blocks: blocksEach,
          isAudited: false,
        })),
      blocks: (row) => allBlocks.slice((row - 1) * blocksEach, row * blocksEach).map(({ id }) => id),
      isCurrent: () => true,
    }
    let [found, low] = [0, 0]
    for (let draw = 0; draw < draws; draw++) {
      const random = new SeededRandom(`draw ${draw}`)
      const sample = await drawSample(claims, { clock: stillClock, random, scope: 'all', lastRow: entries }, never)
      assert.equal(sample.length, sampleBlocks)
      if (sample.some(({ id }) => (places.get(id) ?? 0) % lostEvery === draw % lostEvery)) found++
      low += sample.filter(({ rowSeq }) => rowSeq <= entries / 2).length
    }
    assert.ok(found >= 0.99 * draws, `found ${found} of ${draws}`)
    assert.ok(Math.abs(low / (draws * sampleBlocks) - 0.5) < 0.005, `${low} of ${draws * sampleBlocks} were of the first half`)
  })

  it('reads the list of a file once, however many of its blocks are drawn', async () => {
    let reads = 0
    const claims: Claims = {
      word: new Uint8Array(0),
      edition: 1,
      counts: (after) => (after === 0 ? [{ rowSeq: 1, blocks: allBlocks.length, isAudited: false }] : []),
      blocks: () => {
        reads++
        return allBlocks.map(({ id }) => id)
      },
      isCurrent: () => true,
    }
    const drawing = { clock: stillClock, random: new SeededRandom('one file'), scope: 'all' as const, lastRow: 1 }
    assert.equal((await drawSample(claims, drawing, never)).length, sampleBlocks)
    assert.equal(reads, 1)
  })

  it('is what an audit asks: who lost a part is found, its copy does not count, and it is asked again once it says something else', async () => {
    let found = 0
    for (let round = 0; round < 20; round++) {
      using stage = openStage(1500, { seed: `round ${round}` })
      const random = new SeededRandom(`lost ${round}`)
      const lost = new Set<number>()
      while (lost.size < 15) lost.add(random.bytes(2).reduce((number, byte) => number * 256 + byte, 0) % stage.ids.length)
      for (const at of lost) stage.theirs.delete(keyAt(stage, at))
      await stage.audit.audit(peer, never)
      if ((stage.row()?.missing ?? 0) > 0) found++
    }
    assert.ok(found >= 19, `found ${found} of 20`)
  })
})

describe('scenario T29: a lying holder that fetches on demand', () => {
  it('during an audit is caught by what it asks for: its proof does not count', async () => {
    using stage = openStage(20)
    const wanted = present(stage.ids[5], 'an id')
    stage.answer = async () => {
      stage.audit.asked(peer, [wanted, blockIdOf(testBytes(77, 9))])
      await Promise.resolve()
    }
    await stage.audit.audit(peer, never)
    assert.deepEqual(stage.outcomes, [1])
    assert.equal(stage.row()?.missing, 1)
  })

  it('by asking for what it is not to prove just now, or for something else, is not', async () => {
    using stage = openStage(20)
    stage.audit.asked(peer, stage.ids)
    await stage.audit.audit(peer, never)
    assert.deepEqual(stage.outcomes, ['passed'])
  })

  it('at another time is believed, not verified, until it has proven what it asked for', async () => {
    using stage = openStage(2000)
    await stage.audit.audit(peer, never)
    assert.equal(stage.row()?.lastRow, stage.entries)
    const id = present(stage.ids[1999], 'an id')
    stage.audit.suspect(peer, [{ id, rowSeq: stage.entries }])
    assert.deepEqual([stage.row()?.lastRow, stage.row()?.word.length, stage.row()?.missing], [0, 0, 0])
    stage.asked.length = 0
    await stage.audit.audit(peer, never)
    assert.ok(stage.asked.flat().includes(bytesKey(id)))
    assert.equal(stage.row()?.lastRow, stage.entries)
    stage.theirs.clear()
    await stage.audit.audit(peer, never)
    stage.audit.suspect(peer, [{ id, rowSeq: stage.entries }])
    assert.ok((stage.row()?.missing ?? 0) > 0, 'what it failed stays')
  })
})
