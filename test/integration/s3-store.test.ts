// A store of packs in a real S3 server, over a way that breaks: what a node does when the storage is away, slow, full, another one, or
// somebody else's.

import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'

import { EngineError, type ErrorCode } from '../../engine/base/errors.ts'
import type { SegmentStore } from '../../engine/blocks/segment-store.ts'
import { never, testBlock, testFolder } from '../support/blocks.ts'
import { CrashFiles } from '../support/crash-files.ts'
import { eventually } from '../support/daemon.ts'
import { openTestPacks, type TestPacks } from '../support/packs.ts'
import { S3Server, testBucket, testKeys, type SeenRequest, type Trouble } from '../support/s3-server.ts'

const folder = testFolder(1)
const [one, two, three] = [testBlock(1), testBlock(2, 5000), testBlock(3)]

let server: S3Server
let prefix: string
let prefixes = 0
before(async () => {
  server = await S3Server.open()
})
after(async () => {
  await server[Symbol.asyncDispose]()
})
beforeEach(() => {
  prefix = `home/${++prefixes}`
  server.trouble = () => undefined
  server.isConditional = true
})

function isCode(code: ErrorCode, ...words: readonly string[]): (error: unknown) => boolean {
  return (error) => error instanceof EngineError && error.code === code && words.every((word) => error.message.includes(word))
}

async function openPacks(options: TestPacks = {}): Promise<SegmentStore> {
  return await openTestPacks(server.objects(prefix), options)
}

function isPack({ key }: SeenRequest): boolean {
  return key.includes('/packs/') && key.endsWith('.segment')
}

describe('a store in a bucket', () => {
  it('has its blocks after a stop, after a kill, and when the home’s index is lost: the bucket alone is enough', async () => {
    const files = new CrashFiles()
    const first = await openPacks({ files })
    await first.put([one, two])
    await first.remove(folder, [one.id])
    await first[Symbol.asyncDispose]()
    const second = await openPacks({ files })
    await second.put([three])
    for (const home of [files.afterKill(), new CrashFiles()]) {
      await using store = await openPacks({ files: home })
      assert.deepEqual(await store.get(folder, two.id), two.bytes)
      assert.deepEqual(await store.get(folder, three.id), three.bytes)
      assert.equal(store.has(folder, one.id), false)
      const { missing, surplus, elsewhere } = await store.rebuild(never)
      assert.deepEqual([missing, surplus, elsewhere], [0, 0, 0])
    }
  })

  it('does not read packs again that its index knows', async () => {
    const files = new CrashFiles()
    const first = await openPacks({ files })
    for (let seed = 0; seed < 5; seed++) await first.put([testBlock(seed)])
    await first[Symbol.asyncDispose]()
    server.seen.length = 0
    await using store = await openPacks({ files })
    assert.equal(store.totals().blocks, 5)
    assert.deepEqual(server.seen.filter(isPack), [])
  })

  it('makes one object of what is put at once, and few of many small ones', async () => {
    await using store = await openPacks({ limits: { smallPacksMin: 4 } })
    server.seen.length = 0
    await Promise.all(Array.from({ length: 200 }, (_, seed) => store.put([testBlock(seed, 100)])))
    const puts = server.seen.filter((seen) => seen.method === 'PUT')
    assert.ok(puts.length <= 2, `${puts.length} puts`)
    for (let seed = 200; seed < 206; seed++) await store.put([testBlock(seed, 100)])
    const many = store.segments().length
    const { segments } = await store.compact(never)
    assert.ok(segments >= 4 && store.segments().length < many)
    for (let seed = 0; seed < 206; seed++) assert.equal(store.has(folder, testBlock(seed, 100).id), true)
    assert.deepEqual(await store.get(folder, testBlock(204, 100).id), testBlock(204, 100).bytes)
  })

  it('gives back the room of what was removed', async () => {
    await using store = await openPacks()
    await store.put(Array.from({ length: 20 }, (_, seed) => testBlock(seed, 4000)))
    await store.put([one])
    const { diskBytes } = store.totals()
    await store.remove(
      folder,
      Array.from({ length: 19 }, (_, seed) => testBlock(seed, 4000).id),
    )
    assert.ok((await store.compact(never)).freedBytes > 70_000)
    assert.ok(store.totals().diskBytes < diskBytes / 4)
    assert.deepEqual(await store.get(folder, testBlock(19, 4000).id), testBlock(19, 4000).bytes)
  })

  it('asks again when the server is busy or an answer is lost, and does nothing twice', async () => {
    await using store = await openPacks()
    const troubles = [
      { kind: 'answer', status: 503, code: 'SlowDown' },
      { kind: 'breakOff', isDone: false },
      { kind: 'breakOff', isDone: true },
    ] as const
    const left: Trouble[] = [...troubles]
    server.trouble = (seen) => (isPack(seen) ? left.shift() : undefined)
    await store.put([one])
    assert.equal(left.length, 0)
    left.push(...troubles)
    assert.deepEqual(await store.get(folder, one.id), one.bytes)
    assert.equal(store.segments().length, 1)
    assert.deepEqual(store.health(), { state: 'ok' })
  })

  it('says NO_SPACE when the bucket is full, and goes on when it is not', async () => {
    await using store = await openPacks()
    server.trouble = (seen) => (seen.method === 'PUT' ? { kind: 'answer', status: 403, code: 'QuotaExceeded' } : undefined)
    await assert.rejects(store.put([one]), isCode('NO_SPACE', 'quota'))
    assert.equal(store.has(folder, one.id), false)
    server.trouble = () => undefined
    await store.put([one])
    assert.deepEqual(await store.get(folder, one.id), one.bytes)
  })
})

describe('a bucket that goes away', () => {
  it('scenario T16: at runtime takes the store offline: nothing is taken for lost, and all is served again when it is back', async () => {
    await using store = await openPacks()
    await store.put([one, two])
    const port = await server.unplug()
    try {
      await assert.rejects(store.get(folder, one.id), isCode('STORE_OFFLINE', '--s3-endpoint'))
      await assert.rejects(store.put([three]), isCode('STORE_OFFLINE'))
      await assert.rejects(store.remove(folder, [one.id]), isCode('STORE_OFFLINE'))
      assert.equal(store.health().state, 'offline')
      assert.equal(store.has(folder, one.id), true)
      assert.equal(store.has(folder, three.id), false)
      assert.equal(store.quarantine().count, 0)
    } finally {
      await server.listen(port)
    }
    await eventually('the store to see that it is back, with nobody reading', 10_000, () => store.health().state === 'ok' || undefined)
    assert.deepEqual(await store.get(folder, one.id), one.bytes)
    await store.put([three])
    assert.deepEqual(store.health(), { state: 'ok' })
    await store.remove(folder, [one.id])
    assert.equal(store.has(folder, one.id), false)
  })

  it('scenario T17: that comes back empty is refused, at the start and at runtime, and is not announced as holding nothing', async () => {
    const files = new CrashFiles()
    const store = await openPacks({ files })
    await store.put([one])
    const full = prefix
    prefix = `${full}/empty`
    await assert.rejects(openPacks({ files: files.afterKill() }), isCode('STORE_OFFLINE', 'there is no store'))
    server.trouble = ({ method }) => (method === 'GET' ? { kind: 'answer', status: 404, code: 'NoSuchKey' } : undefined)
    await assert.rejects(store.get(folder, one.id), isCode('STORE_OFFLINE'))
    assert.equal(store.has(folder, one.id), true)
    assert.equal(store.health().state, 'offline')
    server.trouble = () => undefined
    assert.deepEqual(await store.get(folder, one.id), one.bytes)
    await store[Symbol.asyncDispose]()
    prefix = full
    const objects = server.objects(prefix)
    const { items } = await objects.list('packs/', '', never)
    for (const { key } of items) await objects.delete(key, never)
    assert.equal(items.length, 1)
    await assert.rejects(openPacks({ files: files.afterKill() }), isCode('STORE_OFFLINE', 'none of its packs'))
  })

  it('is told by its reason: no bucket, wrong keys, clocks that differ, no server', async () => {
    const open = async (place: object, keys = testKeys): Promise<SegmentStore> => await openTestPacks(server.objects(prefix, place, keys))
    await assert.rejects(open({ bucket: 'nothing-here' }), isCode('STORE_OFFLINE', 'NoSuchBucket', 'make the bucket'))
    await assert.rejects(open({}, { accessKeyId: 'nobody', secretAccessKey: 'x' }), isCode('STORE_OFFLINE', 'AWS_ACCESS_KEY_ID'))
    await assert.rejects(open({ endpoint: 'http://127.0.0.1:9' }), isCode('STORE_OFFLINE', '--s3-endpoint'))
    server.trouble = () => ({ kind: 'answer', status: 403, code: 'RequestTimeTooSkewed' })
    await assert.rejects(open({}), isCode('STORE_OFFLINE', 'clock'))
  })
})

describe('two nodes and one place', () => {
  for (const isConditional of [true, false]) {
    const title = isConditional ? '' : ', also on a server that cannot put only what is new'
    it(`scenario T19: the second is refused, also after a kill of the first${title}`, async () => {
      server.isConditional = isConditional
      const files = new CrashFiles()
      const store = await openPacks({ files })
      await store.put([one])
      await assert.rejects(openPacks({ owner: 'peer-2' }), isCode('STORE_IN_USE', 'node of peer-1', '--take-over'))
      // A kill leaves nothing behind that would keep the first from its own store.
      const again = await openPacks({ files: files.afterKill() })
      assert.deepEqual(await again.get(folder, one.id), one.bytes)
      await assert.rejects(openPacks({ owner: 'peer-2' }), isCode('STORE_IN_USE'))
      const results = await Promise.allSettled(
        [1, 2, 3].map(async (at) => {
          const rival = await openTestPacks(server.objects(`${prefix}-new`), { owner: `rival-${at}` })
          await rival.put([testBlock(at)])
        }),
      )
      assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
    })
  }

  it('a node that takes a store over has its blocks; the one before it writes no more', async () => {
    const store = await openPacks({ limits: { claimLookMs: 0 } })
    await store.put([one])
    await using heir = await openPacks({ owner: 'peer-2', takeOver: true })
    assert.deepEqual(await heir.get(folder, one.id), one.bytes)
    await heir.put([two])
    await assert.rejects(store.put([three]), isCode('STORE_IN_USE', 'node of peer-2'))
    assert.equal(store.health().state, 'offline')
    await assert.rejects(openPacks(), isCode('STORE_IN_USE'))
  })

  it('scenario T48: what is in the bucket and was not made by Holdfast, or by a newer one, is refused and left alone', async () => {
    const objects = server.objects(prefix)
    await objects.put('store.json', new TextEncoder().encode('{"theirs":true}'), false, never)
    await assert.rejects(openPacks(), isCode('STORE_CORRUPT', testBucket))
    await objects.put('store.json', new TextEncoder().encode('{"holdfast":2}'), false, never)
    await assert.rejects(openPacks(), isCode('VERSION_UNSUPPORTED'))
  })
})

describe('damage in a bucket', () => {
  it('on the way is read again; in the object costs one block, which is never served', async () => {
    await using store = await openPacks()
    await store.put([one, two])
    let flips = 1
    server.trouble = (seen) => (isPack(seen) && seen.method === 'GET' && flips-- > 0 ? { kind: 'flipBit' } : undefined)
    assert.deepEqual(await store.get(folder, one.id), one.bytes)
    flips = 2
    assert.equal(await store.get(folder, one.id), undefined)
    assert.equal(store.has(folder, one.id), false)
    assert.equal(store.quarantine().count, 1)
    assert.deepEqual(await store.get(folder, two.id), two.bytes)
    await store.put([one])
    assert.deepEqual(await store.get(folder, one.id), one.bytes)
  })

  it('a pack that was deleted behind its back costs its own blocks: found at the start and by reads', async () => {
    const files = new CrashFiles()
    const store = await openPacks({ files })
    await store.put([one])
    await store.put([two])
    await store.put([three])
    const deletePack = async (at: number): Promise<void> => {
      const { items } = await server.objects(prefix).list('packs/', '', never)
      await server.objects(prefix).delete(items[at]?.key ?? '', never)
    }
    await store[Symbol.asyncDispose]() // its index is saved
    await deletePack(0)
    await using again = await openPacks({ files: files.afterKill() })
    assert.deepEqual([again.has(folder, one.id), again.has(folder, two.id)], [false, true])
    await deletePack(0)
    assert.equal(await again.get(folder, two.id), undefined)
    assert.deepEqual([again.has(folder, two.id), again.has(folder, three.id)], [false, true])
    assert.deepEqual(await again.get(folder, three.id), three.bytes)
  })
})
