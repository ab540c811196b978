// What a power loss can and cannot do to a simulated drive, over many seeds.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { fromUtf8, utf8 } from '../../engine/base/bytes.ts'
import { FilesError } from '../../engine/base/files.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { DiskFaults, Gate, type DiskCall } from './disk-gate.ts'
import { SimDisk, type DiskOptions } from './disk.ts'
import { SimFiles } from './files.ts'
import { Life, SimCrash } from './life.ts'
import { SimUser } from './user.ts'

interface Drive {
  readonly disk: SimDisk
  readonly files: SimFiles
  readonly user: SimUser
  readonly faults: DiskFaults
  readonly life: Life
}

function driveOf(options: Partial<DiskOptions> = {}): Drive {
  let timeUs = 1_700_000_000_000_000
  const disk = new SimDisk({ nowUs: () => timeUs++, random: new SeededRandom('drive'), ...options })
  const faults = new DiskFaults()
  const life = new Life('process')
  return { disk, faults, life, user: new SimUser(disk), files: new SimFiles(disk, { kind: 'engine', gate: new Gate({ faults, life }) }) }
}

/** What different power losses leave of what `work` does, sorted. */
async function outcomes(work: (drive: Drive) => Promise<void> | void, look: (drive: Drive) => string): Promise<readonly string[]> {
  const seen = new Set<string>()
  for (let seed = 0; seed < 200; seed++) {
    const drive = driveOf()
    await work(drive)
    drive.disk.crash(new SeededRandom(seed))
    seen.add(look(drive))
  }
  return [...seen].toSorted()
}

function textAt({ user }: Drive, path: string): string {
  const bytes = user.read(path)
  return bytes === undefined ? 'nothing' : (fromUtf8(bytes) ?? '').replaceAll('\0', '0')
}

function publish({ files }: Drive, parts: { flush: boolean }): Promise<void> | void {
  const file = files.open('/temp', 'create')
  file.write(utf8('new'), 0)
  const finish = (): void => {
    file.close()
    files.rename('/temp', '/target')
  }
  return parts.flush ? file.datasync().then(finish) : finish()
}

test('a file that was flushed and renamed shows its old or its new content, never another', async () => {
  const work = async (drive: Drive): Promise<void> => {
    drive.user.write('/target', utf8('old'))
    await publish(drive, { flush: true })
  }
  assert.deepEqual(await outcomes(work, (drive) => textAt(drive, '/target')), ['new', 'old'])
})

test('a rename without flushing the data first may show an empty or zeroed file', async () => {
  const work = async (drive: Drive): Promise<void> => {
    drive.user.write('/target', utf8('old'))
    await publish(drive, { flush: false })
  }
  assert.deepEqual(await outcomes(work, (drive) => textAt(drive, '/target')), ['', '000', 'new', 'old'])
})

test('once file and directory are flushed nothing can be undone', async () => {
  const work = async (drive: Drive): Promise<void> => {
    drive.user.write('/target', utf8('old'))
    await publish(drive, { flush: true })
    await drive.files.syncDirectory('/')
  }
  assert.deepEqual(await outcomes(work, (drive) => textAt(drive, '/target')), ['new'])
})

test('names are lost from the end only: a later one never survives an earlier one', async () => {
  const work = ({ files }: Drive): void => {
    for (const name of ['/a', '/b', '/c']) files.makeDirectory(name, 0o755)
  }
  const names = ({ user }: Drive): string =>
    user
      .list('/')
      .map(({ name }) => name)
      .join(' ')
  assert.deepEqual(await outcomes(work, names), ['', 'a', 'a b', 'a b c'])
})

test('a large write is torn at sectors', async () => {
  const sector = 512
  let torn = 0
  for (let seed = 0; seed < 50; seed++) {
    const { disk, user, files } = driveOf()
    user.write('/f', new Uint8Array(8 * sector))
    const file = files.open('/f', 'edit')
    file.write(new Uint8Array(8 * sector).fill(1), 0)
    disk.crash(new SeededRandom(seed))
    const bytes = user.read('/f') ?? new Uint8Array(0)
    const sectors = Array.from({ length: 8 }, (_, at) => new Set(bytes.subarray(at * sector, (at + 1) * sector)))
    assert.ok(sectors.every((values) => values.size === 1))
    if (new Set(sectors.map((values) => [...values][0])).size === 2) torn++
  }
  assert.ok(torn > 5, `${torn} of 50 were torn`)
})

test('after a flush that failed, a later one promises nothing for the same bytes', async () => {
  const { disk, files, faults, user } = driveOf()
  const file = files.open('/f', 'create')
  await files.syncDirectory('/')
  file.write(utf8('data'), 0)
  faults.add({ path: '/f', operations: ['datasync'], fault: 'io', times: 1 })
  await assert.rejects(file.datasync(), FilesError)
  await file.datasync()
  assert.equal(fromUtf8(user.read('/f') ?? utf8('')), 'data')
  disk.crash(new SeededRandom(1))
  assert.equal(user.read('/f')?.length, 0)
})

test('a kill loses nothing, and the dead process can do no more', () => {
  const { files, user, life } = driveOf()
  const file = files.open('/f', 'create')
  file.write(utf8('data'), 0)
  life.end()
  assert.throws(() => file.write(utf8('more'), 0), SimCrash)
  assert.throws(() => files.unlink('/f'), SimCrash)
  assert.equal(fromUtf8(user.read('/f') ?? utf8('')), 'data')
})

test('a full drive takes what fits, says so, and has room again when something goes', () => {
  const { files, user } = driveOf({ capacityBytes: 10 })
  const file = files.open('/f', 'create')
  file.write(new Uint8Array(6), 0)
  assert.throws(
    () => file.write(new Uint8Array(6), 6),
    (error) => error instanceof FilesError && error.fault === 'noSpace',
  )
  assert.equal(file.stat().sizeBytes, 10)
  assert.equal(files.freeBytes('/'), 0)
  user.remove('/f')
  assert.equal(files.freeBytes('/'), 10)
})

test('permission bits bind the engine and not the person', () => {
  const { files, user } = driveOf()
  user.write('/f', utf8('x'))
  user.mkdir('/d')
  user.write('/d/inside', utf8('x'))
  user.chmod('/f', 0)
  user.chmod('/d', 0)
  const isDenied = (error: unknown): boolean => error instanceof FilesError && error.fault === 'denied'
  assert.throws(() => files.open('/f', 'read'), isDenied)
  assert.throws(() => files.readDirectory('/d'), isDenied)
  assert.throws(() => files.lstat('/d/inside'), isDenied)
  assert.equal(user.read('/d/inside')?.length, 1)
})

test('before a call a test can act as the person or kill the process', () => {
  const { files, user, faults, life } = driveOf()
  user.write('/f', utf8('one'))
  const calls: DiskCall[] = []
  faults.beforeCall((call) => {
    calls.push(call)
    if (call.operation === 'rename') user.write('/f', utf8('two'))
    if (call.operation === 'unlink') life.end()
  })
  files.rename('/f', '/g')
  assert.equal(fromUtf8(user.read('/g') ?? utf8('')), 'two')
  assert.throws(() => files.unlink('/g'), SimCrash)
  assert.ok(user.lstat('/g'))
  assert.deepEqual(
    calls.map(({ operation, count, isMutating }) => [operation, count, isMutating]),
    [
      ['rename', 0, true],
      ['unlink', 1, true],
    ],
  )
})

test('no two changes carry the same time unless the drive keeps coarse ones', () => {
  const fine = driveOf({ nowUs: () => 1_700_000_000_000_000 })
  fine.user.write('/f', utf8('a'))
  const before = fine.user.lstat('/f')
  fine.user.write('/f', utf8('b'))
  assert.notEqual(fine.user.lstat('/f')?.ctimeUs, before?.ctimeUs)
  const coarse = driveOf({ granularityUs: 2_000_000 })
  coarse.user.write('/f', utf8('a'))
  const stat = coarse.user.lstat('/f')
  coarse.user.write('/f', utf8('b'))
  assert.deepEqual(coarse.user.lstat('/f'), stat)
})

test('on a drive that folds case a name is found in any case and a rename can change it', () => {
  const { user } = driveOf({ rules: { isCaseSensitive: false, unicode: 'nfd' } })
  user.write('/Foo\u00e9', utf8('x'))
  assert.ok(user.lstat('/fOO\u00c9'))
  user.rename('/Foo\u00e9', '/foo\u00e9')
  assert.deepEqual(
    user.list('/').map(({ name }) => name),
    ['fooe\u0301'],
  )
})
