// Whether index and folder are of the same time, by table.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { FoundSession, SessionMark } from '../../engine/disk/session.ts'
import { judgeStanding, type Judgement, type Standing } from '../../engine/sync/standing.ts'

const mark = (count: number, nonce = `n${count}`): SessionMark => ({ count, nonce })
const place = { ctimeUs: 70_300_000 }
const known: Standing = { mark: mark(5), before: mark(4), place }
const between: Standing = { mark: mark(5), before: mark(4), place: undefined }
const found = (of: SessionMark, where = place): FoundSession => ({ mark: of, ...where })

describe('index and folder', () => {
  const table: readonly (readonly [claim: string, known: Standing | undefined, found: FoundSession | undefined, judgement: Judgement])[] = [
    ['that never met are at their first session', undefined, undefined, 'first'],
    ['that never met are so in a directory that had a session too', undefined, found(mark(3)), 'first'],
    ['with one mark are of the same time', known, found(mark(5)), 'same'],
    ['are so when the time was rounded, as after a mount', known, found(mark(5), { ctimeUs: 72_000_000 }), 'same'],
    ['are so when it is of a moment before, as after a power cut', known, found(mark(5), { ctimeUs: 69_800_001 }), 'same'],
    ['are so when a network drive told the time of a moment before', known, found(mark(5), { ctimeUs: 70_305_000 }), 'same'],
    ['are not when the file is a copy', known, found(mark(5), { ctimeUs: 75_000_001 }), 'folderIsOlder'],
    ['are not when the copy was made within the same second', known, found(mark(5), { ctimeUs: 70_400_000 }), 'folderIsOlder'],
    [
      'are not when a drive of whole seconds has a copy',
      { ...known, place: { ctimeUs: 70_000_000 } },
      found(mark(5), { ctimeUs: 71_000_000 }),
      'folderIsOlder',
    ],
    ['are not when the folder knows a later session', known, found(mark(6)), 'indexIsOlder'],
    ['are not when the folder knows another session of that number', known, found(mark(5, 'other')), 'indexIsOlder'],
    ['are not when the folder has the session before', known, found(mark(4)), 'folderIsOlder'],
    ['are not when the folder has none any more', known, undefined, 'folderIsOlder'],
    ['may differ by one after a crash between row and file', between, found(mark(4)), 'same'],
    ['may differ so by the file that was not written', between, undefined, 'same'],
    ['may not differ by more even then', between, found(mark(3)), 'folderIsOlder'],
    ['are of the same time when only the second row was lost', between, found(mark(5)), 'same'],
    ['are not when another went on from there', between, found(mark(6)), 'indexIsOlder'],
  ]
  for (const [claim, row, file, judgement] of table) test(claim, () => assert.equal(judgeStanding(row, file), judgement))
})
