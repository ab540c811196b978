// Receipts: what is taken for a member's word, what a node says of itself, and how copies follow from it.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { present } from '../../engine/base/assert.ts'
import { bytesKey } from '../../engine/base/bytes.ts'
import { createIdentity, type Identity } from '../../engine/crypto/identity.ts'
import { parseEntryId, type EntryId, type PeerId } from '../../engine/model/ids.ts'
import type { AbsenceMark } from '../../engine/replicas/absence-marks.ts'
import { CopyView, type IsHolder, type MemberFacts } from '../../engine/replicas/copies.ts'
import { claimOf } from '../../engine/replicas/claim.ts'
import { partitionCount } from '../../engine/replicas/layout.ts'
import { decodeReleased } from '../../engine/replicas/released.ts'
import { ReceiptBook } from '../../engine/replicas/receipt-book.ts'
import {
  covers,
  lackingMax,
  parseReceipt,
  signReceipt,
  standInLayout,
  type Claim,
  type ClaimPart,
  type Held,
  type Receipt,
  type ReceiptPart,
} from '../../engine/replicas/receipt.ts'
import { entriesOfNeeds } from '../../engine/compose/folder-receipts.ts'
import { claimedCounts, type MemberClaims } from '../../engine/compose/member-claims.ts'
import { never, stillClock, testFolder } from '../support/blocks.ts'
import { IndexNode } from '../support/index-world.ts'

const folder = testFolder(7)
const identityOf = (seed: number): Identity => createIdentity(new Uint8Array(32).fill(seed))
const [ada, ben, eve] = [identityOf(11), identityOf(12), identityOf(13)]

function entryIdOf(seed: number): EntryId {
  return present(parseEntryId(new Uint8Array(33).fill(seed).fill(1, 0, 1)), 'an id')
}

function claimWith({ keep = 'all', layout = new Uint8Array(0), heads = [], lacking = [] }: Partial<ClaimPart & Claim> = {}): Claim {
  return { keep, parts: [{ layout, heads, lacking }] }
}

function signed(identity: Identity, claim: Claim, edition = 1): Uint8Array {
  return signReceipt(identity, folder, claim, { edition, logLength: 1, timeMs: 5 })
}

describe('a receipt', () => {
  using node = new IndexNode(1, folder)
  const author = node.handle.authorId

  it('is read back as it was signed', () => {
    const claim = claimWith({ heads: [{ author, seq: 7 }], lacking: [entryIdOf(3)], keep: 'share', layout: Uint8Array.of(1, 2) })
    const receipt = present(parseReceipt(signed(ada, claim, 9), folder), 'a receipt')
    assert.equal(receipt.peer, ada.peerId)
    assert.equal(receipt.edition, 9)
    assert.equal(receipt.keep, 'share')
    const [part] = receipt.parts
    assert.ok(part !== undefined)
    assert.deepEqual(part.layout, Uint8Array.of(1, 2))
    assert.equal(covers(part, { author, seq: 7, entryId: entryIdOf(4) }), true)
    assert.equal(covers(part, { author, seq: 8, entryId: entryIdOf(4) }), false)
    assert.equal(covers(part, { author, seq: 7, entryId: entryIdOf(3) }), false)
  })

  it('names whom its member finds overdue or lost, at most a thousand of them', () => {
    const marks: readonly AbsenceMark[] = [
      { peer: ben.peerId, cardEdition: 17, degree: 'lost' },
      { peer: eve.peerId, cardEdition: 0, degree: 'overdue' },
    ]
    const signedWith = (absent: readonly AbsenceMark[]): Uint8Array =>
      signReceipt(ada, folder, claimWith(), { edition: 1, logLength: 1, timeMs: 5, absent })
    assert.deepEqual(parseReceipt(signedWith(marks), folder)?.absent, marks)
    assert.deepEqual(parseReceipt(signed(ada, claimWith()), folder)?.absent, [])
    const many = Array.from({ length: 1500 }, (_, at): AbsenceMark => ({ peer: ben.peerId, cardEdition: at, degree: 'lost' }))
    assert.equal(parseReceipt(signedWith(many), folder)?.absent.length, 1000)
  })

  it('is the last one where its member leaves, and claims nothing then', () => {
    const last: Claim = { keep: 'share', parts: [], hasLeft: true }
    assert.equal(parseReceipt(signed(ada, last), folder)?.hasLeft, true)
    assert.equal(parseReceipt(signed(ada, claimWith()), folder)?.hasLeft, undefined)
    assert.equal(parseReceipt(signed(ada, { ...last, ...claimWith({ heads: [{ author, seq: 7 }] }) }), folder), undefined)
  })

  it('says of which partitions nothing is claimed any more', () => {
    const claim = { ...claimWith({ keep: 'share' }), released: new Set([0, 7, 8, 4095]) }
    assert.deepEqual(parseReceipt(signed(ada, claim), folder)?.released, new Set([0, 7, 8, 4095]))
    assert.deepEqual(parseReceipt(signed(ada, claimWith()), folder)?.released, new Set())
    assert.equal(decodeReleased(new Uint8Array(511)), undefined)
  })

  it('scenario 105: says that its member is full, and how much of its capacity it offers', () => {
    for (const offer of [
      { isFull: true, share: 1 },
      { isFull: false, share: 40_000 },
    ])
      assert.deepEqual(parseReceipt(signed(ada, { ...claimWith({ keep: 'share' }), offer }), folder)?.offer, offer)
    assert.deepEqual(parseReceipt(signed(ada, claimWith()), folder)?.offer, { isFull: false, share: 65_536 })
  })

  it('of another folder is none', () => assert.equal(parseReceipt(signed(ada, claimWith()), testFolder(8)), undefined))

  it('of which any byte was changed is none, or says the same', () => {
    const bytes = signed(ada, claimWith({ heads: [{ author, seq: 7 }] }))
    const whole = parseReceipt(bytes, folder)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const broken = bytes.slice()
        broken[at] = (broken[at] ?? 0) ^ flip
        const read = parseReceipt(broken, folder)
        if (read !== undefined) assert.deepEqual(read, whole) // the same in other bytes
      }),
      { numRuns: 200, seed: 3 },
    )
  })
})

function openBook({ index, handle }: IndexNode, members: readonly string[]): ReceiptBook {
  return new ReceiptBook({
    index,
    folder: { row: handle.row, id: folder },
    signer: handle.identity,
    self: handle.identity.peerId,
    clock: stillClock,
    log: { length: 1, isMember: (peer) => members.includes(peer) },
    claim: async () => await Promise.resolve(undefined),
    absent: () => [],
    changed: () => undefined,
  })
}

describe('the receipts of a folder', () => {
  it('are the newest of each member, also after a restart, and nobody else counts', () => {
    using node = new IndexNode(1, folder)
    const book = openBook(node, [ada.peerId, ben.peerId])
    book.take(signed(ada, claimWith(), 5))
    book.take(signed(ada, claimWith({ keep: 'share' }), 4))
    book.take(signed(eve, claimWith(), 5))
    book.take(new Uint8Array(7))
    assert.deepEqual(
      book.all().map(({ peer, edition, keep }) => [peer, edition, keep]),
      [[ada.peerId, 5, 'all']],
    )
    const again = openBook(node, [ada.peerId])
    assert.equal(again.all().length, 1)
    assert.deepEqual(openBook(node, []).all(), [])
  })
})

describe('what a node claims', () => {
  const claim = async (node: IndexNode, last?: ReceiptPart): Promise<Held> => {
    const { index, handle } = node
    const missing = (): ReturnType<typeof entriesOfNeeds> => entriesOfNeeds(index, handle.row)
    const comingCount = (): number => index.needs.count(handle.row)
    const held = await claimOf({ index, folderRow: handle.row, clock: stillClock, missing, comingCount }, last, never)
    return present(held, 'a claim')
  }
  const need = (node: IndexNode, path: string): void => {
    const { entryId } = node.write(path, path)
    node.index.transact(() => node.index.needs.put(node.handle.row, keyOf(entryId), 0, 1))
  }
  const keyOf = (id: Uint8Array): number => id.subarray(1, 7).reduce((key, byte) => key * 256 + byte, 0)

  it('is all that it knows, but for what it lacks', async () => {
    using node = new IndexNode(1, folder)
    node.write('here', 'here')
    need(node, 'lacking')
    const { heads, lacking } = await claim(node)
    assert.deepEqual(heads, [{ author: node.handle.authorId, seq: 2 }])
    assert.equal(lacking.length, 1)
  })

  it('is nothing while more is missing at first than can be named', async () => {
    using node = new IndexNode(1, folder)
    for (let number = 0; number <= lackingMax; number++) need(node, `file ${number}`)
    assert.deepEqual(await claim(node), { heads: [], lacking: [] })
  })

  it('leaves out by their numbers what is elsewhere for good, where that is more than can be named', async () => {
    using node = new IndexNode(1, folder)
    node.write('here', 'here')
    for (let number = 0; number <= lackingMax; number++) need(node, `elsewhere ${number}`)
    node.write('here, too', 'here, too')
    const { index, handle } = node
    const missing = (): ReturnType<typeof entriesOfNeeds> => entriesOfNeeds(index, handle.row)
    const parts = { index, folderRow: handle.row, clock: stillClock, missing, comingCount: () => 0 }
    const { heads, lacking } = present(await claimOf(parts, undefined, never), 'a claim')
    const [first, last] = [2, lackingMax + 2]
    assert.deepEqual(heads, [{ author: handle.authorId, seq: first - 1, above: [{ first: last + 1, last: last + 1 }] }])
    assert.equal(lacking.length, 1, 'it is seen not to have everything')
  })

  it('is what it was while much new is missing, without what of that was lost', async () => {
    using node = new IndexNode(1, folder)
    node.write('old', 'old')
    need(node, 'lost')
    const last = present(
      parseReceipt(signed(ada, claimWith({ heads: [{ author: node.handle.authorId, seq: 2 }] })), folder)?.parts[0],
      'a part',
    )
    for (let number = 0; number <= lackingMax; number++) need(node, `file ${number}`)
    const { heads, lacking } = await claim(node, last)
    assert.deepEqual(heads, [{ author: node.handle.authorId, seq: 2 }])
    assert.equal(lacking.length, 1)
  })
})

describe('copies', () => {
  const facts =
    (zones: Readonly<Record<string, string>>) =>
    (peer: string): MemberFacts => ({ zone: zones[peer] ?? '', audited: peer === ada.peerId ? 'always' : undefined })
  const all: IsHolder = () => true

  it('are the members whose receipts cover an entry, by distinct zones', () => {
    using node = new IndexNode(1, folder)
    node.write('a', 'content of a')
    node.write('b', 'content of b')
    const [first, second] = node.index.entries.page(node.handle.row, 0, 10)
    assert.ok(first !== undefined && second !== undefined)
    const author = node.handle.authorId
    const receipts = [
      signed(ada, claimWith({ heads: [{ author, seq: 2 }] })),
      signed(ben, claimWith({ heads: [{ author, seq: 1 }] })),
      signed(eve, claimWith({ heads: [{ author, seq: 2 }], lacking: [first.entry.entryId] })),
    ].map((bytes) => present(parseReceipt(bytes, folder), 'a receipt'))
    const zones = { [ada.peerId]: 'home', [ben.peerId]: 'home', [eve.peerId]: 'office' }
    const view = new CopyView(receipts, node.index.entries.authors(node.handle.row), facts(zones), all)
    assert.deepEqual(view.of(first), { copies: 2, verified: 1, zones: 1, holders: [ada.peerId, ben.peerId] })
    assert.deepEqual(view.of(second), { copies: 2, verified: 1, zones: 2, holders: [ada.peerId, eve.peerId] })
    assert.deepEqual(
      [first, second].map((row) => view.countOf(row)),
      [2, 2],
    )
    node.write('b', undefined)
    const deletion = node.index.entries.storedPage(node.handle.row, second.rowSeq, 10)
    assert.deepEqual(
      deletion.map((row) => view.countOf(row)),
      [undefined],
    )
  })

  it('of a file are those of its block that has the fewest', () => {
    using node = new IndexNode(1, folder)
    node.write('a', 'content of a')
    const [row] = node.index.entries.page(node.handle.row, 0, 10)
    assert.ok(row !== undefined)
    const [one] = row.entry.blocks
    assert.ok(one !== undefined)
    const two = { ...one, id: node.blocksOf('another block').id(0) }
    const entry = { ...row, entry: { ...row.entry, blocks: [one, two] } }
    const heads = [{ author: node.handle.authorId, seq: 1 }]
    const receipts = [
      signed(ada, claimWith({ heads })),
      signed(ben, claimWith({ heads, keep: 'share', layout: Uint8Array.of(1) })),
      signed(eve, {
        keep: 'share',
        parts: [Uint8Array.of(9), Uint8Array.of(1)].map((layout) => ({ layout, heads, lacking: [] })),
      }),
    ].map((bytes) => present(parseReceipt(bytes, folder), 'a receipt'))
    const isHolder: IsHolder = (layout, peer, block) =>
      layout[0] === 1 ? peer === (bytesKey(block) === bytesKey(one.id) ? ben.peerId : eve.peerId) : undefined
    const view = new CopyView(receipts, node.index.entries.authors(node.handle.row), facts({}), isHolder)
    const { copies, holders } = view.of(entry)
    assert.equal(copies, 2)
    assert.deepEqual(new Set(holders), new Set([ada.peerId, ben.peerId, eve.peerId]))
    assert.equal(view.countOf(row), 2) // one block, of which eve has nothing
  })

  it('are verified where an audit drew from the entry as it is, and not where it came after that, was claimed later, or is not here to compare with', () => {
    using node = new IndexNode(1, folder)
    for (const path of ['a', 'b', 'c']) node.write(path, `content of ${path}`)
    const rows = node.index.entries.page(node.handle.row, 0, 10)
    const [first, second, third] = rows
    assert.ok(first !== undefined && second !== undefined && third !== undefined)
    const author = node.handle.authorId
    const read = (...heads: readonly number[]): Receipt => readOf(ada, ...heads)
    const readOf = (who: typeof ada, ...heads: readonly number[]): Receipt =>
      present(
        parseReceipt(
          signed(who, claimWith({ heads: [{ author, seq: 3 }], lacking: heads.flatMap((at) => rows[at]?.entry.entryId ?? []) })),
          folder,
        ),
        'a receipt',
      )
    const verified = (lastRow: number, audited: Receipt, own: Receipt = readOf(eve)): readonly number[] => {
      const factsOf = (peer: PeerId): MemberFacts => ({ zone: '', audited: peer === eve.peerId ? 'always' : { lastRow, receipt: audited } })
      const view = new CopyView([read(), own], node.index.entries.authors(node.handle.row), factsOf, all)
      return rows.map((row) => view.of(row).verified)
    }
    assert.deepEqual(verified(third.rowSeq, read()), [2, 2, 2])
    assert.deepEqual(verified(second.rowSeq, read()), [2, 2, 1], 'the last came after the look')
    assert.deepEqual(verified(third.rowSeq, read(1)), [2, 1, 2], 'the second was not claimed then')
    assert.deepEqual(verified(third.rowSeq, read(), readOf(eve, 1)), [2, 0, 2], 'the second is not here')
  })

  it('of a share are verified block by block, by the placement that was audited', () => {
    using node = new IndexNode(1, folder)
    node.write('a', 'content of a')
    const [row] = node.index.entries.page(node.handle.row, 0, 10)
    assert.ok(row !== undefined)
    const heads = [{ author: node.handle.authorId, seq: 1 }]
    const word = (layout: number): Receipt =>
      present(parseReceipt(signed(ben, claimWith({ heads, keep: 'share', layout: Uint8Array.of(layout) })), folder), 'a receipt')
    const verified = (audited: Receipt, ownLayout = 1): number => {
      const factsOf = (peer: PeerId): MemberFacts => ({
        zone: '',
        audited: peer === eve.peerId ? 'always' : { lastRow: row.rowSeq, receipt: audited },
      })
      const isHolder: IsHolder = (layout) => layout[0] !== 9
      const own = claimWith({ heads, keep: 'share', layout: Uint8Array.of(ownLayout) })
      const receipts = [word(1), present(parseReceipt(signed(eve, own), folder), 'a receipt')]
      return new CopyView(receipts, node.index.entries.authors(node.handle.row), factsOf, isHolder).of(row).verified
    }
    assert.deepEqual([verified(word(1)), verified(word(2)), verified(word(9))], [2, 2, 1])
    assert.equal(verified(word(1), 9), 0, 'this node has no share in it')
  })

  it('count what a member holds for others by the entries that it names, whatever placement says and whatever it let go of', () => {
    using node = new IndexNode(1, folder)
    for (const path of ['a', 'b']) node.write(path, `content of ${path}`)
    const rows = node.index.entries.page(node.handle.row, 0, 10)
    const author = node.handle.authorId
    const released = new Set(Array.from({ length: partitionCount }, (_, partition) => partition))
    const read = (claim: Claim, who = ben): Receipt => present(parseReceipt(signed(who, claim), folder), 'a receipt')
    const share = { layout: Uint8Array.of(1, 2), heads: [{ author, seq: 2 }], lacking: [] }
    const standIn = { layout: standInLayout, heads: [{ author, seq: 0, above: [{ first: 2, last: 2 }] }], lacking: [] }
    const plain = read({ keep: 'share', parts: [share], released })
    const standing = read({ keep: 'share', parts: [share, standIn], released })
    const own = read(claimWith({ heads: [{ author, seq: 2 }] }), eve)
    const authors = node.index.entries.authors(node.handle.row)
    const counts = (receipt: Receipt, audited: Receipt): readonly unknown[] => {
      const factsOf = (peer: PeerId): MemberFacts => ({
        zone: '',
        audited: peer === eve.peerId ? 'always' : { lastRow: 100, receipt: audited },
      })
      const view = new CopyView([receipt, own], authors, factsOf, all)
      return rows.map((row) => [view.countOf(row), view.of(row).verified])
    }
    const one = [1, 1]
    assert.deepEqual(counts(plain, plain), [one, one])
    assert.deepEqual(counts(standing, standing), [one, [2, 2]])
    assert.deepEqual(counts(standing, plain), [one, [2, 1]], 'what was not said when it was audited is not verified')
    const claims = (receipt: Receipt, audited: Receipt): MemberClaims => ({
      receipt,
      audited: { lastRow: 100, receipt: audited },
      authorOf: new Map(authors.map(({ row, authorId }) => [row, authorId])),
      isHolder: () => true,
    })
    const drawn = (...[receipt, audited]: Parameters<typeof claims>): readonly unknown[] =>
      claimedCounts(node.index, node.handle.row, claims(receipt, audited), 0, 10).map(({ blocks, isAudited }) => [blocks, isAudited])
    assert.deepEqual(drawn(standing, plain).at(1), [1, false], 'and is audited next')
    assert.deepEqual(drawn(standing, standing).at(1), [1, true])
    assert.deepEqual(
      drawn(plain, plain).map((of) => (of as readonly number[])[0]),
      [0, 0],
    )
  })

  it('of the block that the fewest have name who has it, and who is expected to', () => {
    using node = new IndexNode(1, folder)
    node.write('a', 'content of a')
    const [row] = node.index.entries.page(node.handle.row, 0, 10)
    assert.ok(row !== undefined)
    const [one] = row.entry.blocks
    assert.ok(one !== undefined)
    const two = { ...one, id: node.blocksOf('another block').id(0) }
    const entry = { ...row, entry: { ...row.entry, blocks: [one, two] } }
    const heads = [{ author: node.handle.authorId, seq: 1 }]
    const receipts = [signed(ada, claimWith({ heads })), signed(ben, claimWith({ heads, keep: 'share', layout: Uint8Array.of(1, 2) }))]
    const read = receipts.map((bytes) => present(parseReceipt(bytes, folder), 'a receipt'))
    const isHolder: IsHolder = (_layout, peer, block) => peer === ben.peerId && bytesKey(block) === bytesKey(one.id)
    const view = new CopyView(read, node.index.entries.authors(node.handle.row), facts({}), isHolder)
    assert.deepEqual(
      view.fewestOf(entry, () => []),
      [ada.peerId],
    )
    assert.deepEqual(
      view.fewestOf(entry, (id) => (bytesKey(id) === bytesKey(two.id) ? [eve.peerId, ada.peerId] : [])).toSorted(),
      [ada.peerId, ben.peerId].toSorted(),
    )
  })
})
