// Files that are not on a node's disk because it does not keep them: with real daemons.

import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { ListedFile } from '../../engine/api/elsewhere.ts'
import { allSynced, connected, eventually, TestNodes, type TestDaemon } from '../support/daemon.ts'

const waitMs = 60_000
const film = Buffer.alloc(3_000_000, 'nachtigall und lerche ')

interface Three {
  readonly nodes: TestNodes
  readonly desk: TestDaemon
  readonly attic: TestDaemon
  readonly laptop: TestDaemon
  /** The tree of each. */
  readonly at: { readonly desk: string; readonly attic: string; readonly laptop: string }
}

async function openThree(
  t: TestContext,
  join3: { readonly keep?: 'selected' | 'none'; readonly patterns?: readonly string[] } = {},
): Promise<Three> {
  const nodes = new TestNodes(t)
  const at = { desk: nodes.makeDirectory('desk'), attic: nodes.path('attic'), laptop: nodes.path('laptop') }
  mkdirSync(join(at.desk, 'summer'))
  for (let number = 0; number < 5; number++) writeFileSync(join(at.desk, `summer/day-${number}.txt`), `day ${number}`)
  writeFileSync(join(at.desk, 'film.bin'), film)
  writeFileSync(join(at.desk, 'note.txt'), 'a note')
  const [desk, attic, laptop] = await Promise.all([nodes.start('desk'), nodes.start('attic'), nodes.start('laptop')])
  await desk.call('addFolder', { path: at.desk, name: 'photos' })
  await attic.call('join', { link: await desk.share('photos'), path: at.attic })
  await laptop.call('join', { link: await desk.share('photos'), path: at.laptop, ...join3 })
  await allSynced([desk, attic, laptop])
  return { nodes, desk, attic, laptop, at }
}

async function filesOf(node: TestDaemon): Promise<ReadonlyMap<string, ListedFile>> {
  const { files } = await node.call('files', { folder: 'photos' })
  return new Map(files.map((file) => [file.path, file]))
}

async function stateOf(node: TestDaemon, path: string): Promise<string | undefined> {
  return (await filesOf(node)).get(path)?.state
}

/** Frees as soon as the others' words about what they hold have come. */
async function freeAll({ laptop }: Three, paths: readonly string[]): Promise<void> {
  await eventually('the files to be freed', waitMs, async () => {
    await laptop.call('freeFiles', { folder: 'photos', paths })
    const { files } = await laptop.call('files', { folder: 'photos' })
    const isIn = (path: string): boolean => paths.some((wanted) => path === wanted || path.startsWith(`${wanted}/`))
    return files.filter(({ path }) => isIn(path)).every(({ state }) => state === 'elsewhere') ? true : undefined
  })
}

function indexFiles(node: TestDaemon): readonly string[] {
  return readdirSync(node.home)
    .filter((name) => name.startsWith('index.db'))
    .map((name) => join(node.home, name))
}

describe('a freed file', () => {
  it('leaves this disk alone, follows what others do with it, is listed with its whereabouts, and comes back when it is fetched', async (t) => {
    const three = await openThree(t)
    const { desk, attic, laptop, at } = three
    await freeAll(three, ['film.bin', 'summer'])
    assert.deepEqual(readdirSync(at.laptop).toSorted(), ['.holdfast', 'note.txt', 'summer'])
    assert.deepEqual(readdirSync(join(at.laptop, 'summer')), [])
    assert.deepEqual(readdirSync(join(at.laptop, '.holdfast/replaced')), [], 'nothing of it is kept aside')
    await laptop.call('rescanFolder', { folder: 'photos' })
    await laptop.restart()
    await connected([laptop])
    await allSynced([desk, attic, laptop])
    for (const root of [at.desk, at.attic]) assert.deepEqual(readFileSync(join(root, 'film.bin')), film)
    const { elsewhere, files } = await laptop.folder('photos')
    assert.deepEqual([elsewhere, files], [{ files: 6, bytes: film.length + 25 }, 1])
    // The laptop has just started: its word for what is here comes a moment later.
    await eventually('all copies to be listed', waitMs, async () => {
      const { out } = await laptop.command('ls', 'photos')
      const isFilm = /2\.9 MiB +not here +2 copies: home +film\.bin/.test(out)
      return isFilm && /6 B +here +3 copies: home +note\.txt/.test(out) ? true : undefined
    })

    writeFileSync(join(at.desk, 'summer/day-1.txt'), 'day 1, edited while it was not on the laptop')
    unlinkSync(join(at.desk, 'summer/day-2.txt'))
    renameSync(join(at.desk, 'film.bin'), join(at.desk, 'summer/film.bin'))
    await allSynced([desk, attic, laptop])
    assert.deepEqual(readdirSync(join(at.laptop, 'summer')), [])
    const listed = await filesOf(laptop)
    assert.equal(listed.get('summer/day-1.txt')?.bytes, 44)
    assert.equal(listed.has('summer/day-2.txt'), false)
    assert.equal(listed.get('summer/film.bin')?.state, 'elsewhere', 'what others renamed stays elsewhere')
    assert.equal(listed.has('film.bin'), false)

    const fetched = await laptop.command('fetch', 'photos', 'summer/film.bin', 'summer/day-1.txt', '--wait')
    assert.deepEqual([fetched.code, fetched.out], [0, 'All of it is here.\n'], fetched.err)
    assert.deepEqual(readFileSync(join(at.laptop, 'summer/film.bin')), film)
    assert.equal(readFileSync(join(at.laptop, 'summer/day-1.txt'), 'utf8'), 'day 1, edited while it was not on the laptop')
    unlinkSync(join(at.laptop, 'summer/day-1.txt'))
    await allSynced([laptop, desk, attic])
    assert.equal(existsSync(join(at.desk, 'summer/day-1.txt')), false, 'what is here again and deleted is deleted')
    assert.equal(existsSync(join(at.desk, 'summer/day-3.txt')), true)
  })

  it('is refused while too few others can prove it, which is said, and with --min-copies is enough', async (t) => {
    const three = await openThree(t)
    const { attic, laptop, at } = three
    await eventually('all copies to be known', waitMs, async () => ((await laptop.folder('photos')).copies.min === 3 ? true : undefined))
    await attic.stop()
    await eventually('the attic to be gone', waitMs, async () => {
      const { peers } = await laptop.status()
      return peers.filter((peer) => peer.connected).length === 1 ? true : undefined
    })
    const refused = await laptop.command('free', 'photos', 'film.bin')
    assert.equal(refused.code, 5, refused.err)
    assert.match(refused.out, /Still here: 1 file\.\n +film\.bin +1 copy at other members could be proven now, 2 are needed/)
    assert.deepEqual(readFileSync(join(at.laptop, 'film.bin')), film)
    assert.equal(await stateOf(laptop, 'film.bin'), 'here')
    const freed = await laptop.command('free', 'photos', 'film.bin', '--min-copies', '1')
    assert.deepEqual([freed.code, freed.out], [0, 'Freed: 1 file, 2.9 MiB.\n'], freed.err)
    assert.equal(existsSync(join(at.laptop, 'film.bin')), false)
  })

  it('is kept beside what somebody makes under its name here, who has not seen it', async (t) => {
    const three = await openThree(t)
    const { desk, attic, laptop, at } = three
    await freeAll(three, ['note.txt'])
    writeFileSync(join(at.laptop, 'note.txt'), 'another note')
    await allSynced([laptop, desk, attic])
    await allSynced([laptop, desk, attic])
    for (const root of [at.desk, at.attic, at.laptop]) {
      const notes = readdirSync(root).filter((name) => name.startsWith('note'))
      const contents = notes.map((name) => readFileSync(join(root, name), 'utf8')).toSorted()
      assert.deepEqual(contents, ['a note', 'another note'], root)
    }
  })

  it('is not deleted anywhere by an index from before it was freed, nor by one that is lost', async (t) => {
    const three = await openThree(t)
    const { nodes, desk, attic, laptop, at } = three
    await laptop.stop()
    const backup = nodes.makeDirectory('backup')
    for (const path of indexFiles(laptop)) cpSync(path, join(backup, path.slice(laptop.home.length)))
    await laptop.start()
    await connected([laptop])
    await freeAll(three, ['film.bin', 'summer'])
    await laptop.stop()
    for (const path of indexFiles(laptop)) rmSync(path)
    cpSync(backup, laptop.home, { recursive: true })
    await laptop.start()
    await connected([laptop])
    await allSynced([laptop, desk, attic])
    for (const root of [at.desk, at.attic]) {
      assert.deepEqual(readFileSync(join(root, 'film.bin')), film)
      assert.equal(readdirSync(join(root, 'summer')).length, 5)
    }
    await freeAll(three, ['film.bin', 'summer'])
    await laptop.stop()
    for (const path of indexFiles(laptop)) rmSync(path)
    await laptop.start()
    await connected([laptop])
    await allSynced([laptop, desk, attic])
    for (const root of [at.desk, at.attic, at.laptop]) {
      assert.deepEqual(readFileSync(join(root, 'film.bin')), film)
      assert.equal(readdirSync(join(root, 'summer')).length, 5)
    }
  })
})

describe('keep', () => {
  it('brings what is selected, counts as no copy of the rest, follows when it is widened, narrowed, and after the index is lost', async (t) => {
    const three = await openThree(t, { keep: 'selected', patterns: ['summer/*', '!day-4.txt'] })
    const { desk, attic, laptop, at } = three
    const here = (): readonly string[] =>
      readdirSync(at.laptop, { recursive: true, encoding: 'utf8' }).filter((name) => !name.startsWith('.holdfast'))
    const summer = ['summer', 'summer/day-0.txt', 'summer/day-1.txt', 'summer/day-2.txt', 'summer/day-3.txt']
    assert.deepEqual(here().toSorted(), summer)
    writeFileSync(join(at.desk, 'new.txt'), 'not for the laptop')
    await allSynced([desk, attic, laptop])
    assert.deepEqual(here().toSorted(), summer)
    const copies = await eventually('three copies of what is selected', waitMs, async () => {
      const files = await filesOf(desk)
      return files.get('summer/day-0.txt')?.copies === 3 && files.get('new.txt')?.copies === 2 ? files : undefined
    })
    assert.equal(copies.get('film.bin')?.copies, 2)
    await laptop.stop()
    for (const path of indexFiles(laptop)) rmSync(path)
    await laptop.start()
    await connected([laptop])
    await allSynced([desk, attic, laptop])
    assert.deepEqual(here().toSorted(), summer, 'a lost index knows the rule')
    assert.match((await laptop.command('keep', 'photos')).out, /^Selected files are kept here: summer\/\* !day-4\.txt\n$/)

    const widened = await laptop.command('keep', 'photos', 'all')
    assert.match(widened.out, /^All files are kept here\.\nOn the way: 4 files, 2\.9 MiB\.\n$/)
    await laptop.call('fetchFiles', { folder: 'photos', paths: ['film.bin', 'new.txt', 'summer'], wait: true, timeoutMs: waitMs })
    assert.deepEqual(readFileSync(join(at.laptop, 'film.bin')), film)
    await eventually('all to be freed', waitMs, async () => {
      await laptop.call('keepFolder', { folder: 'photos', keep: 'none' })
      return here().length === 1 ? true : undefined
    })
    assert.deepEqual(here(), ['summer'])
    await allSynced([desk, attic, laptop])
    assert.equal(readdirSync(join(at.desk, 'summer')).length, 5)
    writeFileSync(join(at.laptop, 'mine.txt'), 'made here')
    await allSynced([laptop, desk, attic])
    assert.equal(readFileSync(join(at.desk, 'mine.txt'), 'utf8'), 'made here')
    assert.equal(existsSync(join(at.laptop, 'mine.txt')), true, 'nothing leaves the disk by itself')
  })
})
