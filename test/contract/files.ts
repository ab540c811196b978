// What every implementation of base/files.ts must do. Run on Node's and on the simulated file system.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { present } from '../../engine/base/assert.ts'
import { fromUtf8, utf8 } from '../../engine/base/bytes.ts'
import { FilesError } from '../../engine/base/files.ts'
import type { Files, FilesFault, FileStat } from '../../engine/base/files.ts'

export interface FilesWorld extends AsyncDisposable {
  readonly files: Files
  /** An empty directory, absolute, without a symlink in its path. */
  readonly root: string
}

/** Registers the suite; `make` gives each test a world of its own. */
export function filesSuite(name: string, make: () => Promise<FilesWorld> | FilesWorld): void {
  const test = (title: string, body: (files: Files, root: string) => Promise<void> | void): void => {
    it(title, async () => {
      await using world = await make()
      await body(world.files, world.root)
    })
  }
  describe(`Files: ${name}`, () => {
    openFileTests(test)
    attributeTests(test)
    nameTests(test)
    faultTests(test)
    flushTests(test)
  })
}

type Test = (title: string, body: (files: Files, root: string) => Promise<void> | void) => void

function refuses(fault: FilesFault, work: () => unknown): void {
  assert.throws(work, (error) => {
    assert.ok(error instanceof FilesError, `not a FilesError: ${String(error)}`)
    assert.equal(error.fault, fault, error.message)
    return true
  })
}

export function writeText(files: Files, path: string, text: string): void {
  const file = files.open(path, 'create')
  file.write(utf8(text), 0)
  file.close()
}

export function readText(files: Files, path: string): string | undefined {
  const file = files.open(path, 'read')
  const target = new Uint8Array(file.stat().sizeBytes)
  const count = file.read(target, 0)
  file.close()
  return fromUtf8(target.subarray(0, count))
}

function statAt(files: Files, path: string): FileStat {
  return present(files.lstat(path), `something is at ${path}`)
}

function openFileTests(test: Test): void {
  test('a file made anew is private and empty, and a second make is refused', (files, root) => {
    const path = `${root}/a`
    files.open(path, 'create').close()
    const stat = statAt(files, path)
    assert.deepEqual([stat.kind, stat.sizeBytes, stat.mode, stat.links], ['file', 0, 0o600, 1])
    refuses('exists', () => files.open(path, 'create'))
  })

  test('what was written is read back, and a read at the end is short', (files, root) => {
    writeText(files, `${root}/a`, 'hello world')
    const file = files.open(`${root}/a`, 'read')
    const target = new Uint8Array(8)
    assert.equal(file.read(target, 6), 5)
    assert.equal(fromUtf8(target.subarray(0, 5)), 'world')
    assert.equal(file.read(target, 11), 0)
    assert.equal(file.read(target, 500), 0)
    file.close()
  })

  test('writing beyond the end leaves a gap of zeros', (files, root) => {
    const file = files.open(`${root}/a`, 'create')
    file.write(utf8('x'), 3)
    const target = new Uint8Array(4)
    assert.equal(file.read(target, 0), 4)
    assert.deepEqual([...target], [0, 0, 0, 120])
    file.close()
  })

  test('editing changes a part in place, truncating cuts and extends', (files, root) => {
    writeText(files, `${root}/a`, 'hello world')
    const file = files.open(`${root}/a`, 'edit')
    file.write(utf8('HE'), 0)
    file.truncate(4)
    assert.equal(file.stat().sizeBytes, 4)
    file.truncate(6)
    file.close()
    assert.equal(readText(files, `${root}/a`), 'HEll\0\0')
  })

  test('a file opened for reading cannot be written', (files, root) => {
    writeText(files, `${root}/a`, 'x')
    const file = files.open(`${root}/a`, 'read')
    assert.throws(() => file.write(utf8('y'), 0), FilesError)
    file.close()
    assert.equal(readText(files, `${root}/a`), 'x')
  })

  test('closing twice is harmless, using a closed file is refused', async (files, root) => {
    const file = files.open(`${root}/a`, 'create')
    file.close()
    file.close()
    assert.throws(() => file.read(new Uint8Array(1), 0), FilesError)
    assert.throws(() => file.write(utf8('x'), 0), FilesError)
    await assert.rejects(file.datasync(), FilesError)
  })

  test('an open file stays readable after its name is gone or given to another', (files, root) => {
    writeText(files, `${root}/a`, 'old')
    writeText(files, `${root}/b`, 'new')
    const file = files.open(`${root}/a`, 'read')
    files.rename(`${root}/b`, `${root}/a`)
    const target = new Uint8Array(3)
    assert.equal(file.read(target, 0), 3)
    assert.equal(fromUtf8(target), 'old')
    assert.equal(file.stat().links, 0)
    file.close()
    assert.equal(readText(files, `${root}/a`), 'new')
  })

  test('random writes and cuts leave what the same on an array would', (files, root) => {
    let count = 0
    const step = fc.oneof(
      fc.record({ kind: fc.constant('write' as const), offset: fc.nat(300), bytes: fc.uint8Array({ minLength: 1, maxLength: 100 }) }),
      fc.record({ kind: fc.constant('truncate' as const), size: fc.nat(400) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const file = files.open(`${root}/p${count++}`, 'create')
        let model = new Uint8Array(0)
        for (const one of steps) {
          const size = one.kind === 'truncate' ? one.size : Math.max(model.length, one.offset + one.bytes.length)
          const next = new Uint8Array(size)
          next.set(model.subarray(0, size))
          model = next
          if (one.kind === 'truncate') file.truncate(one.size)
          else {
            model.set(one.bytes, one.offset)
            file.write(one.bytes, one.offset)
          }
        }
        const target = new Uint8Array(model.length + 10)
        assert.equal(file.read(target, 0), model.length)
        assert.deepEqual(target.subarray(0, model.length), model)
        file.close()
      }),
      { numRuns: 50 },
    )
  })
}

function attributeTests(test: Test): void {
  test('a time set on a file is read back to the microsecond', (files, root) => {
    const file = files.open(`${root}/a`, 'create')
    const times = [0, 1, 999_999, 1_000_000, 1_700_000_000_123_456, 1_700_000_000_999_999, 2_145_916_799_999_999, -1, -1_500_001]
    for (const mtimeUs of times) {
      file.setMtime(mtimeUs)
      assert.equal(file.stat().mtimeUs, mtimeUs)
    }
    file.close()
  })

  test('any time from 1906 to 2037 survives the round trip', (files, root) => {
    const file = files.open(`${root}/a`, 'create')
    fc.assert(
      fc.property(fc.integer({ min: -2_000_000_000_000_000, max: 2_147_000_000_000_000 }), (mtimeUs) => {
        file.setMtime(mtimeUs)
        assert.equal(file.stat().mtimeUs, mtimeUs)
      }),
      { numRuns: 300 },
    )
    file.close()
  })

  test('lstat and an open file say the same, before and after closing', (files, root) => {
    const file = files.open(`${root}/a`, 'create')
    file.write(utf8('abc'), 0)
    file.setMtime(1_600_000_000_000_001)
    file.setMode(0o640)
    const open = file.stat()
    file.close()
    assert.deepEqual(statAt(files, `${root}/a`), open)
  })

  test('permission bits of files and directories are set exactly, whatever the umask', (files, root) => {
    const file = files.open(`${root}/a`, 'create')
    for (const mode of [0o777, 0o444, 0o600]) {
      file.setMode(mode)
      assert.equal(file.stat().mode, mode)
    }
    file.close()
    files.setMode(`${root}/a`, 0o666)
    assert.equal(statAt(files, `${root}/a`).mode, 0o666)
    files.makeDirectory(`${root}/d`, 0o777)
    assert.equal(statAt(files, `${root}/d`).mode, 0o777)
    files.setMode(`${root}/d`, 0o700)
    assert.equal(statAt(files, `${root}/d`).mode, 0o700)
  })

  test('every change of a file moves its ctime or its other attributes; a rename keeps the inode', (files, root) => {
    writeText(files, `${root}/a`, 'x')
    const before = statAt(files, `${root}/a`)
    files.rename(`${root}/a`, `${root}/b`)
    const after = statAt(files, `${root}/b`)
    assert.equal(after.inode, before.inode)
    assert.equal(after.mtimeUs, before.mtimeUs)
    assert.ok(after.ctimeUs >= before.ctimeUs)
    writeText(files, `${root}/c`, 'x')
    assert.notEqual(statAt(files, `${root}/c`).inode, before.inode)
    assert.equal(statAt(files, `${root}/c`).device, before.device)
  })
}

function nameTests(test: Test): void {
  test('nothing at a path, and nothing below a file, are both undefined', (files, root) => {
    writeText(files, `${root}/a`, '')
    assert.equal(files.lstat(`${root}/none`), undefined)
    assert.equal(files.lstat(`${root}/none/deeper`), undefined)
    assert.equal(files.lstat(`${root}/a/b`), undefined)
  })

  test('a directory lists its items with their kinds', (files, root) => {
    files.makeDirectory(`${root}/d`, 0o755)
    writeText(files, `${root}/d/file`, 'x')
    files.makeDirectory(`${root}/d/sub`, 0o755)
    files.symlink('nowhere', `${root}/d/link`)
    writeText(files, `${root}/d/ä\u{1f600}`, '')
    const items = [...files.readDirectory(`${root}/d`)].sort((left, right) => (left.name < right.name ? -1 : 1))
    assert.deepEqual(items, [
      { name: 'file', kind: 'file', isValidName: true },
      { name: 'link', kind: 'symlink', isValidName: true },
      { name: 'sub', kind: 'directory', isValidName: true },
      { name: 'ä\u{1f600}', kind: 'file', isValidName: true },
    ])
    assert.deepEqual(files.readDirectory(`${root}/d/sub`), [])
  })

  test('a symlink is seen as itself, read as written and resolved on demand', (files, root) => {
    writeText(files, `${root}/a`, 'x')
    files.symlink('a', `${root}/l`)
    assert.equal(statAt(files, `${root}/l`).kind, 'symlink')
    assert.equal(files.readLink(`${root}/l`), 'a')
    assert.equal(files.realPath(`${root}/l`), `${root}/a`)
    files.unlink(`${root}/l`)
    assert.equal(readText(files, `${root}/a`), 'x')
    refuses('missing', () => files.realPath(`${root}/l`))
  })

  test('rename replaces a file or a symlink, and a symlink is moved itself', (files, root) => {
    writeText(files, `${root}/a`, 'a')
    writeText(files, `${root}/b`, 'b')
    files.rename(`${root}/a`, `${root}/b`)
    assert.equal(readText(files, `${root}/b`), 'a')
    assert.equal(files.lstat(`${root}/a`), undefined)
    files.symlink('b', `${root}/l`)
    files.rename(`${root}/l`, `${root}/m`)
    assert.equal(files.readLink(`${root}/m`), 'b')
    writeText(files, `${root}/n`, 'n')
    files.rename(`${root}/n`, `${root}/m`)
    assert.equal(readText(files, `${root}/m`), 'n')
    assert.equal(readText(files, `${root}/b`), 'a')
  })

  test('a directory moves with what is in it', (files, root) => {
    files.makeDirectory(`${root}/d`, 0o755)
    writeText(files, `${root}/d/a`, 'a')
    files.rename(`${root}/d`, `${root}/e`)
    assert.equal(readText(files, `${root}/e/a`), 'a')
  })

  test('a link is a second name of one file and never takes a name that is taken', (files, root) => {
    writeText(files, `${root}/a`, 'a')
    files.link(`${root}/a`, `${root}/b`)
    assert.equal(statAt(files, `${root}/b`).inode, statAt(files, `${root}/a`).inode)
    assert.equal(statAt(files, `${root}/b`).links, 2)
    files.unlink(`${root}/a`)
    assert.equal(readText(files, `${root}/b`), 'a')
    assert.equal(statAt(files, `${root}/b`).links, 1)
    writeText(files, `${root}/c`, 'c')
    refuses('exists', () => files.link(`${root}/c`, `${root}/b`))
    assert.equal(readText(files, `${root}/b`), 'a')
  })

  test('a copy has the content, is a file of its own and can be edited whatever the original allows', (files, root) => {
    writeText(files, `${root}/a`, 'a')
    files.setMode(`${root}/a`, 0o444)
    files.copy(`${root}/a`, `${root}/b`)
    const file = files.open(`${root}/b`, 'edit')
    file.write(utf8('b'), 0)
    file.close()
    assert.equal(readText(files, `${root}/a`), 'a')
    assert.equal(readText(files, `${root}/b`), 'b')
    assert.equal(statAt(files, `${root}/b`).mode, 0o600)
    refuses('exists', () => files.copy(`${root}/a`, `${root}/b`))
    refuses('missing', () => files.copy(`${root}/none`, `${root}/c`))
  })

  test('free space is a positive count of bytes', (files, root) => {
    assert.ok(files.freeBytes(root) > 0)
  })
}

function faultTests(test: Test): void {
  test('no call goes through a symlink in the last component', (files, root) => {
    writeText(files, `${root}/a`, 'x')
    files.makeDirectory(`${root}/d`, 0o755)
    files.symlink('a', `${root}/file-link`)
    files.symlink('d', `${root}/directory-link`)
    refuses('symlink', () => files.open(`${root}/file-link`, 'read'))
    refuses('symlink', () => files.open(`${root}/file-link`, 'edit'))
    refuses('exists', () => files.open(`${root}/file-link`, 'create'))
    refuses('symlink', () => files.readDirectory(`${root}/directory-link`))
    refuses('symlink', () => files.setMode(`${root}/file-link`, 0o777))
    refuses('symlink', () => files.copy(`${root}/file-link`, `${root}/b`))
    assert.equal(statAt(files, `${root}/a`).mode, 0o600)
    refuses('notDirectory', () => files.removeDirectory(`${root}/directory-link`))
  })

  test('each kind of thing refuses what only another can do', (files, root) => {
    writeText(files, `${root}/a`, 'x')
    files.makeDirectory(`${root}/d`, 0o755)
    writeText(files, `${root}/d/inside`, '')
    refuses('isDirectory', () => files.open(`${root}/d`, 'read'))
    refuses('isDirectory', () => files.open(`${root}/d`, 'edit'))
    refuses('isDirectory', () => files.unlink(`${root}/d`))
    refuses('isDirectory', () => files.rename(`${root}/a`, `${root}/d`))
    refuses('notDirectory', () => files.readDirectory(`${root}/a`))
    refuses('notDirectory', () => files.removeDirectory(`${root}/a`))
    refuses('exists', () => files.removeDirectory(`${root}/d`))
    refuses('exists', () => files.makeDirectory(`${root}/d`, 0o755))
    refuses('exists', () => files.makeDirectory(`${root}/a`, 0o755))
    refuses('exists', () => files.symlink('x', `${root}/a`))
    files.makeDirectory(`${root}/e`, 0o755)
    refuses('exists', () => files.rename(`${root}/e`, `${root}/d`))
  })

  test('what is not there is missing, also below a missing directory or a file', (files, root) => {
    writeText(files, `${root}/a`, 'x')
    for (const path of [`${root}/none`, `${root}/none/deeper`, `${root}/a/below`]) {
      refuses('missing', () => files.open(path, 'read'))
      refuses('missing', () => files.readDirectory(path))
      refuses('missing', () => files.readLink(path))
      refuses('missing', () => files.unlink(path))
      refuses('missing', () => files.removeDirectory(path))
      refuses('missing', () => files.setMode(path, 0o600))
      refuses('missing', () => files.rename(path, `${root}/b`))
      refuses('missing', () => files.link(path, `${root}/b`))
    }
    refuses('missing', () => files.open(`${root}/none/new`, 'create'))
    refuses('missing', () => files.makeDirectory(`${root}/none/new`, 0o755))
  })

  test('a name of 256 bytes is too long', (files, root) => {
    const name = 'x'.repeat(256)
    refuses('nameTooLong', () => files.open(`${root}/${name}`, 'create'))
    files.open(`${root}/${name.slice(1)}`, 'create').close()
  })
}

function flushTests(test: Test): void {
  test('flushing a file and a directory resolves', async (files, root) => {
    const file = files.open(`${root}/a`, 'create')
    file.write(utf8('x'), 0)
    await file.datasync()
    file.close()
    await files.syncDirectory(root)
  })

  test('a hundred files are flushed at once', async (files, root) => {
    const open = Array.from({ length: 100 }, (_, at) => files.open(`${root}/${at}`, 'create'))
    open.forEach((file, at) => file.write(utf8(String(at)), 0))
    await Promise.all(open.map((file) => file.datasync()))
    for (const file of open) file.close()
    assert.equal(readText(files, `${root}/99`), '99')
  })
}
