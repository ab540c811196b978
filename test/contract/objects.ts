// What every object storage must do (engine/base/objects.ts). Run on the S3 client with a real server, and on the one in memory that tests
// of stores use.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { errorCodeOf } from '../../engine/base/errors.ts'
import { ObjectsError, type Objects, type ObjectsFault } from '../../engine/base/objects.ts'
import { never, testBytes } from '../support/blocks.ts'

function isFault(fault: ObjectsFault): (error: unknown) => boolean {
  return (error) => error instanceof ObjectsError && error.fault === fault
}

/** `open` gives an empty place. `pageItems`: more objects than one page of a listing has. */
export function objectsSuite(name: string, open: () => Objects, pageItems: number): void {
  describe(`Objects: ${name}`, () => {
    it('gives back what was put, whole and by ranges', async () => {
      const objects = open()
      const bytes = testBytes(1, 100_000)
      await objects.put('packs/a', bytes, false, never)
      assert.deepEqual(await objects.get('packs/a', undefined, bytes.length, never), bytes)
      for (const [offset, lengthBytes] of [
        [0, 2], // of one byte from 0, s3rver gives everything
        [0, 100_000],
        [99_999, 1],
        [50_000, 30_000],
        [7, 0],
      ] as const) {
        const part = await objects.get('packs/a', { offset, lengthBytes }, lengthBytes, never)
        assert.deepEqual(part, bytes.slice(offset, offset + lengthBytes), `${lengthBytes} bytes from ${offset}`)
      }
    })

    it('gives of a range what there is of it', async () => {
      const objects = open()
      await objects.put('a', testBytes(1, 100), false, never)
      assert.deepEqual(await objects.get('a', { offset: 90, lengthBytes: 20 }, 20, never), testBytes(1, 100).slice(90))
      assert.deepEqual(await objects.get('a', { offset: 100, lengthBytes: 20 }, 20, never), new Uint8Array(0))
      assert.deepEqual(await objects.get('a', { offset: 5000, lengthBytes: 20 }, 20, never), new Uint8Array(0))
    })

    it('says that an object is not there, and deletes it without a word', async () => {
      const objects = open()
      assert.equal(await objects.get('packs/none', undefined, 10, never), undefined)
      assert.equal(await objects.get('packs/none', { offset: 0, lengthBytes: 5 }, 5, never), undefined)
      await objects.delete('packs/none', never)
      await objects.put('a', testBytes(1, 10), false, never)
      await objects.delete('a', never)
      assert.equal(await objects.get('a', undefined, 10, never), undefined)
    })

    it('takes no more into memory than it is told', async () => {
      const objects = open()
      await objects.put('a', testBytes(1, 5000), false, never)
      await assert.rejects(objects.get('a', undefined, 4999, never), isFault('other'))
    })

    it('puts over what is there, or, when it is to be new, only where nothing is', async () => {
      const objects = open()
      await objects.put('a', testBytes(1, 10), true, never)
      await assert.rejects(objects.put('a', testBytes(2, 20), true, never), isFault('exists'))
      assert.deepEqual(await objects.get('a', undefined, 100, never), testBytes(1, 10))
      await objects.put('a', testBytes(3, 30), false, never)
      assert.deepEqual(await objects.get('a', undefined, 100, never), testBytes(3, 30))
    })

    it('keeps keys apart that need care in a URL', async () => {
      const objects = open()
      const keys = ['a b', 'a+b', 'a%20b', "it's (1)!*", 'ü/é', 'a&b=c?d#e', '<x>&amp;']
      for (const [at, key] of keys.entries()) await objects.put(key, testBytes(at, 10 + at), false, never)
      for (const [at, key] of keys.entries()) assert.deepEqual(await objects.get(key, undefined, 100, never), testBytes(at, 10 + at), key)
      const seen: string[] = []
      for (let isMore = true; isMore;) {
        const page = await objects.list('', seen.at(-1) ?? '', never)
        seen.push(...page.items.map(({ key }) => key))
        isMore = page.isMore
      }
      assert.deepEqual(new Set(seen), new Set(keys))
    })

    it('lists by prefix, in order, with sizes, page by page, from behind any key', async () => {
      const objects = open()
      await objects.put('other/x', testBytes(1, 5), false, never)
      const keys = Array.from({ length: pageItems }, (_, at) => `packs/${String(at).padStart(6, '0')}`)
      for (let at = 0; at < keys.length; at += 16)
        await Promise.all(keys.slice(at, at + 16).map((key, next) => objects.put(key, testBytes(1, (at + next) % 7), false, never)))
      const seen: string[] = []
      let pages = 0
      for (let after = ''; ; pages++) {
        const { items, isMore } = await objects.list('packs/', after, never)
        for (const { key, sizeBytes } of items) {
          assert.equal(sizeBytes, seen.length % 7)
          seen.push(key)
        }
        after = seen.at(-1) ?? ''
        if (!isMore) break
      }
      assert.deepEqual(seen, keys)
      assert.ok(pages > 0, 'there was more than one page')
      const [third] = (await objects.list('packs/', keys[1] ?? '', never)).items
      assert.equal(third?.key, keys[2])
      assert.deepEqual(await objects.list('none/', '', never), { items: [], isMore: false })
    })

    it('stops when it is told to', async () => {
      const objects = open()
      const stopped = AbortSignal.abort()
      for (const call of [
        () => objects.get('a', undefined, 10, stopped),
        () => objects.put('a', testBytes(1, 1), false, stopped),
        () => objects.delete('a', stopped),
      ])
        await assert.rejects(call(), (error) => errorCodeOf(error) === 'ABORTED')
    })
  })
}
