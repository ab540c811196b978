// Renames and moves, type changes and links, as told in the scenarios: what every node shows at the end.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { Stage } from './scenario.ts'

const large = 'x'.repeat(40_000)
/** What telling of a few changes costs at most, in these small folders. */
const talkBytesMax = 12_000

/** How much B receives while `act` happens and settles. */
async function heardBy(stage: Stage, on: string, act: () => Promise<void>): Promise<number> {
  const before = stage.receivedBytes(on)
  await act()
  await stage.rest()
  return stage.receivedBytes(on) - before
}

describe('renames and moves', () => {
  test('scenario 29: a file is renamed: no content is sent, and B renames it', async () => {
    using stage = await Stage.open({ before: { old: large } })
    const bytes = await heardBy(stage, 'B', async () => await stage.rename('A', 'old', 'new'))
    assert.deepEqual(stage.tree('B'), { new: large })
    assert.ok(bytes < talkBytesMax, `${bytes} bytes for a rename`)
  })

  for (const [what, from, to] of [
    ['a file', 'd/f', 'renamed'],
    ['a directory', 'd', 'moved'],
    ['a directory into a new one', 'd', 'new/deeper/d'],
  ] as const) {
    test(`scenario 29: ${what} is renamed: the very same file has the new name on B`, async () => {
      using stage = await Stage.open({ before: { 'd/f': large, other: 'other' } })
      const { user } = stage.person('B').node
      const inode = user.lstat('/folder/d/f')?.inode
      await stage.rename('A', from, to)
      await stage.rest()
      assert.equal(user.lstat(`/folder/${'d/f'.replace(from, to)}`)?.inode, inode)
    })
  }

  test('scenario 30: rename on A, edit on B offline: no content is lost and the old name is not left with old content', async () => {
    using stage = await Stage.open({ before: { old: 'base', other: 'other' } })
    await stage.apart()
    await stage.rename('A', 'old', 'new')
    await stage.write('B', 'old', 'edited')
    await stage.together()
    assert.ok(stage.texts().includes('edited'))
    assert.notEqual(stage.tree()['old'], 'base')
  })

  test('scenario 31: A renames x to y, B renames x to z: never zero of them', async () => {
    using stage = await Stage.open({ before: { x: 'content' } })
    await stage.apart()
    await stage.rename('A', 'x', 'y')
    await stage.rename('B', 'x', 'z')
    await stage.together()
    const names = Object.keys(stage.tree())
    assert.ok(names.includes('y') || names.includes('z'))
    assert.ok(!names.includes('x'))
  })

  test('scenario 32: two names are swapped: swapped on B, and no content is sent', async () => {
    using stage = await Stage.open({ before: { a: `${large}a`, b: `${large}b` } })
    const bytes = await heardBy(stage, 'B', async () => {
      await stage.rename('A', 'a', 't')
      await stage.rename('A', 'b', 'a')
      await stage.rename('A', 't', 'b')
    })
    assert.deepEqual(stage.tree('B'), { a: `${large}b`, b: `${large}a` })
    assert.ok(bytes < talkBytesMax, `${bytes} bytes for a swap`)
  })

  test('scenario 34: three names are rotated: rotated on B, and no content is sent', async () => {
    using stage = await Stage.open({ before: { a: `${large}a`, b: `${large}b`, c: `${large}c` } })
    const bytes = await heardBy(stage, 'B', async () => {
      await stage.rename('A', 'a', 't')
      await stage.rename('A', 'b', 'a')
      await stage.rename('A', 'c', 'b')
      await stage.rename('A', 't', 'c')
    })
    assert.deepEqual(stage.tree('B'), { a: `${large}b`, b: `${large}c`, c: `${large}a` })
    assert.ok(bytes < talkBytesMax, `${bytes} bytes for a rotation`)
  })

  test('scenario 36: a rename over an existing file: the name has the new content, and the old one is in history', async () => {
    using stage = await Stage.open({ before: { from: 'new content', onto: 'old content' } })
    await stage.do('A', { do: 'remove', path: 'onto' })
    await stage.rename('A', 'from', 'onto')
    await stage.rest()
    assert.deepEqual(stage.tree('B'), { onto: 'new content' })
  })

  test('scenario 37: rename and edit with the same size and time: the edit is found', async () => {
    using stage = await Stage.open({ before: { one: 'aaaa', two: 'bbbb' } })
    const mtimeUs = 1_700_000_000_000_000
    for (const path of ['one', 'two']) await stage.do('A', { do: 'touch', path, mtimeUs })
    await stage.rest()
    await stage.remove('A', 'one')
    await stage.rename('A', 'two', 'one')
    await stage.rest()
    assert.deepEqual(stage.tree('B'), { one: 'bbbb' })
  })

  test('scenario 38: a directory is moved on A while B edits a child: the edit is not lost', async () => {
    using stage = await Stage.open({ before: { 'd/child': 'base', 'd/other': 'other' } })
    await stage.apart()
    await stage.rename('A', 'd', 'moved')
    await stage.write('B', 'd/child', 'edited')
    await stage.together()
    assert.ok(stage.texts().includes('edited'))
    assert.equal(stage.tree()['moved/other'], 'other')
    assert.equal(stage.tree()['d/other'], undefined)
  })

  test('scenario 39: a directory is moved on A while B adds a child to the old one: the child is never lost', async () => {
    using stage = await Stage.open({ before: { 'd/child': 'base' } })
    await stage.apart()
    await stage.rename('A', 'd', 'moved')
    await stage.write('B', 'd/added', 'added')
    await stage.together()
    assert.deepEqual(stage.texts(), ['added', 'base'])
    assert.equal(stage.tree()['d/child'], undefined)
  })

  test('scenario 40: A moves P into Q, B moves Q into P: no cycle, all files are reachable on both', async () => {
    using stage = await Stage.open({ before: { 'P/p': 'of P', 'Q/q': 'of Q' } })
    await stage.apart()
    await stage.rename('A', 'P', 'Q/P')
    await stage.rename('B', 'Q', 'P/Q')
    await stage.together()
    const texts = new Set(stage.texts())
    assert.deepEqual(texts, new Set(['of P', 'of Q']))
  })

  test('scenario 41: a hierarchy is inverted, a/b to b/a: all arrive there', async () => {
    using stage = await Stage.open({ before: { 'a/f': 'in a', 'a/b/g': 'in b' } })
    await stage.rename('A', 'a/b', 'b')
    await stage.rename('A', 'a', 'b/a')
    await stage.rest()
    assert.deepEqual(stage.tree('B'), { b: '/', 'b/g': 'in b', 'b/a': '/', 'b/a/f': 'in a' })
  })

  test('scenario 42: the same file is moved to two directories on A and B: at least one has it, the same on both', async () => {
    using stage = await Stage.open({ before: { f: 'content', 'one/': '', 'two/': '' } })
    await stage.apart()
    await stage.rename('A', 'f', 'one/f')
    await stage.rename('B', 'f', 'two/f')
    await stage.together()
    assert.ok(stage.texts().includes('content'))
    assert.equal(stage.tree()['f'], undefined)
  })

  test('scenario 44: a directory of many files is moved: no content is sent', async () => {
    const files = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`d/f${at}`, `${at} ${'y'.repeat(3000)}`]))
    using stage = await Stage.open({ before: files })
    const bytes = await heardBy(stage, 'B', async () => await stage.rename('A', 'd', 'moved'))
    assert.equal(Object.keys(stage.tree('B')).filter((path) => path.startsWith('moved/')).length, 60)
    assert.ok(bytes < 60 * 1500, `${bytes} bytes for 180,000 of content`)
  })

  test('scenario 44: a directory of many files is moved in pieces, what goes first: still no content is sent', async () => {
    const files = Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`d/f${at}`, `${at} ${'y'.repeat(6000)}`]))
    using stage = await Stage.open({
      before: { ...files, ...Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`k${at}`, `${at}`])) },
    })
    const bytes = await heardBy(stage, 'B', async () => {
      await stage.remove('A', 'd')
      // B removes them, and has not archived them yet.
      while (Object.keys(stage.tree('B')).some((path) => path.startsWith('d/'))) await stage.pass(20)
      for (const [path, text] of Object.entries(files)) await stage.write('A', path.replace('d/', 'moved/'), text)
    })
    assert.equal(Object.keys(stage.tree('B')).filter((path) => path.startsWith('moved/')).length, 8)
    assert.ok(bytes < 16_000, `${bytes} bytes for 48,000 of content`)
  })

  test('scenario 46: an editor saves by temp file and rename, then by truncating and writing: one version each, temp files not shared', async () => {
    using stage = await Stage.open({ before: { doc: 'base' } })
    await stage.do('A', { do: 'replace', path: 'doc', content: { text: 'saved by rename' } })
    await stage.rest()
    assert.deepEqual(stage.tree('B'), { doc: 'saved by rename' })
    await stage.do('B', { do: 'truncate', path: 'doc', sizeBytes: 0 })
    await stage.write('B', 'doc', 'saved in place')
    await stage.rest()
    assert.deepEqual(stage.tree('A'), { doc: 'saved in place' })
  })
})

describe('types and links', () => {
  test('scenario 47: a file becomes a directory of the same name, and a file again', async () => {
    using stage = await Stage.open({ before: { x: 'a file' } })
    await stage.remove('A', 'x')
    await stage.write('A', 'x/inside', 'now a directory')
    await stage.rest()
    assert.deepEqual(stage.tree('B'), { x: '/', 'x/inside': 'now a directory' })
    await stage.remove('B', 'x')
    await stage.write('B', 'x', 'a file again')
    await stage.rest()
    assert.deepEqual(stage.tree('A'), { x: 'a file again' })
  })

  // Enough files that their going is a burst, whose end is waited for before it is told; and few enough that nobody has to be asked.
  const many = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`keep/${at}`, `kept ${at}`]))
  for (const [what, path, put] of [
    ['a file', 'x', { do: 'write', path: 'x', content: { text: 'now a file' } }],
    ['a symlink', 'x', { do: 'symlink', path: 'x', target: 'keep' }],
    ['a file, deep below', 'p/q/x', { do: 'write', path: 'p/q/x', content: { text: 'now a file' } }],
  ] as const) {
    test(`scenario 47: a directory of many files becomes ${what} before it has arrived whole: no copy that nobody made`, async () => {
      using stage = await Stage.open({ nodes: ['A', 'B', 'C'], before: many })
      for (let at = 0; at < 20; at++) await stage.write('A', `${path}/in/${at}`, `${at} ${large}`)
      await stage.pass(700)
      await stage.remove('A', path)
      await stage.do('A', put)
      await stage.rest()
      for (const on of ['A', 'B', 'C']) {
        const shown = Object.keys(stage.tree(on)).filter((each) => !each.startsWith('keep'))
        assert.deepEqual(
          shown,
          path.split('/').map((_, at, names) => names.slice(0, at + 1).join('/')),
        )
      }
    })
  }

  test('scenario 49: a symlink loop, a link to the parent, a link out of the root: kept as links and never followed', async () => {
    using stage = await Stage.open({ before: { 'd/f': 'inside' } })
    const links = { 'd/loop': 'loop', 'd/up': '..', out: '/home/node' }
    for (const [path, target] of Object.entries(links)) await stage.do('A', { do: 'symlink', path, target })
    await stage.rest()
    assert.deepEqual(stage.tree('B'), { d: '/', 'd/f': 'inside', 'd/loop': '-> loop', 'd/up': '-> ..', out: '-> /home/node' })
  })

  test('scenario 53: empty directories are created and deleted everywhere', async () => {
    using stage = await Stage.open({ before: { f: 'other' } })
    await stage.do('A', { do: 'mkdir', path: 'a/b' })
    await stage.rest()
    assert.deepEqual(stage.tree('B'), { f: 'other', a: '/', 'a/b': '/' })
    await stage.remove('B', 'a')
    await stage.rest()
    assert.deepEqual(stage.tree('A'), { f: 'other' })
  })

  test('scenario 54: a name of 255 bytes is edited in conflict: the copy has a name that fits, and is unique', async () => {
    const name = `${'n'.repeat(251)}.txt`
    using stage = await Stage.open({ before: { [name]: 'base' } })
    await stage.apart()
    await stage.write('A', name, 'from A')
    await stage.write('B', name, 'from B')
    await stage.together()
    assert.deepEqual(stage.texts(), ['from A', 'from B'])
    assert.ok(
      stage
        .person('A')
        .paths()
        .every((path) => Buffer.byteLength(path) <= 255),
    )
  })

  test('scenario 55: a name of 255 bytes arrives: its temp file has a name of its own', async () => {
    const name = 'é'.repeat(127)
    using stage = await Stage.open()
    await stage.write('A', name, 'content')
    await stage.rest()
    assert.deepEqual(stage.tree('B'), { [name]: 'content' })
  })
})

describe('in transfer', () => {
  test('scenario 63: the source edits a file during its transfer: B has one complete version, never a mix', async () => {
    using stage = await Stage.open()
    await stage.do('A', { do: 'write', path: 'f', content: { sizeBytes: 900_000, fill: 'one' } })
    for (let round = 0; round < 4; round++) {
      await stage.pass(15)
      await stage.do('A', { do: 'edit', path: 'f', offset: 200_000 * round, content: { sizeBytes: 1000, fill: `edit ${round}` } })
    }
    await stage.rest()
  })

  test('scenario 64: the target is edited while the download is finishing: both are kept', async () => {
    using stage = await Stage.open({ before: { f: 'base' } })
    await stage.do('A', { do: 'write', path: 'f', content: { sizeBytes: 300_000, fill: 'from A' } })
    await stage.pass(30)
    await stage.write('B', 'f', 'from B in the last moment')
    await stage.rest()
    assert.ok(stage.texts().includes('from B in the last moment'))
  })

  test('scenario 65: a log that always grows: complete versions arrive meanwhile, and the last one in the end', async () => {
    using stage = await Stage.open({ before: { log: 'start' } })
    const seen = new Set<string>()
    for (let line = 0; line < 60; line++) {
      await stage.do('A', { do: 'append', path: 'log', content: { text: `\nline ${line}` } })
      await stage.pass(500)
      seen.add(stage.tree('B')['log'] ?? '')
    }
    assert.ok(seen.size > 3, `${seen.size} versions were seen on the way`)
    await stage.rest()
    assert.equal(stage.tree('B')['log']?.split('\n').length, 61)
  })

  test('scenario 68: the only node with some content goes away: the file waits with a reason, and comes from another that has it', async () => {
    using stage = await Stage.open({ nodes: ['A', 'B', 'C'] })
    await stage.do('A', { do: 'partition', groups: [['A', 'B'], ['C']] })
    await stage.write('A', 'f', 'content')
    await stage.pass(5000)
    await stage.do('A', { do: 'kill' })
    await stage.do('A', { do: 'partition', groups: [['A'], ['B', 'C']] })
    await stage.pass(60_000)
    assert.deepEqual(stage.tree('C'), { f: 'content' })
    await stage.do('A', { do: 'start' })
    await stage.together()
  })

  test('scenario 71: paused and resumed in transfer, many times: nothing is stuck', async () => {
    using stage = await Stage.open()
    await stage.do('A', { do: 'write', path: 'f', content: { sizeBytes: 900_000, fill: 'f' } })
    for (let round = 0; round < 6; round++) {
      await stage.pass(20)
      await stage.do('B', { do: 'pause' })
      await stage.do('B', { do: 'resume' })
    }
    await stage.rest()
  })

  test('scenario 73: an fsync fails: the file is not published then, and arrives whole later', async () => {
    using stage = await Stage.open()
    await stage.do('B', { do: 'trouble', operation: 'datasync', fault: 'io', times: 3 })
    await stage.write('A', 'f', 'content')
    await stage.rest()
    assert.deepEqual(stage.tree('B'), { f: 'content' })
  })

  test('scenario 74: the disk is full in mid-download: nothing truncated is visible, deletions go on, and it goes on with room', async () => {
    using stage = await Stage.open({ before: { old: 'z'.repeat(5000), kept: 'kept' } })
    await stage.do('B', { do: 'room', bytes: 50_000 })
    await stage.do('A', { do: 'write', path: 'big', content: { sizeBytes: 400_000, fill: 'big' } })
    await stage.remove('A', 'old')
    await stage.pass(30_000)
    assert.deepEqual(stage.tree('B'), { kept: 'kept' })
    await stage.do('B', { do: 'room' })
    await stage.rest()
  })

  test('scenario 76: no inodes are left: as with a full disk', async () => {
    using stage = await Stage.open({ before: { kept: 'kept' } })
    await stage.do('B', { do: 'room', inodes: 0 })
    await stage.write('A', 'new', 'new')
    await stage.pass(30_000)
    assert.deepEqual(stage.tree('B'), { kept: 'kept' })
    await stage.do('B', { do: 'room' })
    await stage.rest()
  })

  for (const fault of ['denied', 'io'] as const) {
    test(`scenario 78: a subdirectory cannot be read at a scan (${fault}): what is below is unknown, never deleted`, async () => {
      using stage = await Stage.open({ before: { 'd/f': 'kept', g: 'other' } })
      stage.person('A').node.faults.add({ path: '/folder/d', operations: ['readDirectory'], fault, times: 2 })
      await stage.settle(stage.controls('A').rescanFolder(stage.folder('A').id, new AbortController().signal))
      await stage.pass(5000)
      assert.deepEqual(stage.tree('B'), { d: '/', 'd/f': 'kept', g: 'other' })
      await stage.rest()
    })
  }

  test('scenario 80: files of 0 bytes, 1 byte, a block and a block and one arrive as they are', async () => {
    using stage = await Stage.open()
    const sizes = [0, 1, 4096, 4097, 65_536, 65_537, 524_288, 524_289]
    for (const sizeBytes of sizes) await stage.do('A', { do: 'write', path: `f${sizeBytes}`, content: { sizeBytes, fill: 'x' } })
    await stage.rest()
    for (const sizeBytes of sizes) assert.equal(stage.person('B').sizeOf(`f${sizeBytes}`), sizeBytes)
  })

  test('scenario 87: a time of access or a tag beside the content changes nothing: nothing is sent', async () => {
    using stage = await Stage.open({ before: { f: large } })
    const bytes = await heardBy(stage, 'B', async () => {
      const { node } = stage.person('A')
      for (let round = 0; round < 5; round++) node.user.read('/folder/f')
      await stage.settle(stage.controls('A').rescanFolder(stage.folder('A').id, new AbortController().signal))
    })
    assert.ok(bytes < 2000, `${bytes} bytes for nothing`)
  })

  test('scenario 89: asleep for a day, then on the network again: everything goes on', async () => {
    using stage = await Stage.open({ before: { f: 'base' } })
    await stage.apart()
    await stage.pass(60_000)
    for (const on of ['A', 'B']) await stage.do(on, { do: 'clock', byMs: 86_400_000 })
    await stage.write('A', 'f', 'after a day')
    await stage.together()
    assert.equal(stage.tree('B')['f'], 'after a day')
  })
})
