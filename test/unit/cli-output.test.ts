// What a person reads: sizes, durations, columns, the progress line; and what a signal means.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Progress } from '../../engine/api/controls.ts'
import { checkRuntime, judgeHome, judgeWatcher } from '../../engine/bin/commands/doctor.ts'
import { progressLine } from '../../engine/bin/progress.ts'
import { signalAnswers } from '../../engine/bin/signals.ts'
import { columnsText, countText, durationText, printable, sizeText } from '../../engine/bin/text.ts'

describe('numbers', () => {
  const sizes: readonly (readonly [number, string])[] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1_288_490_189, '1.2 GiB'],
    [99.94 * 1024, '99.9 KiB'],
    [100 * 1024, '100 KiB'],
    [1024 ** 2 - 1, '1.0 MiB'],
    [2 ** 53, '8.0 PiB'],
    [1e18, '888 PiB'],
  ]
  for (const [sizeBytes, text] of sizes) test(`${sizeBytes} bytes read ${text}`, () => assert.equal(sizeText(sizeBytes), text))

  const durations: readonly (readonly [number, string])[] = [
    [0.2, '0 s'],
    [59.4, '59 s'],
    [59.6, '1 min 0 s'],
    [200, '3 min 20 s'],
    [3599.7, '1 h 0 min'],
    [7500, '2 h 5 min'],
    [100_000, '1 d 3 h'],
  ]
  for (const [seconds, text] of durations) test(`${seconds} seconds read ${text}`, () => assert.equal(durationText(seconds), text))

  test('of one and many differ', () => assert.deepEqual([countText(1, 'file'), countText(12_345, 'file')], ['1 file', '12,345 files']))
})

describe('text', () => {
  test('stands in columns without blanks at the ends of lines', () => {
    assert.equal(
      columnsText(
        [
          ['a', 'bb', 'c'],
          ['aaa', 'b', ''],
        ],
        '  ',
      ),
      '  a    bb  c\n  aaa  b',
    )
  })

  test('from peers and disks cannot steer the terminal', () => {
    assert.equal(printable('a\u001B[2J\u202Eb\nc'), 'a\u{FFFD}[2J\u{FFFD}b\u{FFFD}c')
  })
})

describe('the progress line', () => {
  const progress: Progress = {
    activity: 'transfer',
    filesDone: 1234,
    filesTotal: 20_000,
    bytesDone: 2 ** 30,
    bytesTotal: 2 ** 32,
    bytesPerSecond: 2 ** 26,
    secondsLeft: 48,
  }
  const whole = 'Photos receiving  [######..................]  1,234 of 20,000 files  1.0 GiB of 4.0 GiB  64.0 MiB/s  48 s left'

  test('says it all where there is room', () => {
    assert.equal(progressLine('Photos', progress, 200), whole)
    assert.equal(progressLine('Photos', progress, 200, 'block'), whole.replace('files', 'blocks'))
  })

  test('of freeing says how much room there is, of which there is no total', () => {
    const { secondsLeft: _, ...freeing } = { ...progress, activity: 'free' as const, bytesTotal: 0, bytesPerSecond: 9 }
    assert.equal(progressLine('P', freeing, 200), 'P freeing  [#.......................]  1,234 of 20,000 files  1.0 GiB freed')
  })

  test('never fills a line', () => {
    for (let columns = 20; columns < 150; columns++) {
      const line = progressLine('Photos', progress, columns)
      assert.ok(line.length < columns && whole.startsWith(line), String(columns))
    }
  })

  test('goes by files where there are no bytes, and stays a bar when the numbers are off', () => {
    assert.match(progressLine('P', { ...progress, bytesTotal: 0, filesDone: 10_000 }, 200), /\[#{12}\.{12}\]/)
    assert.match(progressLine('P', { ...progress, bytesTotal: 0, filesTotal: 0 }, 200), /\[\.{24}\]/)
    assert.match(progressLine('P', { ...progress, bytesDone: 2 ** 40 }, 200), /\[#{24}\]/)
  })
})

describe('a signal', () => {
  test('asks for an orderly end first, is an echo when it comes again at once, and ends at once later', () => {
    let nowMs = 50
    const answer = signalAnswers({ monotonicMs: () => nowMs })
    const answers = [50, 51, 449, 450, 451].map((atMs) => {
      nowMs = atMs
      return answer()
    })
    assert.deepEqual(answers, ['stop', 'ignore', 'ignore', 'die', 'die'])
  })
})

describe('doctor', () => {
  test('wants Node 24', () => {
    assert.deepEqual(
      ['24.0.0', '26.1.0', '20.20.2', '9.0.0'].map((version) => checkRuntime(version).result),
      ['ok', 'ok', 'problem', 'problem'],
    )
  })

  test('judges a home by who can look into it and by its space', () => {
    const sound = { isOpenToOthers: false, hasDatabase: true, freeBytes: 2 ** 40, trouble: undefined }
    const results = (facts: Partial<typeof sound> & { trouble?: string }): string[] =>
      judgeHome('/h', { ...sound, ...facts }).map(({ result }) => result)
    assert.deepEqual(results({}), ['ok', 'ok'])
    assert.deepEqual(results({ isOpenToOthers: true }), ['problem', 'ok'])
    assert.deepEqual(results({ freeBytes: 2 ** 29 }), ['ok', 'problem'])
    assert.deepEqual(judgeHome('/h', { ...sound, trouble: 'no' }), [{ name: 'home', result: 'problem', text: 'no' }])
  })

  test('names the watcher that folders get, and why not a better one', () => {
    assert.equal(judgeWatcher('native', [], 'linux').result, 'ok')
    const slower = judgeWatcher('polling', ['no space left', 'too many files'], 'linux')
    assert.deepEqual([slower.result, slower.next], ['note', 'raise fs.inotify.max_user_watches'])
    assert.match(slower.text, /polling.*no space left; too many files/)
    assert.equal(judgeWatcher('none', ['no space left'], 'darwin').result, 'problem')
  })
})
