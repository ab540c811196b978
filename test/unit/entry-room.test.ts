// What entries may take of the index of a node that only stores a folder: a part of what the folder was granted there.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { MemoryBlockStore } from '../../engine/blocks/memory-store.ts'
import { HostEntries } from '../../engine/compose/host-entries.ts'
import { limitFolder } from '../../engine/compose/store-limits.ts'
import { entryRoomBytes } from '../../engine/sync/entry-room.ts'
import { FolderProblems } from '../../engine/sync/problems.ts'
import type { ReceiveParts } from '../../engine/sync/receive.ts'
import { never, stillClock } from '../support/blocks.ts'
import { pass } from '../support/exchange-pass.ts'
import { IndexNode } from '../support/index-world.ts'

const maxBytes = 100_000

/** A writer, and a host whose index has room for some of what it writes. */
class Pair implements Disposable {
  readonly writer = new IndexNode(0)
  readonly host = new IndexNode(1)
  refused = 0

  async tell(): Promise<void> {
    const entryRoom = { maxBytes: () => maxBytes, refused: () => void this.refused++ }
    const parts: ReceiveParts = { ...this.host.parts, entryRoom }
    await pass(this.writer, this.host, undefined, parts)
  }

  write(from: number, count: number, text: string): void {
    for (let at = from; at < from + count; at++) this.writer.write(`file ${at}`, text === '' ? undefined : `${text} ${at}`)
  }

  get used(): number {
    return this.host.index.folders.entryBytes(this.host.handle.row)
  }

  get rows(): number {
    const { index, handle } = this.host
    return index.entries.storedPage(handle.row, 0, 100_000).length
  }

  [Symbol.dispose](): void {
    this.writer[Symbol.dispose]()
    this.host[Symbol.dispose]()
  }
}

describe('entries in the index of a host', () => {
  it('scenario T44: of a friend who writes ten times as many tiny files as fit are refused, and the index is bounded', async () => {
    using pair = new Pair()
    let from = 0
    for (; pair.refused === 0; from += 20) {
      pair.write(from, 20, 'x')
      await pair.tell().catch((error: unknown) => assert.match(String(error), /entries of this folder are refused.*grant=SIZE/))
    }
    const [used, rows] = [pair.used, pair.rows]
    assert.ok(used > maxBytes * 0.7 && used <= maxBytes, `${used} bytes are counted`)
    assert.ok(rows < from)
    pair.write(from, 10 * rows, 'x')
    await assert.rejects(pair.tell(), { code: 'NO_SPACE' })
    assert.deepEqual([pair.used, pair.rows], [used, rows], 'nothing of what was refused is there')
  })

  it('that take the place of others, or delete, are taken where there is no room for more, and are bounded too', async () => {
    using pair = new Pair()
    pair.write(0, 60, 'x')
    await pair.tell()
    const { index, handle } = pair.host
    index.folders.addEntryBytes(handle.row, maxBytes - pair.used) // as if others had come
    pair.write(0, 30, '')
    await pair.tell()
    assert.deepEqual([pair.rows, pair.refused], [60, 0])
    pair.write(60, 1, 'x')
    await assert.rejects(pair.tell(), { code: 'NO_SPACE' })
    for (let round = 0; round < 10 && pair.refused < 2; round++) {
      pair.write(0, 30, `${round}`)
      await pair.tell().catch(() => undefined)
    }
    assert.equal(pair.refused, 2)
    assert.ok(pair.used <= maxBytes * 1.25, `${pair.used} of ${maxBytes}`)
  })

  it('scenario T44: count against what the folder and the node may take, and less is left for blocks', () => {
    using pair = new Pair()
    const { index, handle } = pair.host
    const store = new MemoryBlockStore()
    const limits = { world: { capacityBytes: 5_000_000 }, index, store }
    index.folders.setSetting(handle.row, 'grant', '1MB')
    limitFolder(limits, handle.record)
    assert.equal(store.roomOf(handle.record.id), 1_000_000)
    index.folders.addEntryBytes(handle.row, 300_000)
    limitFolder(limits, handle.record)
    assert.equal(store.roomOf(handle.record.id), 700_000)
    index.folders.setSetting(handle.row, 'grant', '')
    limitFolder(limits, handle.record)
    assert.equal(store.roomOf(handle.record.id), 4_700_000)
  })

  it('have half of what is granted and offered, and some room at least; where nothing is limited, all of the disk', () => {
    const gigabyte = 1_000_000_000
    assert.equal(entryRoomBytes(10 * gigabyte, 20 * gigabyte), 5 * gigabyte)
    assert.equal(entryRoomBytes(undefined, gigabyte), gigabyte / 2)
    assert.equal(entryRoomBytes(1000, gigabyte), 16 * 1024 * 1024)
    assert.equal(entryRoomBytes(undefined, undefined), undefined)
  })

  it('scenario T44: are told to be refused, with what to do, and asked for again when more is granted', async () => {
    using pair = new Pair()
    const { index, handle } = pair.host
    const problems = new FolderProblems(() => undefined, stillClock)
    const clock = {
      ...stillClock,
      sleep: async (): Promise<void> => {
        index.folders.setSetting(handle.row, 'grant', '1GB') // the owner does, while it waits
        return await Promise.resolve()
      },
    }
    const entries = new HostEntries({
      index,
      clock,
      record: handle.record,
      capacityBytes: 0,
      problems: () => problems,
      changed: () => undefined,
    })
    index.folders.setSetting(handle.row, 'grant', '1MB')
    index.folders.addEntryBytes(handle.row, 17_000_000)
    entries.refused()
    assert.equal(entries.isRefusing, true)
    const [problem] = problems.all()
    assert.match(`${problem?.code} ${problem?.text} ${problem?.next}`, /HOST_ENTRIES_REFUSED.*16777216 bytes.*grant=SIZE/)
    await entries.mayAsk(never)
    assert.deepEqual([entries.isRefusing, problems.all().length], [false, 0])
  })
})
